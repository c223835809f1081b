/*
 * core/stage2_own.c and core/stage2_view.c: what one CPU has of its own, by a walker of the test's
 * own, and that the others have nothing of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/stage2.h"
#include "hv/compiler.h"
#include "tests/model/stage2.h"

#define GIB     (1ULL << 30)
#define DEVICES (3 * GIB)         /* uncacheable, to 4 GiB */
#define FAR     (512 * GIB * 3)   /* below another entry of the root */
#define PLACE   (GIB + 0x345000)  /* of what is opened; nothing near it is split at first */
#define OURS    ((hpa_t)0x777000) /* what it may map to */

enum { PAGE = 4096, CPUS = 2, WB = 6, UC = 0, DATA = STAGE2_READ | STAGE2_WRITE };

static uint8_t pool[1220 * PAGE] HV_ALIGNED(4096);

static const struct stage2_format *format;

struct walked {
    unsigned access, type;
    hpa_t hpa;
};

static struct walked walk(unsigned cpu, enum stage2_view view, gpa_t gpa)
{
    struct walked w = {.access = STAGE2_ALL, .type = WB};
    hpa_t table = stage2_root(cpu, view);

    for (unsigned level = 4; level >= 1; level--) {
        uint64_t entry, size = 1ULL << (12 + 9 * (level - 1));

        memcpy(&entry, (uint8_t *)table + (gpa / size % 512) * 8, 8);
        if (!entry)
            return (struct walked){.type = WB};
        if (format == &ept)
            w.access &= entry & 7;
        else
            w.access &= STAGE2_READ | (entry & 2) | (entry >> 63 ? 0 : STAGE2_EXECUTE);
        table = entry & 0x000ffffffffff000ULL;
        if (level == 1 || (level < 4 && (entry & 0x80))) {
            assert_int_equal(table % size, 0);
            assert_int_equal(entry >> 7 & 1, level > 1); /* of a small page it is another bit */
            w.hpa = table + gpa % size;
            w.type = format == &ept ? entry >> 3 & 7 : WB;
            break;
        }
    }
    return w;
}

static void check(unsigned cpu, gpa_t gpa, hpa_t hpa, unsigned access, unsigned type)
{
    struct walked normal = walk(cpu, STAGE2_NORMAL, gpa);
    struct walked data = walk(cpu, STAGE2_NO_EXECUTE, gpa);

    assert_int_equal(normal.access, access);
    assert_int_equal(normal.hpa, hpa);
    assert_int_equal(data.access & STAGE2_EXECUTE, 0);
    assert_int_equal(normal.type, format == &ept ? type : WB);
}

/* A few places, near and far, as they are shared. */
static void check_others(unsigned cpu, unsigned access)
{
    static const gpa_t wb[] = {0, GIB, PLACE - 1, PLACE + PAGE, 2 * GIB, FAR + PLACE};

    for (unsigned i = 0; i < HV_ARRAY_SIZE(wb); i++)
        check(cpu, wb[i], wb[i], access, WB);
    check(cpu, DEVICES + 5 * PAGE, DEVICES + 5 * PAGE, access, UC);
}

static void begin(const struct stage2_format *f, unsigned bits, bool gib)
{
    struct mtrr_values values = {.def_type = 0x806, .variable_count = 1, .phys_bits = 46};
    const struct stage2_config config = {f, bits, gib, (hpa_t)pool, sizeof(pool)};

    values.variable[0] = (struct mtrr_variable){DEVICES, (0x3fffffffffffULL & ~(GIB - 1)) | 0x800};
    stage2_use_types(&values);
    format = f;
    assert_int_equal(stage2_init(&config), HV_OK);
    for (unsigned i = 0; i < CPUS; i++) { /* what the last test left is forgotten */
        stage2_enter_view(i, 100 * GIB, 100 * GIB, STAGE2_ALL);
        stage2_leave_view(i);
    }
}

