/* core/stage2.c: what the tables say, read by a walker of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/stage2.h"
#include "hv/compiler.h"

#define GIB (1ULL << 30)
#define TIB (1ULL << 40)

enum { PAGE = 4096, LARGE = 2 << 20, POOL = 1220 * PAGE, SPLITS = 96 };

static uint8_t pool[POOL] HV_ALIGNED(4096);

/* APM vol. 2, "Nested Paging": the format of ordinary tables. */
static const struct stage2_format npt = {
    .table = 7, .leaf = 5, .large = 0x80, .write = 2, .no_execute = 1ULL << 63};
/* SDM vol. 3, "EPT Translation Mechanism": R, W, X; write-back memory type in leaves. */
static const struct stage2_format ept = {
    .table = 7, .leaf = 0x31, .large = 0x80, .write = 2, .execute = 4};
static const struct stage2_format *const formats[] = {&npt, &ept};

/* What a processor makes of the tables of a view. */
struct walked {
    bool present, write, execute;
    unsigned level; /* 1: 4 KiB, 2: 2 MiB, 3: 1 GiB */
    hpa_t hpa;
};

static struct walked walk(const struct stage2_format *f, enum stage2_view view, gpa_t gpa)
{
    struct walked w = {.write = true, .execute = true};
    hpa_t table = stage2_root(0, view);

    for (w.level = 4; w.level >= 1; w.level--) {
        uint64_t entry, size = 1ULL << (12 + 9 * (w.level - 1));

        memcpy(&entry, (uint8_t *)table + (gpa / size % 512) * 8, 8);
        if (!(entry & 1))
            return w;
        w.write = w.write && (entry & 2);
        w.execute = w.execute && (f->execute ? (entry & 4) != 0 : !(entry >> 63));
        table = entry & 0x000ffffffffff000ULL;
        if (w.level == 1 || (w.level < 4 && (entry & 0x80))) {
            assert_int_equal(table % size, 0);
            assert_int_equal(entry & f->leaf, f->leaf);
            w.present = true;
            w.hpa = table + gpa % size;
            return w;
        }
    }
    return w;
}

static struct stage2_config config_of(const struct stage2_format *f, unsigned bits, bool gib)
{
    struct stage2_config config = {f, bits, gib, (hpa_t)pool, stage2_pool_size(bits, gib)};

    assert_true(config.pool_size <= POOL);
    memset(pool, 0xee, sizeof(pool));
    return config;
}

static void init(const struct stage2_format *f, unsigned bits, bool gib)
{
    struct stage2_config config = config_of(f, bits, gib);

    assert_int_equal(stage2_init(&config), HV_OK);
}

static void check_identity(const struct stage2_format *f, gpa_t gpa, unsigned level)
{
    struct walked normal = walk(f, STAGE2_NORMAL, gpa), data = walk(f, STAGE2_NO_EXECUTE, gpa);

    assert_true(normal.present && normal.write && normal.execute);
    assert_true(data.present && data.write && !data.execute);
    assert_int_equal(normal.hpa, gpa);
    assert_int_equal(data.hpa, gpa);
    assert_int_equal(normal.level, level);
}

static void check_absent(const struct stage2_format *f, gpa_t gpa)
{
    hpa_t hpa;
    unsigned access;

    assert_false(walk(f, STAGE2_NORMAL, gpa).present);
    assert_false(walk(f, STAGE2_NO_EXECUTE, gpa).present);
    assert_false(stage2_lookup(gpa, &hpa, &access));
}

/* Every width, with and without 1 GiB pages, in both formats; nothing behind the last address. */
static void test_identity(void **state)
{
    static const uint8_t widths[] = {32, 36, 38, 39, 40, 43, 46, 48, 52};

    (void)state;
    for (unsigned i = 0; i < 2 * 2 * HV_ARRAY_SIZE(widths); i++) {
        const struct stage2_format *f = formats[i % 2];
        bool gib = i / 2 % 2;
        unsigned bits = widths[i / 4];
        uint64_t top = 1ULL << (bits > 48 ? 48 : bits), mapped = gib || top < TIB ? top : TIB;
        hpa_t hpa;
        unsigned access;

        init(f, bits, gib);
        for (gpa_t gpa = 0; gpa < mapped; gpa = gpa ? gpa * 2 : 0x1234)
            check_identity(f, gpa, gib ? 3 : 2);
        check_identity(f, mapped - 1, gib ? 3 : 2);
        if (bits < 48)
            check_absent(f, top);
        if (mapped < top)
            check_absent(f, mapped);
        assert_true(stage2_lookup(mapped - 1, &hpa, &access));
        assert_int_equal(hpa, mapped - 1);
        assert_int_equal(access, STAGE2_ALL);
        assert_false(stage2_lookup(UINT64_MAX, &hpa, &access));
    }
}

