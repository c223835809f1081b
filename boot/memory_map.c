/* Memory maps: merging, carving and searching. All pure. */
#include "boot/memory_map.h"

#include "hv/compiler.h"

/* Puts a range behind the last one; joins it with that where they touch and are of one type. */
static enum hv_status append(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    struct memory_range *last;

    if (start >= end || type == 0)
        return HV_OK;
    if (map->count > 0) {
        last = &map->ranges[map->count - 1];
        if (last->end == start && last->type == type) {
            last->end = end;
            return HV_OK;
        }
    }
    if (map->count == MEMORY_MAP_MAX)
        return HV_ENOSPC;
    map->ranges[map->count++] = (struct memory_range){start, end, type};
    return HV_OK;
}

enum hv_status memory_map_add(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    if (start >= end)
        return HV_OK;
    if (map->count == MEMORY_MAP_MAX)
        return HV_ENOSPC;
    map->ranges[map->count++] = (struct memory_range){start, end, type};
    return HV_OK;
}

/*
 * The piece of the map that begins at `at` and has one type throughout: its end goes to *end, the
 * result is the type, 0 for a hole. *end is UINT64_MAX when no boundary follows.
 */
static uint32_t piece_at(const struct memory_map *map, uint64_t at, uint64_t *end)
{
    uint32_t type = 0;

    *end = UINT64_MAX;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->ranges[i];

        if (r->start > at) {
            *end = HV_MIN(*end, r->start);
        } else if (r->end > at) {
            *end = HV_MIN(*end, r->end);
            type = HV_MAX(type, r->type);
        }
    }
    return type;
}

enum hv_status memory_map_normalise(struct memory_map *map)
{
    struct memory_map out = {.count = 0};
    uint64_t at = 0;

    while (at != UINT64_MAX) {
        uint64_t end;
        uint32_t type = piece_at(map, at, &end);
        enum hv_status status = append(&out, at, end, type);

        if (status != HV_OK)
            return status;
        at = end;
    }
    *map = out;
    return HV_OK;
}

enum hv_status memory_map_set(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    struct memory_map out = {.count = 0};
    enum hv_status status = HV_OK;
    unsigned i;

    if (start >= end)
        return HV_OK;
    for (i = 0; i < map->count && map->ranges[i].start < start && status == HV_OK; i++) {
        const struct memory_range *r = &map->ranges[i];

        status = append(&out, r->start, HV_MIN(r->end, start), r->type);
    }
    if (status == HV_OK)
        status = append(&out, start, end, type);
    for (i = 0; i < map->count && status == HV_OK; i++) {
        const struct memory_range *r = &map->ranges[i];

        if (r->end > end)
            status = append(&out, HV_MAX(r->start, end), r->end, r->type);
    }
    if (status == HV_OK)
        *map = out;
    return status;
}

uint64_t memory_map_ram_end(const struct memory_map *map, uint64_t start)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->ranges[i];

        if (r->type == MEMORY_RAM && start >= r->start && start < r->end)
            return r->end; /* neighbours are joined: RAM ends here */
    }
    return start;
}

uint32_t memory_map_type(const struct memory_map *map, uint64_t address)
{
    for (unsigned i = 0; i < map->count; i++)
        if (address >= map->ranges[i].start && address < map->ranges[i].end)
            return map->ranges[i].type;
    return 0;
}

/* The first avoided range that [start, start + size) touches, or NULL. */
static const struct memory_range *conflict(uint64_t start, uint64_t size,
                                           const struct memory_range *avoid, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (avoid[i].start < avoid[i].end && start < avoid[i].end && avoid[i].start < start + size)
            return &avoid[i];
    return NULL;
}

/* The highest place in [low, high), or 0. */
static uint64_t top_of_range(uint64_t low, uint64_t high, uint64_t size, uint64_t align,
                             const struct memory_range *avoid, unsigned avoid_count)
{
    while (high >= size) {
        uint64_t at = HV_ALIGN_DOWN(high - size, align);
        const struct memory_range *hit;

        if (at < low)
            break;
        hit = conflict(at, size, avoid, avoid_count);
        if (hit == NULL)
            return at;
        high = hit->start; /* below at + size: the search goes down each time */
    }
    return 0;
}

uint64_t memory_map_find_top(const struct memory_map *map, uint64_t size, uint64_t align,
                             uint64_t limit, const struct memory_range *avoid, unsigned avoid_count)
{
    uint64_t best = 0;

    if (size == 0)
        return 0;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->ranges[i];
        uint64_t at;

        if (r->type != MEMORY_RAM)
            continue;
        at = top_of_range(r->start, HV_MIN(r->end, limit), size, align ? align : 1, avoid,
                          avoid_count);
        best = HV_MAX(best, at);
    }
    return best;
}

/* The lowest place in [low, high), or 0. */
static uint64_t low_of_range(uint64_t low, uint64_t high, uint64_t size, uint64_t align,
                             const struct memory_range *avoid, unsigned avoid_count)
{
    while (low < high) {
        uint64_t at = HV_ALIGN_UP(low, align);
        const struct memory_range *hit;

        if (at < low || at >= high || high - at < size)
            break;
        hit = conflict(at, size, avoid, avoid_count);
        if (hit == NULL)
            return at;
        low = hit->end; /* above at: the search goes up each time */
    }
    return 0;
}

uint64_t memory_map_find_low(const struct memory_map *map, uint64_t size, uint64_t align,
                             uint64_t from, uint64_t limit, const struct memory_range *avoid,
                             unsigned avoid_count)
{
    from = HV_MAX(from, 1); /* address 0 says "none" */
    if (size == 0)
        return 0;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->ranges[i];
        uint64_t at;

        if (r->type != MEMORY_RAM)
            continue;
        at = low_of_range(HV_MAX(r->start, from), HV_MIN(r->end, limit), size, align ? align : 1,
                          avoid, avoid_count);
        if (at != 0)
            return at; /* the map is sorted */
    }
    return 0;
}
