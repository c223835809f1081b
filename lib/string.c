/*
 * The C library's memory and string functions, for where there is no C library.
 *
 * The makefile compiles this file so that the compiler never replaces a loop by a call of memcpy
 * or memset: here that would be a call of the function itself. Names in brackets are those that
 * lib/string.h has a macro for.
 */
#include "lib/string.h"

/* Eight bytes at any address, whatever type lies there. */
typedef uint64_t __attribute__((may_alias, aligned(1))) any_word_t;

enum { WORD = sizeof(any_word_t) };

static void copy_up(uint8_t *dst, const uint8_t *src, size_t size)
{
    for (; size >= WORD; size -= WORD, dst += WORD, src += WORD)
        *(any_word_t *)dst = *(const any_word_t *)src;
    for (; size > 0; size--)
        *dst++ = *src++;
}

/* From the last byte to the first. */
static void copy_down(uint8_t *dst, const uint8_t *src, size_t size)
{
    while (size >= WORD) {
        size -= WORD;
        *(any_word_t *)(dst + size) = *(const any_word_t *)(src + size);
    }
    while (size > 0) {
        size--;
        dst[size] = src[size];
    }
}

void *(memcpy)(void *restrict dst, const void *restrict src, size_t size)
{
    copy_up(dst, src, size);
    return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
    /* A word is read whole before it is written, so only the direction matters. */
    if ((uintptr_t)dst - (uintptr_t)src >= size)
        copy_up(dst, src, size);
    else
        copy_down(dst, src, size);
    return dst;
}

void *(memset)(void *dst, int byte, size_t size)
{
    uint8_t *p = dst;
    uint64_t word = 0x0101010101010101ULL * (uint8_t)byte;

    for (; size >= WORD; size -= WORD, p += WORD)
        *(any_word_t *)p = word;
    for (; size > 0; size--)
        *p++ = (uint8_t)byte;
    return dst;
}

int(memcmp)(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a;
    const uint8_t *y = b;

    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

void *memchr(const void *s, int byte, size_t size)
{
    const uint8_t *p = s;

    for (size_t i = 0; i < size; i++) {
        if (p[i] == (uint8_t)byte)
            return (void *)(uintptr_t)(p + i);
    }
    return NULL;
}

size_t strlen(const char *s)
{
    size_t len = 0;

    while (s[len] != '\0')
        len++;
    return len;
}

size_t strnlen(const char *s, size_t max)
{
    size_t len = 0;

    while (len < max && s[len] != '\0')
        len++;
    return len;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t max)
{
    for (size_t i = 0; i < max; i++) {
        uint8_t x = (uint8_t)a[i];
        uint8_t y = (uint8_t)b[i];

        if (x != y)
            return x < y ? -1 : 1;
        if (x == 0)
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)(uintptr_t)s;
        if (*s == '\0')
            return NULL;
    }
}
