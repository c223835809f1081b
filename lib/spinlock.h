/* A lock for a few instructions; its owner never waits for anything else. */
#ifndef LIB_SPINLOCK_H
#define LIB_SPINLOCK_H

#include "lib/atomic.h"

struct spinlock {
    uint32_t taken; /* 0: free */
};

static inline void spin_lock(struct spinlock *lock)
{
    while (atomic_swap(&lock->taken, 1))
        __builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
    atomic_set(&lock->taken, 0);
}

#endif
