/* boot/platform.c: what of the map may be read without side effects (USER-9, USER-11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "boot/platform.h"

#define GIB (1ULL << 30)

static uint32_t max_leaf = 0x8000001f, ext_edx;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 1:
        return (struct cpuid_result){0, 0x07020800, 0, 0};
    case 0x80000000:
        return (struct cpuid_result){max_leaf, 0, 0, 0};
    case 0x80000001:
        return (struct cpuid_result){0, 0, 0, ext_edx};
    case 0x80000008:
        return (struct cpuid_result){0x3030, 0, 0, 0};
    default:
        fail();
        return (struct cpuid_result){0, 0, 0, 0};
    }
}

/* A machine of 3 GiB below and 1 GiB above the devices; the reservation at the top of low RAM. */
static struct memory_map map;
static struct guest_memory_config config;

static void range(uint64_t start, uint64_t end, uint32_t type)
{
    map.ranges[map.count++] = (struct memory_range){start, end, type};
}

static int setup(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    memset(&config, 0xee, sizeof(config));
    config.self_start = 0xbfc00000;
    config.self_size = 0x400000;
    range(0, 0x9fc00, MEMORY_RAM);
    range(0x9fc00, 0xa0000, MEMORY_RESERVED); /* EBDA */
    range(0xf0000, 0x100000, MEMORY_RESERVED);
    range(0x100000, 0x8000000, MEMORY_RAM);
    range(0x8000000, 0x8010000, MEMORY_BAD);
    range(0x8010000, 0xbfa00000, MEMORY_RAM);
    range(0xbfa00000, 0xbfb00000, MEMORY_ACPI);
    range(0xbfb00000, 0xbfb80000, MEMORY_NVS);
    range(0xbfb80000, 0xbfc00000, 7);               /* what UEFI's runtime memory may look like */
    range(0xbfc00000, 0xc0000000, MEMORY_RESERVED); /* ours */
    range(0xe0000000, 0xf0000000, MEMORY_RESERVED); /* PCI configuration space */
    range(0xfed00000, 0xfee00000, MEMORY_RESERVED);
    range(4 * GIB, 5 * GIB, MEMORY_RAM);
    range(0xfd00000000, 0x10000000000, MEMORY_RESERVED);
    return 0;
}

/* 0: no; 1: for reading; 3: for writing too. */
static unsigned access_at(uint64_t address)
{
    unsigned access = 0;

    for (unsigned i = 0; i < config.count; i++) {
        const struct guest_range *r = &config.ranges[i];
        assert_true(r->start < r->end);
        if (address >= r->start && address < r->end)
            access |= r->writable ? 3 : 1;
    }
    return access;
}

static void test_ranges(void **state)
{
    static const struct {
        uint64_t address;
        unsigned access;
    } cases[] = {
        {0, 3},          {0x9fbff, 3},    {0x9fc00, 3},     {0x9ffff, 3},    {0xa0000, 0},
        {0xbffff, 0},    {0xc0000, 1},    {0x100000, 3},    {0x7ffffff, 3},  {0x8000000, 0},
        {0x800ffff, 0},  {0x8010000, 3},  {0xbfa00000, 3},  {0xbfb00000, 3}, {0xbfb80000, 3},
        {0xbfbfffff, 3}, {0xbfc00000, 0}, {0xbfffffff, 0},  {0xc0000000, 0}, {0xe0000000, 0},
        {0xfec00000, 0}, {0xfed00000, 0}, {0xfee00000, 0},  {0xfeffffff, 0}, {0xff000000, 1},
        {0xffffffff, 1}, {4 * GIB, 3},    {5 * GIB - 1, 3}, {5 * GIB, 0},    {0xfd00000000, 0},
    };

    (void)state;
    platform_guest_ranges(&map, &config);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (access_at(cases[i].address) != cases[i].access)
            fail_msg("%llx: %u", (unsigned long long)cases[i].address, access_at(cases[i].address));
    }
    assert_true((access_at(0xf0000) & 1) == 1);
}

/* USER-11: the reservation is cut out of whatever holds it. */
static void test_user11_self(void **state)
{
    static const uint32_t types[] = {MEMORY_RAM, MEMORY_RESERVED, MEMORY_ACPI, MEMORY_NVS};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        map.count = 0;
        range(0, 0xa0000, MEMORY_RAM);
        range(0x100000, 0xc1000000, types[i]);
        range(0xc1000000, 0xc2000000, MEMORY_RAM);
        config.self_start = 0x80000000;
        config.self_size = 0x400000;
        platform_guest_ranges(&map, &config);
        assert_int_equal(access_at(0x7fffffff), 3);
        assert_int_equal(access_at(0x80000000), 0);
        assert_int_equal(access_at(0x803fffff), 0);
        assert_int_equal(access_at(0x80400000), 3);
        assert_int_equal(access_at(0xc0ffffff), 3);
    }
}

/* A map that calls video memory RAM: reads of it can have effects all the same. */
static void test_user9_video(void **state)
{
    (void)state;
    map.count = 0;
    range(0, 0x10000000, MEMORY_RAM);
    platform_guest_ranges(&map, &config);
    assert_int_equal(access_at(0x9ffff), 3);
    assert_int_equal(access_at(0xa0000), 0);
    assert_int_equal(access_at(0xbffff), 0);
    assert_int_equal(access_at(0xc0000) & 1, 1);
    assert_int_equal(access_at(0x100000), 3);
}

/* A full map does not overflow. */
static void test_many(void **state)
{
    (void)state;
    map.count = 0;
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        range(0x100000 + i * 0x10000, 0x100000 + i * 0x10000 + 0x1000, MEMORY_RAM);
    config.self_start = 0x1000000;
    platform_guest_ranges(&map, &config);
    assert_int_equal(config.count, GUEST_MAX_RANGES);
    assert_int_equal(access_at(0x100000), 3);
}

static void test_processor(void **state)
{
    (void)state;
    assert_int_equal(platform_phys_bits(), 48);
    max_leaf = 0x80000007;
    assert_int_equal(platform_phys_bits(), 36);
    max_leaf = 0x8000001f;
    assert_int_equal(platform_apic_id(), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ranges, setup),
        cmocka_unit_test_setup(test_user11_self, setup),
        cmocka_unit_test_setup(test_user9_video, setup),
        cmocka_unit_test_setup(test_many, setup),
        cmocka_unit_test(test_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