/* The size told is the size needed: a page less is refused, and all of it can be used. */
static void test_pool_size(void **state)
{
    static const uint8_t widths[] = {32, 36, 39, 40, 48};

    (void)state;
    for (unsigned i = 0; i < 2 * HV_ARRAY_SIZE(widths); i++) {
        bool gib = i % 2;
        unsigned bits = widths[i / 2];
        struct stage2_config config = config_of(&npt, bits, gib);
        uint64_t size = config.pool_size, fill = gib ? 0 : 64;

        config.pool_size -= PAGE;
        assert_int_equal(stage2_init(&config), HV_ENOSPC);
        config.pool_size = size;
        assert_int_equal(stage2_init(&config), HV_OK);
        assert_int_equal(stage2_used() + (SPLITS + fill) * PAGE, size);
        /* With 1 GiB pages the first split in one takes two tables. */
        gpa_t gpa = 0;
        for (unsigned n = 0; n < (gib ? SPLITS - 1U : SPLITS); n++, gpa += LARGE)
            assert_int_equal(stage2_map(gpa, gpa, STAGE2_NONE), HV_OK);
        assert_int_equal(stage2_used() + fill * PAGE, size);
        assert_int_equal(stage2_map(gpa, gpa, STAGE2_NONE), HV_ENOSPC);
        assert_true(walk(&npt, STAGE2_NORMAL, gpa).present);
        /* Where it is split already there is room still. */
        assert_int_equal(stage2_map(PAGE, PAGE, STAGE2_NONE), HV_OK);
    }
}

/* 1 GiB -> 2 MiB -> 4 KiB: only the page asked for is different, all around is as it was. */
static void test_split(void **state)
{
    const gpa_t hole = 3 * GIB + 0x123456000;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct stage2_format *f = formats[i % 2];
        unsigned top = i / 2 ? 3 : 2;

        init(f, 39, i / 2);
        assert_int_equal(stage2_map(hole, hole, STAGE2_NONE), HV_OK);
        check_absent(f, hole);
        check_absent(f, hole + PAGE - 1);
        check_identity(f, hole - 1, 1);
        check_identity(f, hole + PAGE, 1);
        check_identity(f, HV_ALIGN_DOWN(hole, (gpa_t)LARGE), 1);
        check_identity(f, HV_ALIGN_DOWN(hole, (gpa_t)LARGE) - 1, 2);
        check_identity(f, HV_ALIGN_UP(hole, (gpa_t)LARGE), 2);
        check_identity(f, HV_ALIGN_DOWN(hole, GIB) - 1, top);
        check_identity(f, HV_ALIGN_UP(hole, GIB), top);
    }
}

/* Each access means the same to stage2_lookup() and to the processor, in both views. */
static void test_access(void **state)
{
    static const uint8_t accesses[] = {STAGE2_READ, STAGE2_READ | STAGE2_WRITE,
                                       STAGE2_READ | STAGE2_EXECUTE, STAGE2_ALL, STAGE2_NONE};
    const gpa_t gpa = 5 * GIB + 0x7000;

    (void)state;
    for (unsigned i = 0; i < 2 * HV_ARRAY_SIZE(accesses); i++) {
        const struct stage2_format *f = formats[i % 2];
        unsigned want = accesses[i / 2], access = 0;
        hpa_t hpa;

        init(f, 36, true);
        assert_int_equal(stage2_map(gpa, 0xabcd0000, want), HV_OK);
        struct walked w = walk(f, STAGE2_NORMAL, gpa + 0x123);
        struct walked data = walk(f, STAGE2_NO_EXECUTE, gpa + 0x123);
        assert_int_equal(stage2_lookup(gpa + 0x123, &hpa, &access), want != STAGE2_NONE);
        assert_int_equal(w.present, want != STAGE2_NONE);
        assert_int_equal(data.present, w.present);
        if (!want)
            continue;
        assert_int_equal(access, want);
        assert_int_equal(hpa, 0xabcd0123);
        assert_int_equal(w.hpa, 0xabcd0123);
        assert_int_equal(data.hpa, 0xabcd0123);
        assert_int_equal(w.write, (want & STAGE2_WRITE) != 0);
        assert_int_equal(w.execute, (want & STAGE2_EXECUTE) != 0);
        assert_false(data.execute);
        /* And back. */
        assert_int_equal(stage2_map(gpa, gpa, STAGE2_ALL), HV_OK);
        check_identity(f, gpa, 1);
    }
}

