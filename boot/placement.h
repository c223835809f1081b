/*
 * Placement: in which order to copy pieces of memory whose sources lie anywhere, also where other
 * pieces must go. Pure: gives a list of moves, somebody else executes it.
 */
#ifndef BOOT_PLACEMENT_H
#define BOOT_PLACEMENT_H

#include "boot/memory_map.h"
#include "hv/status.h"
#include "hv/types.h"

enum {
    PLACEMENT_ITEMS_MAX = 48,
    PLACEMENT_MOVES_MAX = 2 * PLACEMENT_ITEMS_MAX, /* each item may go by a detour once */
};

/*
 * size bytes at `from` shall be at `to`; the rest of [to, to + room) shall be zero. size may be 0:
 * the room is only zeroed, at a time when nobody needs anymore what lies there. Sources may overlap
 * each other and any destination; destinations must not overlap each other.
 */
struct placement_item {
    uint64_t from;
    uint64_t size;
    uint64_t to;
    uint64_t room; /* >= size */
};

/*
 * One step: copy size bytes as memmove does (from and to may overlap), then zero the zero_tail
 * bytes behind to + size.
 */
struct placement_move {
    uint64_t from;
    uint64_t to;
    uint64_t size;
    uint64_t zero_tail;
};

struct placement {
    unsigned count;
    struct placement_move moves[PLACEMENT_MOVES_MAX];
};

/*
 * Fills *out with moves that, executed in order, do what the items ask. Where items wait for each
 * other in a ring, the smallest source in the way is first moved to RAM of the map below limit that
 * no item uses.
 *
 * HV_EINVAL: two destinations overlap, room < size, or an address wraps around. HV_ENOSPC: too many
 * items, or no free RAM for the detour.
 */
enum hv_status placement_plan(const struct placement_item *items, unsigned count,
                              const struct memory_map *map, uint64_t limit, struct placement *out);

#endif
