/* boot/memory_map.c: merging, carving, searching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/memory_map.h"

static struct memory_map map_of(const struct memory_range *ranges, unsigned count)
{
    struct memory_map map = {.count = 0};

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(memory_map_add(&map, ranges[i].start, ranges[i].end, ranges[i].type),
                         HV_OK);
    assert_int_equal(memory_map_normalise(&map), HV_OK);
    return map;
}

#define MAP(...)                                                                                   \
    map_of((const struct memory_range[]){__VA_ARGS__},                                             \
           sizeof((const struct memory_range[]){__VA_ARGS__}) / sizeof(struct memory_range))

static const char *text(const struct memory_map *map)
{
    static char buf[4096];
    size_t used = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < map->count; i++)
        used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%s%llx-%llx:%u", i ? " " : "",
                                 (unsigned long long)map->ranges[i].start,
                                 (unsigned long long)map->ranges[i].end, map->ranges[i].type);
    return buf;
}

static void test_add(void **state)
{
    struct memory_map map = {.count = 0};

    (void)state;
    assert_int_equal(memory_map_add(&map, 5, 5, 1), HV_OK);
    assert_int_equal(memory_map_add(&map, 6, 5, 1), HV_OK);
    assert_int_equal(map.count, 0);
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        assert_int_equal(memory_map_add(&map, i * 2, i * 2 + 1, 1), HV_OK);
    assert_int_equal(memory_map_add(&map, 1000, 1001, 1), HV_ENOSPC);
    assert_int_equal(memory_map_add(&map, 1000, 1000, 1), HV_OK);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
    assert_int_equal(memory_map_normalise(&map), HV_OK);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
}

static void test_normalise(void **state)
{
    struct memory_map map;

    (void)state;
    map = MAP({0x100, 0x200, 1}, {0, 0x80, 1}, {0x80, 0x90, 1});
    assert_string_equal(text(&map), "0-90:1 100-200:1");
    /* Reserved inside of RAM, NVS across the end, an equal pair, unknown type 12. */
    map = MAP({0, 0x1000, 1}, {0x400, 0x500, 2}, {0xf00, 0x1100, 4}, {0x400, 0x500, 2},
              {0x4f0, 0x510, 12});
    assert_string_equal(text(&map), "0-400:1 400-4f0:2 4f0-510:12 510-f00:1 f00-1100:4");
    /* The top of the address space. */
    map = MAP({0xfffffffffffff000, UINT64_MAX, 2}, {0, UINT64_MAX, 1});
    assert_string_equal(text(&map), "0-fffffffffffff000:1 fffffffffffff000-ffffffffffffffff:2");
    /* A type of 0 is no range. */
    map = MAP({0, 16, 0}, {4, 8, 1});
    assert_string_equal(text(&map), "4-8:1");
}

static void test_normalise_full(void **state)
{
    struct memory_map map = {.count = 0};

    (void)state;
    memory_map_add(&map, 0, 1000, 1);
    for (unsigned i = 1; i < MEMORY_MAP_MAX; i++)
        memory_map_add(&map, i * 4, i * 4 + 1, 2);
    assert_int_equal(memory_map_normalise(&map), HV_ENOSPC);
}

static void test_set(void **state)
{
    struct memory_map map = MAP({0, 0x100, 1}, {0x200, 0x300, 1});

    (void)state;
    assert_int_equal(memory_map_set(&map, 0x40, 0x80, 2), HV_OK);
    assert_string_equal(text(&map), "0-40:1 40-80:2 80-100:1 200-300:1");
    assert_int_equal(memory_map_set(&map, 0x80, 0x280, 2), HV_OK);
    assert_string_equal(text(&map), "0-40:1 40-280:2 280-300:1");
    assert_int_equal(memory_map_set(&map, 0x400, 0x500, 3), HV_OK);
    assert_int_equal(memory_map_set(&map, 0x300, 0x400, 1), HV_OK);
    assert_string_equal(text(&map), "0-40:1 40-280:2 280-400:1 400-500:3");
    assert_int_equal(memory_map_set(&map, 0, UINT64_MAX, 1), HV_OK);
    assert_string_equal(text(&map), "0-ffffffffffffffff:1");
    assert_int_equal(memory_map_set(&map, 7, 7, 2), HV_OK);
    assert_int_equal(memory_map_set(&map, 8, 7, 2), HV_OK);
    assert_int_equal(map.count, 1);
}