static int setup_npt(void **state)
{
    (void)state;
    begin(&npt, 46, true);
    return 0;
}

static int setup_ept(void **state)
{
    (void)state;
    begin(&ept, 46, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        stage2_close(i);
        stage2_leave_view(i);
    }
    return 0;
}

/* One CPU has a page that maps elsewhere, the other has not; afterwards neither. */
static void test_open(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        assert_int_equal(stage2_open(cpu, PLACE + 5, OURS, DATA), HV_OK);
        check(cpu, PLACE + 0x678, OURS + 0x678, DATA, WB);
        assert_int_equal(walk(cpu, STAGE2_NO_EXECUTE, PLACE + 0x678).hpa, OURS + 0x678);
        check_others(cpu, STAGE2_ALL);
        check(!cpu, PLACE, PLACE, STAGE2_ALL, WB);
        stage2_close(cpu);
        check(cpu, PLACE, PLACE, STAGE2_ALL, WB);
    }
}

/* A device's page opened as itself stays uncacheable; memory of ours in its place is not. */
static void test_types(void **state)
{
    (void)state;
    assert_int_equal(stage2_open(0, DEVICES, DEVICES, DATA), HV_OK);
    assert_int_equal(stage2_open(0, DEVICES + PAGE, OURS, DATA), HV_OK);
    check(0, DEVICES, DEVICES, DATA, UC);
    check(0, DEVICES + PAGE, OURS, DATA, WB);
    check(0, DEVICES + 2 * PAGE, DEVICES + 2 * PAGE, STAGE2_ALL, UC);
    stage2_close(0);
    stage2_enter_view(0, DEVICES, DEVICES, STAGE2_ALL);
    check(0, DEVICES, DEVICES, STAGE2_ALL, UC);
    check(0, DEVICES + PAGE, DEVICES + PAGE, DATA, UC);
    stage2_enter_view(0, DEVICES, OURS, STAGE2_EXECUTE);
    assert_int_equal(walk(0, STAGE2_NORMAL, DEVICES).type, WB);
}

/* Four pages however far apart, more where there are tables for them; then no more, nor too far. */
static void test_open_most(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STAGE2_OWN_PAGES; i++)
        assert_int_equal(stage2_open(1, i * FAR + PLACE, OURS + i * PAGE, DATA), HV_OK);
    assert_int_equal(stage2_open(1, PLACE + PAGE, OURS, DATA), HV_OK);
    assert_int_equal(stage2_open(1, 2 * GIB, OURS, DATA), HV_ENOSPC);
    assert_int_equal(stage2_open(1, 7 * FAR, OURS, DATA), HV_ENOSPC);
    assert_int_equal(stage2_open(0, 1ULL << 48 | PLACE, OURS, DATA), HV_ENOSPC);
    for (unsigned i = 0; i < STAGE2_OWN_PAGES; i++)
        check(1, i * FAR + PLACE, OURS + i * PAGE, DATA, WB);
    check(1, PLACE + PAGE, OURS, DATA, WB);
    check(1, 2 * GIB, 2 * GIB, STAGE2_ALL, WB);
    check_others(0, STAGE2_ALL);
    stage2_close(1);
    for (unsigned i = 0; i < STAGE2_OWN_PAGES; i++) /* as many again */
        assert_int_equal(stage2_open(1, i * FAR + 2 * GIB, OURS, DATA), HV_OK);
}

