/*
 * The line while no gdb is on it, and the guest's console has it: what is typed goes to the guest,
 * but for a whole packet with a good checksum, which is a gdb that comes. Pure.
 *
 * So what may become a packet is held back: from a '$' on, until a control character (a packet of
 * gdb's first has none), a wrong checksum or its length shows that it is none; and a '+', gdb's
 * first character, until the next one.
 */
#ifndef DEBUG_CONSOLE_FILTER_H
#define DEBUG_CONSOLE_FILTER_H

#include "hv/types.h"

enum { CONSOLE_FILTER_SIZE = 1024 };

struct console_filter {
    char held[CONSOLE_FILTER_SIZE];
    size_t count;
    size_t sum_at; /* the digits' place behind '#'; 0: not yet */
    uint8_t sum;
};

enum console_verdict {
    CONSOLE_HELD,   /* wait for more */
    CONSOLE_TYPED,  /* the first `*count` characters of held are the guest's; call
                       console_filter_drop */
    CONSOLE_PACKET, /* they are a packet, perhaps with a '+' before it; the same */
};

/* Takes a character; *count is for the verdict. */
enum console_verdict console_filter(struct console_filter *f, char c, size_t *count);

/* Forgets the first count characters. */
void console_filter_drop(struct console_filter *f, size_t count);

#endif