static void test_set_full(void **state)
{
    struct memory_map map = {.count = 0}, before;

    (void)state;
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        memory_map_add(&map, i * 0x100, i * 0x100 + 0x80, 1);
    assert_int_equal(memory_map_normalise(&map), HV_OK);
    before = map;
    assert_int_equal(memory_map_set(&map, 0x10, 0x20, 2), HV_ENOSPC);
    assert_memory_equal(&map, &before, sizeof(map));
    /* What joins or replaces still fits. */
    assert_int_equal(memory_map_set(&map, 0, 0x80, 2), HV_OK);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
}

static void test_type(void **state)
{
    struct memory_map map = MAP({0x10, 0x20, 1}, {0x20, 0x30, 2});

    (void)state;
    assert_int_equal(memory_map_type(&map, 0xf), 0);
    assert_int_equal(memory_map_type(&map, 0x10), 1);
    assert_int_equal(memory_map_type(&map, 0x1f), 1);
    assert_int_equal(memory_map_type(&map, 0x20), 2);
    assert_int_equal(memory_map_type(&map, 0x30), 0);
}

static void test_ram_end(void **state)
{
    struct memory_map map = MAP({0x1000, 0x9000, 1}, {0x9000, 0xa000, 2}, {0xa000, 0xb000, 1});

    (void)state;
    assert_int_equal(memory_map_ram_end(&map, 0), 0); /* a hole */
    assert_int_equal(memory_map_ram_end(&map, 0x1000), 0x9000);
    assert_int_equal(memory_map_ram_end(&map, 0x8fff), 0x9000);
    assert_int_equal(memory_map_ram_end(&map, 0x9000), 0x9000);
    assert_int_equal(memory_map_ram_end(&map, 0xa800), 0xb000);
    assert_int_equal(memory_map_ram_end(&map, 0xb000), 0xb000);
}

static void test_find_top(void **state)
{
    struct memory_map map = MAP({0, 0xa0000, 1}, {0x100000, 0x800000, 1}, {0x800000, 0x900000, 3},
                                {0x100000000, 0x200000000, 1});
    const struct memory_range avoid[] = {{0x780000, 0x7f0000, 0}, {0x700000, 0x780001, 0}};
    const uint64_t limit = 0x100000000;

    (void)state;
    assert_int_equal(memory_map_find_top(&map, 0x1000, 0x1000, limit, NULL, 0), 0x7ff000);
    assert_int_equal(memory_map_find_top(&map, 0x1000, 0x200000, limit, NULL, 0), 0x600000);
    assert_int_equal(memory_map_find_top(&map, 0x1000, 0x1000, UINT64_MAX, NULL, 0), 0x1fffff000);
    assert_int_equal(memory_map_find_top(&map, 0x1000, 0x1000, 0x100fff, NULL, 0), 0x9f000);
    assert_int_equal(memory_map_find_top(&map, 0x10000, 0x1000, limit, avoid, 2), 0x7f0000);
    assert_int_equal(memory_map_find_top(&map, 0x10001, 0x1000, limit, avoid, 2), 0x6ef000);
    assert_int_equal(memory_map_find_top(&map, 0x700000, 0x1000, limit, NULL, 0), 0x100000);
    assert_int_equal(memory_map_find_top(&map, 0x700001, 0x1000, limit, NULL, 0), 0);
    assert_int_equal(memory_map_find_top(&map, UINT64_MAX, 1, UINT64_MAX, NULL, 0), 0);
    assert_int_equal(memory_map_find_top(&map, 0, 1, UINT64_MAX, NULL, 0), 0);
}

