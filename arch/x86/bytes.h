/* Little-endian numbers and checksums in firmware tables, at any alignment. */
#ifndef ARCH_X86_BYTES_H
#define ARCH_X86_BYTES_H

#include "hv/types.h"

static inline uint16_t bytes_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t bytes_u32(const uint8_t *p)
{
    return bytes_u16(p) | (uint32_t)bytes_u16(p + 2) << 16;
}

static inline uint64_t bytes_u64(const uint8_t *p)
{
    return bytes_u32(p) | (uint64_t)bytes_u32(p + 4) << 32;
}

/* Sum of all bytes, modulo 256: 0 for a good table. */
static inline uint8_t bytes_sum(const uint8_t *p, size_t size)
{
    uint8_t sum = 0;

    while (size--)
        sum = (uint8_t)(sum + *p++);
    return sum;
}

#endif
