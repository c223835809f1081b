/* Why something is refused, in one sentence for the console; and the checks that loaders share. */
#ifndef BOOT_REFUSAL_H
#define BOOT_REFUSAL_H

#include "boot/memory_map.h"
#include "hv/compiler.h"
#include "hv/types.h"

struct refusal {
    char text[192]; /* "" when nothing was refused */
};

/* Writes the sentence (cut to fit) and returns false, so that a check can `return refuse(...)`. */
bool refuse(struct refusal *refusal, const char *format, ...) HV_PRINTF(2, 3);

/* True when a and b have a byte in common. */
bool ranges_overlap(uint64_t a_start, uint64_t a_end, uint64_t b_start, uint64_t b_end);

/* True when every byte of [start, end) is RAM. The map must be normalised. */
bool memory_is_ram(const struct memory_map *map, uint64_t start, uint64_t end);

/*
 * Checks that [start, end) can be loaded: above the BIOS's data, below 4 GiB, all RAM of the map
 * and outside self (our reservation, which the map has as reserved). The refusal names `what` and
 * the first address that is wrong.
 */
bool require_ram(const struct memory_map *map, const struct memory_range *self, const char *what,
                 uint64_t start, uint64_t end, struct refusal *refusal);

/* The first byte a guest may be loaded to: page 0 holds the IVT and the BIOS data area. */
#define LOAD_FLOOR 0x1000ULL
/* Everything we load is below this: our guests start with 32-bit addresses. */
#define LOAD_LIMIT HV_BIT(32)

#endif
