#include "boot/bios/resident.h"

#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { KIB = 1 << 10, LOWEST_PLACE = 256 * KIB, MIB = 1 << 20, BLOCK = 64 * KIB };

/* Carving the place out makes one range more of RAM, and one that is reserved. */
enum { MORE_RANGES = 2 };

/* Function 88h ends below 64 MiB, as BIOSes have it: callers add 1 MiB to what it says. */
enum { EXTENDED_MAX = 63 * 1024 };

_Static_assert(RESIDENT_MAX >= 1024 + MEMORY_MAP_MAX * RESIDENT_RANGE_SIZE,
               "code and a whole map fit");

hpa_t resident_place(struct memory_map *map, uint64_t base_end, size_t code_size)
{
    uint64_t ranges = HV_MIN(map->count + MORE_RANGES, (unsigned)MEMORY_MAP_MAX);
    uint64_t size = HV_ALIGN_UP(code_size + ranges * RESIDENT_RANGE_SIZE, (uint64_t)KIB);
    uint64_t at = memory_map_find_top(map, size, KIB, base_end, NULL, 0);

    if (at < LOWEST_PLACE || memory_map_set(map, at, at + size, MEMORY_RESERVED) != HV_OK)
        return 0;
    return at;
}

/* ACPI specification, "INT 15H, E820H"; E801 and 88h have no specification but common use. */
static void write_sizes(const struct memory_map *map, uint8_t *piece)
{
    const uint64_t line = 16 * MIB, end = HV_BIT(32);
    uint64_t low = memory_map_ram_end(map, MIB);
    uint64_t high = HV_MIN(memory_map_ram_end(map, line), end);

    put16(piece + RESIDENT_BELOW_16M, (uint16_t)((HV_MIN(low, line) - MIB) / KIB));
    put16(piece + RESIDENT_ABOVE_16M, (uint16_t)((high - line) / BLOCK));
    put16(piece + RESIDENT_EXTENDED, (uint16_t)HV_MIN((low - MIB) / KIB, (uint64_t)EXTENDED_MAX));
}

enum hv_status resident_write(const uint8_t *code, size_t code_size,
                              const struct resident_facts *facts, const struct memory_map *map,
                              uint8_t *piece, size_t size, size_t *used)
{
    uint8_t *range = piece + code_size;

    *used = code_size + (size_t)map->count * RESIDENT_RANGE_SIZE;
    if (code_size < RESIDENT_HEADER || *used > size)
        return HV_ENOSPC;
    memcpy(piece, code, code_size);
    put32(piece + RESIDENT_OLD_VECTOR, facts->old_vector);
    piece[RESIDENT_DRIVE] = facts->drive;
    piece[RESIDENT_TRIES] = facts->tries;
    piece[RESIDENT_TEXT_MODE] = facts->set_text_mode;
    put16(piece + RESIDENT_COUNT, (uint16_t)map->count);
    write_sizes(map, piece);
    for (unsigned i = 0; i < map->count; i++, range += RESIDENT_RANGE_SIZE) {
        const struct memory_range *r = &map->ranges[i];

        put64(range, r->start);
        put64(range + 8, r->end - r->start);
        put32(range + 16, r->type);
    }
    return HV_OK;
}
