/*
 * The host's side of lib/atomic.h: the same names; before each operation model_atomic_point() is
 * called, where a test may switch to another CPU of its own (tests/model/atomic.c has a weak one
 * that does nothing).
 */
#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include "hv/types.h"

void model_atomic_point(void);

static inline uint32_t atomic_get(const uint32_t *word)
{
    model_atomic_point();
    return *word;
}

static inline void atomic_set(uint32_t *word, uint32_t value)
{
    model_atomic_point();
    *word = value;
}

static inline uint32_t atomic_swap(uint32_t *word, uint32_t value)
{
    model_atomic_point();
    uint32_t old = *word;
    *word = value;
    return old;
}

static inline bool atomic_replace(uint32_t *word, uint32_t from, uint32_t to)
{
    model_atomic_point();
    if (*word != from)
        return false;
    *word = to;
    return true;
}

#endif
