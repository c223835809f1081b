/* boot/placement.c: every byte arrives, whatever lies where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/placement.h"

enum { PAGE = 4096, MEMORY = 64 * PAGE };

static uint8_t memory[MEMORY], before[MEMORY];

static struct memory_map ram(uint64_t start, uint64_t end)
{
    struct memory_map map = {.count = 1, .ranges = {{start, end, MEMORY_RAM}}};

    return map;
}

static void execute(const struct placement *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        const struct placement_move *m = &p->moves[i];

        assert_true(m->from + m->size <= MEMORY && m->to + m->size + m->zero_tail <= MEMORY);
        memmove(memory + m->to, memory + m->from, m->size);
        memset(memory + m->to + m->size, 0, m->zero_tail);
    }
}

/* No byte is 0. */
static void fill(void)
{
    uint64_t word = (uint64_t)rand() * 2 + 1;

    for (size_t i = 0; i < MEMORY; i += sizeof(word)) {
        word = word * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t bytes = word | 0x0101010101010101ULL;
        memcpy(memory + i, &bytes, sizeof(bytes));
    }
    memcpy(before, memory, MEMORY);
}

static void check_arrived(const struct placement_item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_memory_equal(memory + items[i].to, before + items[i].from, items[i].size);
        for (uint64_t b = items[i].size; b < items[i].room; b++)
            assert_int_equal(memory[items[i].to + b], 0);
    }
}

static void test_nothing_to_do(void **state)
{
    const struct placement_item items[] = {{PAGE, PAGE, PAGE, PAGE}, {0, 0, 5 * PAGE, 0}};
    struct memory_map map = ram(PAGE, MEMORY);
    struct placement p;

    (void)state;
    assert_int_equal(placement_plan(items, 2, &map, MEMORY, &p), HV_OK);
    assert_int_equal(p.count, 0);
    assert_int_equal(placement_plan(items, 0, &map, MEMORY, &p), HV_OK);
    assert_int_equal(p.count, 0);
}

/* A chain: b's source lies in a's room, c's in b's. Only one order is right. */
static void test_order(void **state)
{
    const struct placement_item items[] = {
        {1 * PAGE, PAGE, 2 * PAGE, PAGE},
        {2 * PAGE, PAGE, 3 * PAGE, PAGE},
        {3 * PAGE, PAGE, 4 * PAGE, 2 * PAGE},
    };
    struct memory_map none = {.count = 0};
    struct placement p;

    (void)state;
    assert_int_equal(placement_plan(items, 3, &none, MEMORY, &p), HV_OK);
    assert_int_equal(p.count, 3);
    assert_int_equal(p.moves[0].to, 4 * PAGE);
    assert_int_equal(p.moves[0].zero_tail, PAGE);
    assert_int_equal(p.moves[2].to, 2 * PAGE);
    fill();
    execute(&p);
    check_arrived(items, 3);
}

/* The zeroed tail of a (its bss) lies on the source of b. */
static void test_bss_over_a_module(void **state)
{
    const struct placement_item items[] = {
        {10 * PAGE, 100, 1 * PAGE, 8 * PAGE},
        {4 * PAGE, PAGE, 20 * PAGE, PAGE},
    };
    struct memory_map none = {.count = 0};
    struct placement p;

    (void)state;
    assert_int_equal(placement_plan(items, 2, &none, MEMORY, &p), HV_OK);
    fill();
    execute(&p);
    check_arrived(items, 2);
}

/* Two change places: one goes by a free place, the smaller one. */
static void test_swap(void **state)
{
    const struct placement_item items[] = {
        {1 * PAGE, 2 * PAGE, 5 * PAGE, 2 * PAGE},
        {5 * PAGE, PAGE, 1 * PAGE, PAGE},
    };
    struct memory_map map = ram(PAGE, 9 * PAGE), none = {.count = 0};
    struct placement p;

    (void)state;
    assert_int_equal(placement_plan(items, 2, &map, MEMORY, &p), HV_OK);
    assert_int_equal(p.count, 3);
    assert_int_equal(p.moves[0].from, 5 * PAGE);
    assert_int_equal(p.moves[0].size, PAGE);
    assert_int_equal(p.moves[0].to, 8 * PAGE);
    fill();
    execute(&p);
    check_arrived(items, 2);
    assert_int_equal(placement_plan(items, 2, &none, MEMORY, &p), HV_ENOSPC);
    /* The limit counts. */
    assert_int_equal(placement_plan(items, 2, &map, 5 * PAGE, &p), HV_OK);
    assert_int_equal(p.moves[0].to, 4 * PAGE);
}

