/* arch/x86/mtrr.c: types of addresses and blocks, overlaps, AMD's forced WB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/mtrr.h"
#include "hv/compiler.h"

enum { E = 1 << 11, FE = 1 << 10, MIB = 1 << 20 };
#define GIB 0x40000000ULL

static void add(struct mtrr_values *values, uint64_t base, uint64_t size, enum mtrr_type type)
{
    struct mtrr_variable *v = &values->variable[values->variable_count++];

    v->base = base | type;
    v->mask = ((HV_BIT(values->phys_bits) - 1) & ~(size - 1)) | E;
}

static struct mtrr_values values_with(uint64_t def_type)
{
    return (struct mtrr_values){.def_type = def_type, .phys_bits = 40};
}

static void test_switched_off_is_uncached(void **state)
{
    struct mtrr_values v = values_with(FE | MTRR_WB);
    enum mtrr_type type = MTRR_WB;

    (void)state;
    memset(v.fixed, 6, sizeof(v.fixed));
    add(&v, 0, GIB, MTRR_WB);
    assert_int_equal(mtrr_type(&v, 0), MTRR_UC);
    assert_int_equal(mtrr_type(&v, GIB), MTRR_UC);
    assert_true(mtrr_block_type(&v, 0, GIB, &type));
    assert_int_equal(type, MTRR_UC);
}

static void test_fixed_ranges(void **state)
{
    static const struct {
        hpa_t address;
        unsigned reg, byte;
    } at[] = {
        {0x00000, 0, 0},  {0x0ffff, 0, 0},  {0x10000, 0, 1}, {0x7ffff, 0, 7}, {0x80000, 1, 0},
        {0x83fff, 1, 0},  {0x84000, 1, 1},  {0x9ffff, 1, 7}, {0xa0000, 2, 0}, {0xbc000, 2, 7},
        {0xc0000, 3, 0},  {0xc7fff, 3, 7},  {0xc8000, 4, 0}, {0xe3123, 7, 3}, {0xf0000, 9, 0},
        {0xf8000, 10, 0}, {0xfffff, 10, 7},
    };

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(at); i++) {
        struct mtrr_values v = values_with(E | FE | MTRR_UC);

        v.fixed[at[i].reg] = (uint64_t)MTRR_WP << (8 * at[i].byte);
        assert_int_equal(mtrr_type(&v, at[i].address), MTRR_WP);
        /* And no other byte has a say. */
        memset(v.fixed, MTRR_WB, sizeof(v.fixed));
        v.fixed[at[i].reg] ^= (uint64_t)(MTRR_WB ^ MTRR_WC) << (8 * at[i].byte);
        assert_int_equal(mtrr_type(&v, at[i].address), MTRR_WC);
    }
    assert_int_equal(mtrr_fixed_msrs[0], 0x250);
    assert_int_equal(mtrr_fixed_msrs[2], 0x259);
    assert_int_equal(mtrr_fixed_msrs[10], 0x26f);
}

static void test_fixed_beat_variable_only_when_enabled(void **state)
{
    struct mtrr_values v = values_with(E | FE | MTRR_UC);

    (void)state;
    add(&v, 0, GIB, MTRR_WB);
    assert_int_equal(mtrr_type(&v, 0xa0000), MTRR_UC);
    assert_int_equal(mtrr_type(&v, MIB), MTRR_WB);
    v.def_type = E | MTRR_UC;
    assert_int_equal(mtrr_type(&v, 0xa0000), MTRR_WB);
    v.def_type = E | FE | MTRR_UC;
    v.fixed[2] = 0x1e; /* AMD: RdMem and WrMem beside WB */
    assert_int_equal(mtrr_type(&v, 0xa0000), MTRR_WB);
}

static void test_variable_ranges_and_default(void **state)
{
    struct mtrr_values v = values_with(E | MTRR_WT);

    (void)state;
    add(&v, 2 * GIB, GIB, MTRR_WB);
    add(&v, 3 * GIB, GIB, MTRR_WC);
    assert_int_equal(mtrr_type(&v, 2 * GIB - 1), MTRR_WT);
    assert_int_equal(mtrr_type(&v, 2 * GIB), MTRR_WB);
    assert_int_equal(mtrr_type(&v, 3 * GIB - 1), MTRR_WB);
    assert_int_equal(mtrr_type(&v, 3 * GIB), MTRR_WC);
    assert_int_equal(mtrr_type(&v, 4 * GIB), MTRR_WT);
    v.variable[1].mask &= ~(uint64_t)E; /* not valid */
    assert_int_equal(mtrr_type(&v, 3 * GIB), MTRR_WT);
    v.variable[0].mask |= ~(HV_BIT(40) - 1); /* bits that the processor does not have */
    v.variable[0].base |= HV_BIT(45);
    assert_int_equal(mtrr_type(&v, 2 * GIB), MTRR_WB);
    v.variable[0].base = 2 * GIB | 3; /* a reserved type */
    assert_int_equal(mtrr_type(&v, 2 * GIB), MTRR_UC);
}

static void test_overlaps(void **state)
{
    static const struct {
        enum mtrr_type a, b, both;
    } cases[] = {
        {MTRR_WB, MTRR_WB, MTRR_WB}, {MTRR_WB, MTRR_UC, MTRR_UC}, {MTRR_UC, MTRR_WC, MTRR_UC},
        {MTRR_WT, MTRR_WB, MTRR_WT}, {MTRR_WB, MTRR_WT, MTRR_WT}, {MTRR_WC, MTRR_WC, MTRR_WC},
        {MTRR_WC, MTRR_WB, MTRR_UC}, /* undefined: the safe one */
        {MTRR_WP, MTRR_WB, MTRR_UC},
    };

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        struct mtrr_values v = values_with(E | MTRR_WB);

        add(&v, 0, 4 * GIB, cases[i].a);
        add(&v, GIB, GIB, cases[i].b);
        assert_int_equal(mtrr_type(&v, 0), cases[i].a);
        assert_int_equal(mtrr_type(&v, GIB), cases[i].both);
        assert_int_equal(mtrr_type(&v, 4 * GIB), MTRR_WB); /* the default never overlaps */
    }
}

