/*
 * Memory maps: memory map -> memory map, all pure. Types are E820's (ACPI specification, "Address
 * Range Types").
 */
#ifndef BOOT_MEMORY_MAP_H
#define BOOT_MEMORY_MAP_H

#include "hv/status.h"
#include "hv/types.h"

enum memory_type {
    MEMORY_RAM = 1,
    MEMORY_RESERVED = 2,
    MEMORY_ACPI = 3, /* reclaimable */
    MEMORY_NVS = 4,
    MEMORY_BAD = 5,
};

struct memory_range {
    uint64_t start;
    uint64_t end;  /* first byte behind */
    uint32_t type; /* enum memory_type, or what the firmware said */
};

enum { MEMORY_MAP_MAX = 128 };

/* Sorted, without overlaps, once memory_map_normalise() has run. */
struct memory_map {
    unsigned count;
    struct memory_range ranges[MEMORY_MAP_MAX];
};

/* Appends; empty ranges are ignored. HV_ENOSPC when the table is full. */
enum hv_status memory_map_add(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type);

/*
 * Sorts, resolves overlaps (the higher type wins, so that reserved beats RAM), joins neighbours of
 * one type. HV_ENOSPC when the result does not fit.
 */
enum hv_status memory_map_normalise(struct memory_map *map);

/*
 * Gives [start, end) the type, whatever it was (a hole in the map becomes a range). The map must
 * be normalised and stays so. HV_ENOSPC: nothing changed.
 */
enum hv_status memory_map_set(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type);

/*
 * The end of the RAM in one piece that holds start, for a normalised map; start itself when it is
 * no RAM.
 */
uint64_t memory_map_ram_end(const struct memory_map *map, uint64_t start);

/* The type at address, 0 when no range holds it. */
uint32_t memory_map_type(const struct memory_map *map, uint64_t address);

/*
 * The highest RAM below limit that holds size bytes, aligned, and touches none of the avoided
 * ranges (their types are ignored; avoid may be NULL when avoid_count is 0). 0 when there is none.
 */
uint64_t memory_map_find_top(const struct memory_map *map, uint64_t size, uint64_t align,
                             uint64_t limit, const struct memory_range *avoid,
                             unsigned avoid_count);

/* The same, lowest first, from `from` on. */
uint64_t memory_map_find_low(const struct memory_map *map, uint64_t size, uint64_t align,
                             uint64_t from, uint64_t limit, const struct memory_range *avoid,
                             unsigned avoid_count);

#endif