static void test_refusals(void **state)
{
    const struct placement_item overlap[] = {{0, 1, 100, 10}, {0, 1, 109, 10}};
    const struct placement_item touch[] = {{0, 1, 100, 10}, {0, 1, 110, 10}};
    const struct placement_item small = {0, 10, 100, 9};
    const struct placement_item wrap_to = {0, 10, UINT64_MAX - 5, 10};
    const struct placement_item wrap_from = {UINT64_MAX - 5, 10, 0, 10};
    static struct placement_item many[PLACEMENT_ITEMS_MAX + 1];
    struct memory_map none = {.count = 0};
    struct placement p;

    (void)state;
    assert_int_equal(placement_plan(overlap, 2, &none, MEMORY, &p), HV_EINVAL);
    assert_int_equal(placement_plan(touch, 2, &none, MEMORY, &p), HV_OK);
    assert_int_equal(placement_plan(&small, 1, &none, MEMORY, &p), HV_EINVAL);
    assert_int_equal(placement_plan(&wrap_to, 1, &none, MEMORY, &p), HV_EINVAL);
    assert_int_equal(placement_plan(&wrap_from, 1, &none, MEMORY, &p), HV_EINVAL);
    assert_int_equal(placement_plan(many, PLACEMENT_ITEMS_MAX + 1, &none, MEMORY, &p), HV_ENOSPC);
}

static bool overlaps_one(const struct placement_item *items, unsigned count, uint64_t to,
                         uint64_t room)
{
    for (unsigned i = 0; i < count; i++)
        if (to < items[i].to + items[i].room && items[i].to < to + room)
            return true;
    return false;
}

static unsigned random_items(struct placement_item *items, unsigned want)
{
    const uint64_t busy = MEMORY - 24 * PAGE; /* the rest: room for detours */
    unsigned n = 0;

    for (unsigned tries = 0; n < want && tries < 100; tries++) {
        uint64_t size = (uint64_t)rand() % (3 * PAGE), room = size;
        uint64_t from = (uint64_t)rand() % (busy - 3 * PAGE);
        uint64_t to = (uint64_t)rand() % (busy - 5 * PAGE);

        if (rand() % 3 == 0)
            room += (uint64_t)rand() % PAGE;
        if (rand() % 8 == 0)
            to = from;
        if (rand() % 8 == 0)
            size = 0;
        if (n > 0 && rand() % 2 == 0) /* onto another's source: chains and rings */
            to = items[(unsigned)rand() % n].from;
        if (!overlaps_one(items, n, to, room))
            items[n++] = (struct placement_item){from, size, to, room};
    }
    return n;
}

/*
 * The property: whatever overlaps, all bytes arrive, and nothing but destinations and free RAM of
 * the map is written.
 */
static void test_random_layouts(void **state)
{
    struct memory_map map = ram(PAGE, MEMORY);
    unsigned detours = 0;

    (void)state;
    srand(7);
    for (unsigned round = 0; round < 3000; round++) {
        struct placement_item items[12];
        unsigned count = random_items(items, 1 + (unsigned)rand() % 12);
        struct placement p;

        /* At times detours must squeeze in between destinations, and may find no room. */
        uint64_t limit = round % 2 ? MEMORY : MEMORY - 24 * PAGE;
        enum hv_status status = placement_plan(items, count, &map, limit, &p);

        if (limit != MEMORY && status == HV_ENOSPC)
            continue;
        assert_int_equal(status, HV_OK);
        assert_true(p.count <= 2 * count);
        detours += p.count > count;
        fill();
        execute(&p);
        check_arrived(items, count);
        assert_memory_equal(memory, before, overlaps_one(items, count, 0, PAGE) ? 0 : PAGE);
    }
    assert_true(detours > 30); /* else the test shows little */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_do),     cmocka_unit_test(test_order),
        cmocka_unit_test(test_bss_over_a_module), cmocka_unit_test(test_swap),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_random_layouts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