/* In a view one page is executable, no other on the machine, for this CPU alone. */
static void test_view(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        assert_false(stage2_in_view(cpu));
        assert_true(stage2_enter_view(cpu, PLACE, PLACE, STAGE2_ALL));
        assert_true(stage2_in_view(cpu));
        check(cpu, PLACE + 0xabc, PLACE + 0xabc, STAGE2_ALL, WB);
        check_others(cpu, DATA);
        assert_int_equal(walk(!cpu, STAGE2_NORMAL, PLACE - 1).access, STAGE2_ALL);
        /* What is opened goes before, with the rest as it is shared. */
        assert_int_equal(stage2_open(cpu, 2 * GIB, OURS, DATA), HV_OK);
        check(cpu, 2 * GIB, OURS, DATA, WB);
        check(cpu, PLACE - 1, PLACE - 1, STAGE2_ALL, WB);
        stage2_close(cpu);
        check_others(cpu, DATA);
        stage2_leave_view(cpu);
        check_others(cpu, STAGE2_ALL);
    }
}

/* Which changes of a view have the caller flush: another page, other rights; not coming back. */
static void test_view_again(void **state)
{
    (void)state;
    assert_true(stage2_enter_view(0, PLACE, OURS, STAGE2_READ | STAGE2_EXECUTE));
    stage2_leave_view(0);
    assert_false(stage2_enter_view(0, PLACE, OURS, STAGE2_READ | STAGE2_EXECUTE));
    check(0, PLACE, OURS, STAGE2_READ | STAGE2_EXECUTE, WB);
    assert_true(stage2_enter_view(0, PLACE, PLACE, STAGE2_ALL));
    check(0, PLACE, PLACE, STAGE2_ALL, WB);
    assert_true(stage2_enter_view(0, PLACE + PAGE, PLACE + PAGE, STAGE2_ALL));
    check(0, PLACE, PLACE, DATA, WB);
    check(0, PLACE + PAGE, PLACE + PAGE, STAGE2_ALL, WB);
    assert_true(stage2_enter_view(0, FAR, FAR, STAGE2_ALL));
    check(0, FAR, FAR, STAGE2_ALL, WB);
    check(0, PLACE + PAGE, PLACE + PAGE, DATA, WB);
}

/* Behind a change of what all share a view is built anew, the same leaf or not, and flushed. */
static void test_view_stale(void **state)
{
    (void)state;
    assert_true(stage2_enter_view(0, PLACE, PLACE, STAGE2_ALL));
    assert_false(stage2_view_is_stale(0));
    assert_int_equal(stage2_map(PLACE + 2 * PAGE, 0, STAGE2_NONE), HV_OK);
    assert_true(stage2_view_is_stale(0));
    check(0, PLACE + 2 * PAGE, PLACE + 2 * PAGE, DATA, WB);
    assert_true(stage2_enter_view(0, PLACE, PLACE, STAGE2_ALL));
    assert_false(stage2_view_is_stale(0));
    check(0, PLACE + 2 * PAGE, 0, STAGE2_NONE, WB);
    check(0, PLACE, PLACE, STAGE2_ALL, WB);
    assert_int_equal(stage2_map_large(FAR, 0, STAGE2_NONE), HV_OK);
    assert_true(stage2_view_is_stale(0));
}

/* What is mapped when it is touched is a change, too. */
static void test_view_filled(void **state)
{
    const gpa_t bar = 0x380000000000;

    (void)state;
    begin(format, 46, false);
    assert_true(stage2_enter_view(0, PLACE, PLACE, STAGE2_ALL));
    check(0, bar, 0, STAGE2_NONE, WB);
    assert_false(stage2_fill(PLACE, true));
    assert_false(stage2_view_is_stale(0));
    assert_true(stage2_fill(bar, true));
    assert_true(stage2_view_is_stale(0));
    assert_true(stage2_enter_view(0, PLACE, PLACE, STAGE2_ALL));
    check(0, bar, bar, DATA, WB);
}

#define ON_BOTH(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, setup_npt, teardown),                                    \
        cmocka_unit_test_setup_teardown(test, setup_ept, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_open),        ON_BOTH(test_types),      ON_BOTH(test_open_most),
        ON_BOTH(test_view),        ON_BOTH(test_view_again), ON_BOTH(test_view_stale),
        ON_BOTH(test_view_filled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