/* A 2 MiB hole (our own memory), a page opened in it and closed again. */
static void test_large_hole(void **state)
{
    const gpa_t hole = 2 * GIB - LARGE;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct stage2_format *f = formats[i % 2];

        init(f, 36, i / 2);
        assert_int_equal(stage2_map_large(hole, hole, STAGE2_NONE), HV_OK);
        check_absent(f, hole);
        check_absent(f, hole + LARGE - 1);
        check_identity(f, hole - 1, 2);
        check_identity(f, hole + LARGE, i / 2 ? 3 : 2);
        assert_int_equal(stage2_map(hole + PAGE, 0x5000, STAGE2_READ), HV_OK);
        assert_int_equal(walk(f, STAGE2_NORMAL, hole + PAGE).hpa, 0x5000);
        check_absent(f, hole);
        check_absent(f, hole + 2 * PAGE);
        assert_int_equal(stage2_map(hole + PAGE, hole + PAGE, STAGE2_NONE), HV_OK);
        check_absent(f, hole + PAGE);
        /* Small pages are there now, each for a reason: no large one over them. */
        assert_int_equal(stage2_map_large(hole, hole, STAGE2_ALL), HV_EINVAL);
        check_absent(f, hole);
        assert_int_equal(stage2_map_large(0x600000, 0x600000, STAGE2_READ), HV_OK);
        assert_false(walk(f, STAGE2_NORMAL, 0x600000).write);
    }
}

static void test_out_of_range(void **state)
{
    (void)state;
    init(&npt, 36, true);
    assert_int_equal(stage2_map(1ULL << 36, 0, STAGE2_ALL), HV_ENOSPC);
    assert_int_equal(stage2_map(UINT64_MAX - PAGE + 1, 0, STAGE2_ALL), HV_ENOSPC);
    assert_int_equal(stage2_map_large(1ULL << 36, 0, STAGE2_ALL), HV_ENOSPC);
    assert_false(stage2_fill(1ULL << 36, true));
    assert_false(stage2_fill(0, true));
}

/* Above 1 TiB without 1 GiB pages: mapped when touched, both views, until the tables go round. */
static void test_fill(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct stage2_format *f = formats[i];
        const gpa_t bar = 0x380000000000 + 5 * GIB;

        init(f, 46, false);
        check_absent(f, bar);
        assert_true(stage2_fill(bar + 12345, true));
        check_identity(f, bar, 2);
        check_identity(f, bar + GIB - 1, 2);
        check_absent(f, bar + GIB);
        check_absent(f, bar - 1);
        assert_false(stage2_fill(bar, true)); /* there already: the fault has another reason */
        assert_false(stage2_fill(TIB - 1, true));
        assert_false(stage2_fill(1ULL << 46, true));
        assert_true(stage2_fill(bar + GIB, true));
        check_identity(f, bar + GIB, 2);
    }
}

/* However many are touched, what was touched last is there; below 1 TiB nothing is ever lost. */
static void test_fill_goes_round(void **state)
{
    (void)state;
    init(&ept, 48, false);
    assert_int_equal(stage2_map(0xfee00000, 0, STAGE2_NONE), HV_OK);
    uint64_t used = stage2_used();
    for (unsigned i = 0; i < 1000; i++) {
        /* Far apart (two tables each) and near by turns. */
        gpa_t gpa = TIB + (i % 3 ? i * GIB : (gpa_t)(i % 500) * 512 * GIB);
        hpa_t hpa;
        unsigned access;

        if (!stage2_lookup(gpa, &hpa, &access))
            assert_true(stage2_fill(gpa, true));
        check_identity(&ept, gpa, 2);
        assert_true(stage2_used() >= used && stage2_used() <= used + 64 * PAGE);
    }
    check_absent(&ept, 0xfee00000);
    check_identity(&ept, 0xfee01000, 1);
    check_identity(&ept, TIB - 1, 2);
    check_identity(&ept, 0, 2);
}

