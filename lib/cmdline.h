/*
 * Options: one line of `name=value` words and flags, separated by spaces or tabs. A value may be
 * put in double quotes to hold spaces.
 */
#ifndef LIB_CMDLINE_H
#define LIB_CMDLINE_H

#include "hv/types.h"

/* One word of the line; texts are not terminated, they point into the line. */
struct cmdline_word {
    const char *name;
    size_t name_len;
    const char *value; /* NULL for a flag (no '='); quotes taken off */
    size_t value_len;
};

/* Takes the next word from *line and moves *line behind it. False at the end. */
bool cmdline_next(const char **line, struct cmdline_word *word);

/* True when the len characters at text are exactly s. */
bool cmdline_equal(const char *text, size_t len, const char *s);

/* A number, decimal or with 0x; false when the whole text is not one that fits in 64 bits. */
bool cmdline_number(const char *text, size_t len, uint64_t *value);

#endif
