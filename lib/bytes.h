/*
 * Little-endian fields at byte offsets: firmware tables, image headers and boot information come as
 * bytes, may be unaligned and are never cast to structs.
 */
#ifndef LIB_BYTES_H
#define LIB_BYTES_H

#include "hv/types.h"

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *p, uint32_t value)
{
    put16(p, (uint16_t)value);
    put16(p + 2, (uint16_t)(value >> 16));
}

static inline void put64(uint8_t *p, uint64_t value)
{
    put32(p, (uint32_t)value);
    put32(p + 4, (uint32_t)(value >> 32));
}

/* The sum of all bytes, modulo 256: 0 for a good table of a firmware's. */
static inline uint8_t sum_bytes(const uint8_t *p, size_t size)
{
    uint8_t sum = 0;

    while (size--)
        sum = (uint8_t)(sum + *p++);
    return sum;
}

#endif
