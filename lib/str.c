/* The string functions that the C library does not have; host tests link them from here. */
#include "lib/string.h"

size_t str_copy(char *dst, size_t size, const char *s)
{
    size_t len = strlen(s);
    size_t fits = len < size ? len : size - 1;

    memcpy(dst, s, fits);
    dst[fits] = '\0';
    return len;
}

bool str_prefix(const char *s, const char *prefix, const char **rest)
{
    size_t len = strlen(prefix);

    if (strncmp(s, prefix, len) != 0)
        return false;
    if (rest != NULL)
        *rest = s + len;
    return true;
}