static void test_find_low(void **state)
{
    struct memory_map map = MAP({0, 0xa0000, 1}, {0x100000, 0x800000, 1});
    const struct memory_range avoid[] = {{0, 0x12345, 0}, {0x14000, 0x15000, 0}};

    (void)state;
    assert_int_equal(memory_map_find_low(&map, 1, 1, 0, UINT64_MAX, NULL, 0), 1);
    assert_int_equal(memory_map_find_low(&map, 1, 0x1000, 0, UINT64_MAX, NULL, 0), 0x1000);
    assert_int_equal(memory_map_find_low(&map, 0x1000, 0x1000, 0, UINT64_MAX, avoid, 2), 0x13000);
    assert_int_equal(memory_map_find_low(&map, 0x2000, 0x1000, 0, UINT64_MAX, avoid, 2), 0x15000);
    assert_int_equal(memory_map_find_low(&map, 0xa0000, 1, 0, UINT64_MAX, NULL, 0), 0x100000);
    assert_int_equal(memory_map_find_low(&map, 0x1000, 0x1000, 0x9f001, UINT64_MAX, NULL, 0),
                     0x100000);
    assert_int_equal(memory_map_find_low(&map, 0x1000, 0x1000, 0x100001, 0x101fff, NULL, 0), 0);
    assert_int_equal(memory_map_find_low(&map, 0x1000, 0x1000, 0x100001, 0x102000, NULL, 0),
                     0x101000);
    assert_int_equal(memory_map_find_low(&map, 1, 1, UINT64_MAX, UINT64_MAX, NULL, 0), 0);
    assert_int_equal(memory_map_find_low(&map, 0x1000, 1ULL << 63, 1, UINT64_MAX, NULL, 0), 0);
}

/* Against one byte per address: 2000 random maps. */
enum { SPACE = 96 };

static void check_searches(const struct memory_map *map, const uint8_t *types)
{
    uint64_t size = 1 + (uint64_t)rand() % 12, align = 1ULL << rand() % 4;
    uint64_t limit = (uint64_t)rand() % SPACE, from = (uint64_t)rand() % SPACE;
    struct memory_range avoid = {(uint64_t)rand() % SPACE, 0, 0};
    uint64_t top = 0, low = 0;

    avoid.end = avoid.start + (uint64_t)rand() % 9;
    for (uint64_t at = align; at + size <= limit; at += align) {
        bool good = true;

        for (uint64_t b = at; b < at + size; b++)
            good = good && types[b] == MEMORY_RAM && !(b >= avoid.start && b < avoid.end);
        if (good)
            top = at;
        if (good && low == 0 && at >= from)
            low = at;
    }
    assert_int_equal(memory_map_find_top(map, size, align, limit, &avoid, 1), top);
    assert_int_equal(memory_map_find_low(map, size, align, from, limit, &avoid, 1), low);
}

static void test_against_bytes(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        struct memory_map map = {.count = 0};
        uint8_t types[SPACE + 1] = {0};

        for (unsigned i = 0; i < 1 + (unsigned)rand() % 9; i++) {
            uint64_t start = (uint64_t)rand() % SPACE, end = start + (uint64_t)rand() % 30;
            uint8_t type = (uint8_t)(1 + rand() % 5);

            end = end > SPACE ? SPACE : end;
            assert_int_equal(memory_map_add(&map, start, end, type), HV_OK);
            for (uint64_t a = start; a < end; a++)
                types[a] = types[a] > type ? types[a] : type;
        }
        assert_int_equal(memory_map_normalise(&map), HV_OK);
        for (unsigned i = 0; i < 3; i++) {
            uint64_t start = (uint64_t)rand() % SPACE, end = start + (uint64_t)rand() % 20;

            end = end > SPACE ? SPACE : end;
            assert_int_equal(memory_map_set(&map, start, end, 1 + i), HV_OK);
            for (uint64_t a = start; a < end; a++)
                types[a] = (uint8_t)(1 + i);
        }
        for (uint64_t a = 0; a <= SPACE; a++)
            assert_int_equal(memory_map_type(&map, a), types[a]);
        for (unsigned i = 1; i < map.count; i++) {
            const struct memory_range *r = &map.ranges[i];

            assert_true(r[-1].end < r->start || (r[-1].end == r->start && r[-1].type != r->type));
        }
        check_searches(&map, types);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_normalise_full),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_full),
        cmocka_unit_test(test_type),
        cmocka_unit_test(test_ram_end),
        cmocka_unit_test(test_find_top),
        cmocka_unit_test(test_find_low),
        cmocka_unit_test(test_against_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
