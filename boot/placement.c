/*
 * Placement. An item can be done as soon as no other waiting item's source lies in its room. When
 * none can, a source that lies in another's room takes a detour through free memory; it then is in
 * nobody's way, so every item makes at most one detour and the list always ends.
 */
#include "boot/placement.h"

#include "boot/refusal.h"
#include "hv/compiler.h"

struct work {
    struct placement_item items[PLACEMENT_ITEMS_MAX];
    bool done[PLACEMENT_ITEMS_MAX];
    unsigned count;
};

static bool wraps(uint64_t start, uint64_t size)
{
    return start + size < start;
}

static bool rooms_overlap(const struct placement_item *a, const struct placement_item *b)
{
    return ranges_overlap(a->to, a->to + a->room, b->to, b->to + b->room);
}

static enum hv_status check(const struct placement_item *items, unsigned count)
{
    if (count > PLACEMENT_ITEMS_MAX)
        return HV_ENOSPC;
    for (unsigned i = 0; i < count; i++) {
        if (items[i].room < items[i].size || wraps(items[i].from, items[i].size) ||
            wraps(items[i].to, items[i].room))
            return HV_EINVAL;
        for (unsigned j = 0; j < i; j++)
            if (rooms_overlap(&items[i], &items[j]))
                return HV_EINVAL;
    }
    return HV_OK;
}

/* True when the source of the waiting item `source` lies in the room of the item `room`. */
static bool in_the_way(const struct work *w, unsigned source, unsigned room)
{
    const struct placement_item *s = &w->items[source], *r = &w->items[room];

    return source != room && !w->done[source] && !w->done[room] &&
           ranges_overlap(s->from, s->from + s->size, r->to, r->to + r->room);
}

static bool is_ready(const struct work *w, unsigned room)
{
    for (unsigned i = 0; i < w->count; i++)
        if (in_the_way(w, i, room))
            return false;
    return true;
}

static void emit(struct placement *out, const struct placement_item *item)
{
    uint64_t tail = item->room - item->size;

    if (item->room == 0 || (item->from == item->to && tail == 0))
        return;
    out->moves[out->count++] = (struct placement_move){item->from, item->to, item->size, tail};
}

/* The smallest waiting source that lies in another's room. There is one when nothing is ready. */
static unsigned smallest_obstacle(const struct work *w)
{
    unsigned best = w->count;

    for (unsigned i = 0; i < w->count; i++)
        for (unsigned room = 0; room < w->count; room++)
            if (in_the_way(w, i, room) &&
                (best == w->count || w->items[i].size < w->items[best].size))
                best = i;
    return best;
}

/* Moves an item's source to memory that no item uses. */
static enum hv_status detour(struct work *w, const struct memory_map *map, uint64_t limit,
                             struct placement *out)
{
    struct placement_item *item = &w->items[smallest_obstacle(w)];
    struct memory_range avoid[2 * PLACEMENT_ITEMS_MAX];
    unsigned n = 0;
    uint64_t to;

    for (unsigned i = 0; i < w->count; i++) {
        const struct placement_item *other = &w->items[i];

        if (!w->done[i])
            avoid[n++] = (struct memory_range){other->from, other->from + other->size, 0};
        avoid[n++] = (struct memory_range){other->to, other->to + other->room, 0};
    }
    to = memory_map_find_top(map, item->size, 4096, limit, avoid, n);
    if (to == 0)
        return HV_ENOSPC;
    emit(out, &(struct placement_item){item->from, item->size, to, item->size});
    item->from = to;
    return HV_OK;
}

/* Does one item that can be done. False when there is none. */
static bool do_ready(struct work *w, struct placement *out)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (w->done[i] || !is_ready(w, i))
            continue;
        emit(out, &w->items[i]);
        w->done[i] = true;
        return true;
    }
    return false;
}

enum hv_status placement_plan(const struct placement_item *items, unsigned count,
                              const struct memory_map *map, uint64_t limit, struct placement *out)
{
    struct work w = {.count = count};
    enum hv_status status = check(items, count);
    unsigned left = count;

    out->count = 0;
    if (status != HV_OK)
        return status;
    for (unsigned i = 0; i < count; i++)
        w.items[i] = items[i];
    while (left > 0) {
        if (do_ready(&w, out)) {
            left--;
            continue;
        }
        status = detour(&w, map, limit, out);
        if (status != HV_OK)
            return status;
    }
    return HV_OK;
}