static void test_amd_forced_wb_above_4g(void **state)
{
    struct mtrr_values v = values_with(E | MTRR_UC);
    enum mtrr_type type;

    (void)state;
    v.wb_top = 6 * GIB;
    assert_int_equal(mtrr_type(&v, 4 * GIB - 1), MTRR_UC);
    assert_int_equal(mtrr_type(&v, 4 * GIB), MTRR_WB);
    assert_int_equal(mtrr_type(&v, 6 * GIB - 1), MTRR_WB);
    assert_int_equal(mtrr_type(&v, 6 * GIB), MTRR_UC);
    add(&v, 5 * GIB, GIB, MTRR_WC); /* a range beats it, it is only a default */
    assert_int_equal(mtrr_type(&v, 5 * GIB), MTRR_WC);
    assert_true(mtrr_block_type(&v, 4 * GIB, GIB, &type));
    assert_int_equal(type, MTRR_WB);
    v.wb_top = 4 * GIB + GIB / 2;
    assert_false(mtrr_block_type(&v, 4 * GIB, GIB, &type));
    assert_false(mtrr_block_type(&v, 0, 16 * GIB, &type));
    assert_true(mtrr_block_type(&v, 5 * GIB, GIB, &type));
    assert_int_equal(type, MTRR_WC);
    v.def_type = 0;
    assert_int_equal(mtrr_type(&v, 4 * GIB), MTRR_UC); /* only with MTRRs on */
}

static void test_blocks(void **state)
{
    struct mtrr_values v = values_with(E | FE | MTRR_WB);
    enum mtrr_type type;

    (void)state;
    memset(v.fixed, 6, sizeof(v.fixed));
    v.fixed[2] = 0;
    add(&v, 0xc0000000, GIB, MTRR_UC);
    add(&v, 0x80000000 - 2 * MIB, 2 * MIB, MTRR_WC);
    assert_false(mtrr_block_type(&v, 0, 2 * MIB, &type));
    assert_true(mtrr_block_type(&v, 0, 0x80000, &type));
    assert_int_equal(type, MTRR_WB);
    assert_true(mtrr_block_type(&v, 0xa0000, 0x20000, &type));
    assert_int_equal(type, MTRR_UC);
    assert_false(mtrr_block_type(&v, 0x80000, 0x40000, &type));
    assert_true(mtrr_block_type(&v, 2 * MIB, 2 * MIB, &type));
    assert_int_equal(type, MTRR_WB);
    assert_false(mtrr_block_type(&v, GIB, GIB, &type));
    assert_true(mtrr_block_type(&v, 2 * GIB, GIB, &type));
    assert_int_equal(type, MTRR_WB);
    assert_true(mtrr_block_type(&v, 3 * GIB, GIB, &type));
    assert_int_equal(type, MTRR_UC);
    assert_false(mtrr_block_type(&v, 2 * GIB, 2 * GIB, &type));
    /* A range inside that changes nothing splits nothing. */
    add(&v, 2 * GIB, MIB, MTRR_WB);
    add(&v, 3 * GIB, MIB, MTRR_WB); /* UC wins over it */
    assert_true(mtrr_block_type(&v, 2 * GIB, GIB, &type));
    assert_int_equal(type, MTRR_WB);
    assert_true(mtrr_block_type(&v, 3 * GIB, GIB, &type));
    assert_int_equal(type, MTRR_UC);
}

/* True for a block must mean: every page says so. Random ranges, masks with holes too. */
static void test_blocks_agree_with_their_pages(void **state)
{
    static const enum mtrr_type types[] = {MTRR_UC, MTRR_WC, MTRR_WT, MTRR_WP, MTRR_WB};
    uint32_t seed = 1;
    unsigned uniform = 0, mixed = 0;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct mtrr_values v = values_with(E | FE);

        for (unsigned i = 0; i < 4; i++) {
            seed = seed * 1664525 + 1013904223;
            v.variable[i].base = ((seed >> 8) & 0x3ff000) | types[(seed >> 4) % 5];
            seed = seed * 1664525 + 1013904223;
            v.variable[i].mask = (HV_BIT(40) - 0x400000) | ((seed >> 8) & 0x3ff000) | E;
            if (seed & HV_BIT(31)) /* rather big ones */
                v.variable[i].mask &= ~0xff000ULL;
        }
        v.variable_count = 4;
        v.def_type |= types[seed % 5];
        v.fixed[10] = round & 1 ? ~0ULL / 255 * MTRR_WP : round;
        for (uint64_t size = 0x1000; size <= 0x400000; size *= 4) {
            for (hpa_t start = 0; start < 0x400000; start += size) {
                enum mtrr_type type;
                bool one = mtrr_block_type(&v, start, size, &type);

                assert_true(one || size > 0x1000);
                uniform += one;
                mixed += !one;
                for (hpa_t at = start; one && at < start + size; at += 0x1000)
                    assert_int_equal(mtrr_type(&v, at), type);
            }
        }
    }
    assert_true(uniform > 1000 && mixed > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switched_off_is_uncached),
        cmocka_unit_test(test_fixed_ranges),
        cmocka_unit_test(test_fixed_beat_variable_only_when_enabled),
        cmocka_unit_test(test_variable_ranges_and_default),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_amd_forced_wb_above_4g),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_blocks_agree_with_their_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
