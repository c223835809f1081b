/* core/policy.c, core/io_policy.c: which MSRs and ports exit (USER-10, USER-11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/io_policy.h"
#include "core/policy.h"
#include "hv/compiler.h"

enum { SIZE = 16, FILLED = 0xee };

/* A vendor's maps of MSRs, and what was put into them. */
static uint8_t msr_maps[POLICY_MAPS][SIZE];
static struct {
    enum policy_map map;
    struct msr_row row;
    bool own;
} added[64];
static unsigned count;

static void add(uint8_t *map, const struct msr_row *row, bool own)
{
    for (unsigned i = 0; i < SIZE; i++)
        assert_int_equal(map[i], 0);
    assert_true(count < HV_ARRAY_SIZE(added));
    added[count].map = map == msr_maps[POLICY_OWN] ? POLICY_OWN : POLICY_WATCHED;
    assert_ptr_equal(map, msr_maps[added[count].map]);
    added[count].row = *row;
    added[count++].own = own;
}

static void build(void)
{
    count = 0;
    for (unsigned i = 0; i < SIZE; i++)
        msr_maps[POLICY_OWN][i] = msr_maps[POLICY_WATCHED][i] = FILLED;
    msr_policy_build(msr_maps[0], SIZE, add);
}

static unsigned times(enum policy_map map, const struct msr_row *row, bool own)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        found += added[i].map == map && added[i].row.first == row->first &&
                 added[i].row.last == row->last && added[i].row.traps == row->traps &&
                 added[i].own == own;
    return found;
}

/* Only what the table lists exits, and it is only what has to: USER-10. */
static void test_user10_rows(void **state)
{
    static const struct msr_row want[] = {
        {MSR_EFER, MSR_EFER, 3},
        {MSR_VM_CR, MSR_VM_CR, 3},
        {MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, 3},
        {MSR_SVM_KEY, MSR_SVM_KEY, 3},
        {MSR_APIC_BASE, MSR_APIC_BASE, MSR_TRAP_WRITE},
        {MSR_X2APIC_ICR, MSR_X2APIC_ICR, MSR_TRAP_WRITE},
        {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, 3},
        {MSR_VMX_BASIC, MSR_VMX_LAST, 3},
        {MSR_RTIT_FIRST, MSR_RTIT_LAST, 3},
    };

    (void)state;
    build();
    assert_int_equal(count, 2 * HV_ARRAY_SIZE(want));
    for (unsigned i = 0; i < HV_ARRAY_SIZE(want); i++) {
        assert_int_equal(times(POLICY_OWN, &want[i], true), 1);
        assert_int_equal(times(POLICY_WATCHED, &want[i], true), 1);
    }
}

/* What is watched is in the second map alone, and nobody's any more once it is not. */
static void test_watched_rows(void **state)
{
    static const struct msr_row rows[] = {{MSR_EFER, MSR_EFER, 2}, {0x10, 0x20, 1}};

    (void)state;
    build();
    unsigned own = count;
    msr_policy_watch(rows, 2);
    build();
    assert_int_equal(count, own + 2);
    assert_int_equal(times(POLICY_WATCHED, &rows[0], false), 1);
    assert_int_equal(times(POLICY_WATCHED, &rows[1], false), 1);
    msr_policy_watch(NULL, 0);
    build();
    assert_int_equal(count, own);
}

static unsigned bits_set(enum policy_map which)
{
    const uint8_t *map = io_policy_map(which);
    unsigned set = 0;

    for (unsigned i = 0; i < IO_MAP_SIZE; i++)
        set += (unsigned)__builtin_popcount(map[i]);
    return set;
}

/* USER-11, USER-10: the hidden ports' bits, and no other's; those that are watched besides. */
static void test_user11_ports(void **state)
{
    static const struct port_row rows[] = {{0x80, 0x81}, {0x2ff, 0x300}};
    const uint8_t *own = io_policy_map(POLICY_OWN), *watched = io_policy_map(POLICY_WATCHED);

    (void)state;
    assert_int_equal((uintptr_t)own % 4096 | (uintptr_t)watched % 4096, 0);
    io_policy_build();
    assert_int_equal(bits_set(POLICY_OWN) | bits_set(POLICY_WATCHED), 0);
    assert_int_equal(io_policy_hide(0x2f8, 8, NULL), HV_OK);
    assert_int_equal(io_policy_hide(0xffff, 1, NULL), HV_OK);
    io_policy_watch(rows, 2);
    io_policy_build();
    assert_int_equal(own[0x2f8 / 8], 0xff);
    assert_int_equal(own[0x1fff], 0x80);
    assert_int_equal(bits_set(POLICY_OWN), 9);
    assert_int_equal(watched[0x2f8 / 8], 0xff);
    assert_int_equal(watched[0x300 / 8], 1);
    assert_int_equal(watched[0x80 / 8], 3);
    assert_int_equal(bits_set(POLICY_WATCHED), 9 + 3);
    io_policy_watch(NULL, 0);
    io_policy_build();
    assert_int_equal(bits_set(POLICY_WATCHED), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user10_rows),
        cmocka_unit_test(test_watched_rows),
        cmocka_unit_test(test_user11_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
