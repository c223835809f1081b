/* What reads the values of options (boot/options.c). */
#ifndef BOOT_OPTION_VALUES_H
#define BOOT_OPTION_VALUES_H

#include "boot/options.h"

/* The text of a value; like cmdline's texts it is not terminated. */
struct text {
    const char *s;
    size_t len;
};

/* Reads a value into the options. NULL, or what is wrong (a clause without the option's name). */
typedef const char *(*option_fn)(struct text value, struct boot_options *options);

const char *option_gdb(struct text value, struct boot_options *options);
const char *option_guest(struct text value, struct boot_options *options);
const char *option_stop(struct text value, struct boot_options *options);
const char *option_console(struct text value, struct boot_options *options);
const char *option_ap(struct text value, struct boot_options *options);
const char *option_trace(struct text value, struct boot_options *options);

/* Where gdb= is not given. */
extern const struct boot_gdb option_gdb_default;

#endif
