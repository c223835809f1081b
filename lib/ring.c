/* A queue of bytes with one writer and one reader. */
#include "lib/ring.h"

/*
 * The writer alone moves head and the reader alone moves tail, each after it is done with the
 * byte, so a writer in an interrupt handler needs no lock. ring_push is for a caller that is both.
 */

void ring_init(struct ring *r, uint8_t *data, uint32_t size)
{
    r->data = data;
    r->mask = size - 1;
    r->head = 0;
    r->tail = 0;
}

uint32_t ring_used(const struct ring *r)
{
    return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) -
           __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
}

bool ring_put(struct ring *r, uint8_t byte)
{
    if (ring_used(r) > r->mask)
        return false;
    r->data[r->head & r->mask] = byte;
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
    return true;
}

void ring_push(struct ring *r, uint8_t byte)
{
    if (ring_used(r) > r->mask)
        r->tail++;
    ring_put(r, byte);
}

int ring_get(struct ring *r)
{
    int byte;

    if (ring_used(r) == 0)
        return -1;
    byte = r->data[r->tail & r->mask];
    __atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
    return byte;
}
