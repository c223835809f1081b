/*
 * Formatting: a small printf.
 *
 * Knows %c %s %d %i %u %x %X %p %%, the lengths h hh l ll z, a width, '0', '-' and a precision for
 * %s ("%.*s" too). Nothing else; an unknown conversion is printed as it stands.
 */
#ifndef LIB_FMT_H
#define LIB_FMT_H

#include <stdarg.h>

#include "hv/compiler.h"
#include "hv/types.h"

/* As snprintf: cut to fit, always terminated when size > 0; returns the length it would have. */
size_t fmt_vprint(char *buf, size_t size, const char *format, va_list args);
size_t fmt_print(char *buf, size_t size, const char *format, ...) HV_PRINTF(3, 4);

#endif
