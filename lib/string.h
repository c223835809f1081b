/*
 * Memory and strings: the same names and meanings as the C library's, so that host tests link the
 * C library's and the compiler may call them by itself.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "hv/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *s, int byte, size_t size);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);

/*
 * Small sizes known at compile time become a few instructions, as in hosted code; -ffreestanding
 * alone would make calls of them.
 */
#define memcpy(dst, src, size)  __builtin_memcpy(dst, src, size)
#define memset(dst, byte, size) __builtin_memset(dst, byte, size)
#define memcmp(a, b, size)      __builtin_memcmp(a, b, size)

/* Copies s, cut to fit; dst is always terminated (size must not be 0). Returns strlen(s). */
size_t str_copy(char *dst, size_t size, const char *s);

/* True when s begins with prefix; *rest (if not NULL) then points behind it. */
bool str_prefix(const char *s, const char *prefix, const char **rest);

#endif
