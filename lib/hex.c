/* Hexadecimal text. */
#include "lib/hex.h"

static const char digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

size_t hex_encode(char *dst, const void *src, size_t size)
{
    const uint8_t *bytes = src;

    for (size_t i = 0; i < size; i++) {
        /* Read before writing: src may lie at the end of dst. */
        uint8_t byte = bytes[i];

        *dst++ = digits[byte >> 4];
        *dst++ = digits[byte & 15];
    }
    return 2 * size;
}

bool hex_decode(void *dst, const char *src, size_t size)
{
    uint8_t *bytes = dst;

    for (size_t i = 0; i < size; i++) {
        int high = hex_value(src[2 * i]);
        int low = hex_value(src[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

bool hex_number(const char **p, const char *end, uint64_t *value)
{
    const char *s = *p;
    uint64_t number = 0;

    while (s < end) {
        int digit = hex_value(*s);

        if (digit < 0)
            break;
        if (number >> 60 != 0)
            return false;
        number = number << 4 | (unsigned)digit;
        s++;
    }
    if (s == *p)
        return false;
    *p = s;
    *value = number;
    return true;
}

size_t hex_put(char *dst, uint64_t value)
{
    size_t count = 1;

    while (count < 16 && value >> (4 * count) != 0)
        count++;
    for (size_t i = count; i > 0; i--)
        *dst++ = digits[value >> (4 * (i - 1)) & 15];
    return count;
}
