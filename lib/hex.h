/* Hexadecimal text, as the remote protocol writes it: lower case, two digits a byte. */
#ifndef LIB_HEX_H
#define LIB_HEX_H

#include "hv/types.h"

/* The value of a hexadecimal digit, or -1. */
int hex_value(char c);

/* Writes 2 * size digits (no terminator); returns their number. */
size_t hex_encode(char *dst, const void *src, size_t size);

/* Reads exactly 2 * size digits. False, with dst undefined, when one is not a digit. */
bool hex_decode(void *dst, const char *src, size_t size);

/*
 * Reads a number of 1 to 16 digits from *p, before end, and moves *p behind it. False, with *p
 * where it was, when there is no digit or there are more than 16 significant ones.
 */
bool hex_number(const char **p, const char *end, uint64_t *value);

/* Writes value without leading zeros (at least one digit, at most 16); returns the digits. */
size_t hex_put(char *dst, uint64_t value);

#endif