static unsigned ept_type(gpa_t gpa, unsigned *level)
{
    hpa_t table = stage2_root(0, STAGE2_NORMAL);

    for (*level = 4;; (*level)--) {
        uint64_t entry, size = 1ULL << (12 + 9 * (*level - 1));

        memcpy(&entry, (uint8_t *)table + (gpa / size % 512) * 8, 8);
        if (*level == 1 || (*level < 4 && (entry & 0x80)))
            return entry >> 3 & 7;
        table = entry & 0x000ffffffffff000ULL;
    }
}

/* Leaves carry the memory type of their page, and a page that has several is split down to it. */
static void test_memory_types(void **state)
{
    static const struct stage2_format typed = {
        .table = 7, .leaf = 1, .large = 0x80, .write = 2, .execute = 4, .type_shift = 3};
    /* Write-back but for 3-4 GiB; the first MiB by fixed ranges: video memory uncacheable. */
    struct mtrr_values values = {.def_type = 0xc06, .variable_count = 1, .phys_bits = 36};
    unsigned level;

    (void)state;
    values.variable[0] = (struct mtrr_variable){3 * GIB, (0xfffffffffULL & ~(GIB - 1)) | 0x800};
    memset(values.fixed, MTRR_WB, sizeof(values.fixed));
    values.fixed[2] = 0; /* a0000-bffff */
    stage2_use_types(&values);
    for (unsigned gib = 0; gib < 2; gib++) {
        unsigned top = gib ? 3 : 2;

        init(&typed, 36, gib);
        assert_int_equal(ept_type(5 * GIB, &level), MTRR_WB);
        assert_int_equal(level, top);
        assert_int_equal(ept_type(3 * GIB, &level), MTRR_UC);
        assert_int_equal(level, top);
        assert_int_equal(ept_type(0x9f000, &level), MTRR_WB);
        assert_int_equal(level, 1);
        assert_int_equal(ept_type(0xa0000, &level), MTRR_UC);
        assert_int_equal(ept_type(0xc0000, &level), MTRR_WB);
        assert_int_equal(ept_type(LARGE, &level), MTRR_WB);
        assert_int_equal(level, 2);
        check_identity(&typed, 0xa0000, 1);
        /* A page mapped elsewhere has the type of where it is. */
        assert_int_equal(stage2_map(3 * GIB, 0x1000, STAGE2_READ), HV_OK);
        assert_int_equal(ept_type(3 * GIB, &level), MTRR_WB);
        assert_int_equal(ept_type(3 * GIB + PAGE, &level), MTRR_UC);
        /* Opened where all have none: the type of the page, and of ours write-back. */
        assert_int_equal(stage2_map(0x9f000, 0x9f000, STAGE2_NONE), HV_OK);
        assert_int_equal(stage2_open(0, 0x9f123, 0x9f000, STAGE2_READ), HV_OK);
        assert_int_equal(stage2_open(0, 0xa0000, 0xa0000, STAGE2_READ), HV_OK);
        assert_int_equal(ept_type(0x9f000, &level), MTRR_WB);
        assert_int_equal(ept_type(0xa0000, &level), MTRR_UC);
        assert_int_equal(stage2_open(0, 0xa0000, 0x1000, STAGE2_READ), HV_OK);
        assert_int_equal(ept_type(0xa0000, &level), MTRR_WB);
        stage2_close(0);
        stage2_enter_view(0, 0x9f000, 0x9f000, STAGE2_ALL);
        assert_int_equal(ept_type(0x9f000, &level), MTRR_WB);
        stage2_leave_view(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),        cmocka_unit_test(test_pool_size),
        cmocka_unit_test(test_split),           cmocka_unit_test(test_access),
        cmocka_unit_test(test_large_hole),      cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_memory_types),    cmocka_unit_test(test_fill),
        cmocka_unit_test(test_fill_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
