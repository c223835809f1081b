/* A queue of bytes with one writer and one reader. Its size is a power of two. */
#ifndef LIB_RING_H
#define LIB_RING_H

#include "hv/types.h"

struct ring {
    uint8_t *data;
    uint32_t mask; /* size - 1 */
    uint32_t head; /* counts bytes written, wraps */
    uint32_t tail; /* counts bytes read, wraps */
};

/* size: a power of two. */
void ring_init(struct ring *r, uint8_t *data, uint32_t size);
uint32_t ring_used(const struct ring *r);
/* False when full: the byte is not taken. */
bool ring_put(struct ring *r, uint8_t byte);
/* Puts, dropping the oldest byte when full. */
void ring_push(struct ring *r, uint8_t byte);
/* The oldest byte, or -1 when empty. */
int ring_get(struct ring *r);

#endif
