/*
 * Words that several CPUs read and write. All in one order that every CPU agrees on (sequentially
 * consistent): each use here is of the kind "I tell mine, then look at yours", for which acquire
 * and release are too weak. Host tests put tests/model/lib/atomic.h in its place, which lets a test
 * choose who goes on at each of these operations.
 */
#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include "hv/types.h"

static inline uint32_t atomic_get(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void atomic_set(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* Returns what was there. */
static inline uint32_t atomic_swap(uint32_t *word, uint32_t value)
{
    return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

/* True when `from` was there, and `to` is now. */
static inline bool atomic_replace(uint32_t *word, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#endif
