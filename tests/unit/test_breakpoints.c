/* debug/breakpoints.c: BP-17, BP-18, BP-21, HAXM-22, WHPX-14..17, USER-1's survival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "debug/breakpoints.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { PAGE = 4096, CODE = 0x10000, INT3 = 0xcc };

static struct vcpu *v;
static uint8_t buf[2 * PAGE];

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    for (unsigned i = 0; i < 2 * PAGE; i++)
        *model_memory(CODE + i) = (uint8_t)(i % 199); /* no INT3 among them */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    breakpoints_remove_all();
    return 0;
}

static uint8_t real(gpa_t address)
{
    return *model_memory(address);
}

static uint8_t shown(gva_t address)
{
    uint8_t byte = 0xee;

    assert_int_equal(breakpoints_read(v, address, &byte, 1), 1);
    return byte;
}

static void insert(gva_t address)
{
    assert_int_equal(breakpoints_insert(v, address), HV_OK);
}

/* BP-17, WHPX-15: the second insertion does not take our INT3 for the original. */
static void test_bp17_idempotent(void **state)
{
    (void)state;
    insert(CODE + 5);
    insert(CODE + 5);
    assert_int_equal(breakpoints_count(), 1);
    assert_int_equal(real(CODE + 5), INT3);
    assert_true(breakpoints_at(v, CODE + 5));
    assert_false(breakpoints_at(v, CODE + 4));
    assert_false(breakpoints_at(v, CODE + 6));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(breakpoints_remove(v, CODE + 5), HV_OK);
        assert_int_equal(breakpoints_count(), 0);
        assert_int_equal(real(CODE + 5), 5);
    }
    assert_false(breakpoints_at(v, CODE + 5));
}

/* BP-21, USER-2: kept, and nothing is touched. */
static void test_bp21_not_memory(void **state)
{
    static const struct guest_memory_config config = {
        .count = 2,
        .ranges = {{0, 0xa0000, true}, {0xf0000, 0x100000, false}},
        .self_start = 0x200000,
        .self_size = 0x10000,
        .phys_bits = 36};

    (void)state;
    guest_memory_init(&config);
    static const gva_t places[] = {0xa0000, 0x200000, 0xfee00000, 0xf1234 /* ROM, no stage 2 */};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(breakpoints_insert(v, places[i]), HV_OK);
        assert_int_equal(breakpoints_get(v, i).why, BREAK_NOT_MEMORY);
        assert_int_equal(breakpoints_get(v, i).gva, places[i]);
    }
    assert_false(breakpoints_resolve(v));
    assert_int_equal(real(0xf1234), 0);
    assert_int_equal(real(0x200000), 0);
    assert_int_equal(breakpoints_count(), 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(breakpoints_remove(v, places[i]), HV_OK);
    assert_int_equal(breakpoints_count(), 0);
}

/* Readers see true bytes, whatever part of the range they ask for. */
static void test_whpx16_true_bytes(void **state)
{
    (void)state;
    insert(CODE);
    insert(CODE + PAGE - 1);
    insert(CODE + PAGE);
    insert(CODE + 2 * PAGE - 1);
    for (unsigned offset = 0; offset < 3; offset++) {
        size_t size = 2 * PAGE - offset;
        memset(buf, 0xee, sizeof(buf));
        assert_int_equal(breakpoints_read(v, CODE + offset, buf, size), size);
        for (unsigned i = 0; i < size; i++)
            assert_int_equal(buf[i], (offset + i) % 199);
    }
    assert_int_equal(breakpoints_read(v, CODE + PAGE - 2, buf, 1), 1);
    assert_int_equal(breakpoints_read(v, CODE + PAGE - 1, buf, 2), 2);
    assert_int_equal(buf[0], (PAGE - 1) % 199);
    assert_int_equal(buf[1], PAGE % 199);
    assert_int_equal(real(CODE + PAGE), INT3);
    /* Short where memory ends. */
    assert_int_equal(breakpoints_read(v, MODEL_MEMORY_SIZE - 3, buf, 8), 3);
    assert_int_equal(breakpoints_read(v, MODEL_MEMORY_SIZE, buf, 8), 0);
    assert_int_equal(breakpoints_write(v, MODEL_MEMORY_SIZE - 3, buf, 8), 3);
}

/* What is written under a breakpoint is the new true byte, and the breakpoint stays. */
static void test_write_under(void **state)
{
    (void)state;
    insert(CODE + 10);
    insert(CODE + PAGE + 1);
    memset(buf, 0x42, sizeof(buf));
    assert_int_equal(breakpoints_write(v, CODE + 8, buf, PAGE), PAGE);
    assert_int_equal(real(CODE + 9), 0x42);
    assert_int_equal(real(CODE + 10), INT3);
    assert_int_equal(real(CODE + PAGE + 1), INT3);
    assert_int_equal(shown(CODE + 10), 0x42);
    assert_int_equal(shown(CODE + PAGE + 1), 0x42);
    /* An INT3 of the user's own, written as data. */
    buf[0] = INT3;
    assert_int_equal(breakpoints_write(v, CODE + 10, buf, 1), 1);
    assert_int_equal(shown(CODE + 10), INT3);
    breakpoints_remove(v, CODE + 10);
    assert_int_equal(real(CODE + 10), INT3);
    breakpoints_remove(v, CODE + PAGE + 1);
    assert_int_equal(real(CODE + PAGE + 1), 0x42);
}

/* HAXM-22: a loader came over it: its bytes are true, and stay when the breakpoint goes. */
static void test_haxm22_overwritten(void **state)
{
    (void)state;
    insert(CODE + 3);
    *model_memory(CODE + 3) = 0x99;
    assert_int_equal(shown(CODE + 3), 0x99);
    breakpoints_remove(v, CODE + 3);
    assert_int_equal(real(CODE + 3), 0x99);
}

/* BP-3's other half: an INT3 that the guest itself has there. */
static void test_guest_owned(void **state)
{
    (void)state;
    *model_memory(CODE + 1) = INT3;
    assert_false(breakpoints_at(v, CODE + 1));
    insert(CODE + 1);
    assert_int_equal(shown(CODE + 1), INT3);
    breakpoints_remove(v, CODE + 1);
    assert_int_equal(real(CODE + 1), INT3);
    assert_false(breakpoints_at(v, CODE + 1));
}

/* Lifted for a step and put back; WHPX-15: with what the step left there. */
static void test_lift(void **state)
{
    (void)state;
    insert(CODE + 7);
    breakpoints_lift(v, CODE + 7);
    assert_int_equal(real(CODE + 7), 7);
    assert_true(breakpoints_at(v, CODE + 7));
    breakpoints_drop(v);
    assert_int_equal(real(CODE + 7), INT3);
    assert_int_equal(shown(CODE + 7), 7);
    breakpoints_lift(v, CODE + 7);
    *model_memory(CODE + 7) = 0x66; /* the instruction changed itself */
    breakpoints_drop(v);
    assert_int_equal(real(CODE + 7), INT3);
    assert_int_equal(shown(CODE + 7), 0x66);
    breakpoints_drop(v); /* nothing is lifted */
    breakpoints_lift(v, CODE + 8);
    breakpoints_drop(v);
    assert_int_equal(real(CODE + 8), 8);
}

/* Page tables: linear 0x40000000 + n and 0x80000000 + n are the same memory at CODE. */
enum { PML4 = 0x20000, PDPT = 0x21000, PD = 0x22000, PT = 0x23000 };
#define ONE 0x40000000ULL
#define TWO 0x80000000ULL

static void map_twice(gpa_t target)
{
    model_memory_put(PML4, PDPT | 7);
    model_memory_put(PDPT + 8, PD | 7);
    model_memory_put(PDPT + 16, PD | 7);
    model_memory_put(PD, PT | 7);
    model_memory_put(PT, target | 7);
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 |= CR0_PG;
    v->regs.cr4 |= CR4_PAE;
    v->regs.cr3 = PML4;
}

/* BP-18, WHPX-14: by guest-physical address; the last owner's removal restores, in any order. */
static void test_bp18_whpx14_aliases(void **state)
{
    (void)state;
    map_twice(CODE);
    for (unsigned order = 0; order < 2; order++) {
        gva_t first = order ? ONE : TWO, second = order ? TWO : ONE;
        insert(ONE + 9);
        insert(TWO + 9);
        assert_true(breakpoints_at(v, ONE + 9) && breakpoints_at(v, TWO + 9));
        assert_int_equal(shown(ONE + 9), 9);
        breakpoints_remove(v, first + 9);
        assert_int_equal(real(CODE + 9), INT3);
        assert_true(breakpoints_at(v, first + 9)); /* still: it is the same byte */
        breakpoints_remove(v, second + 9);
        assert_int_equal(real(CODE + 9), 9);
        assert_int_equal(breakpoints_count(), 0);
    }
    /* Written through one, read through the other. */
    insert(ONE + 9);
    insert(TWO + 9);
    assert_int_equal(breakpoints_write(v, TWO + 9, "\x55", 1), 1);
    assert_int_equal(shown(ONE + 9), 0x55);
    /* Stepped off with another byte, whichever goes last. */
    breakpoints_lift(v, TWO + 9);
    *model_memory(CODE + 9) = 0x56;
    breakpoints_drop(v);
    assert_int_equal(real(CODE + 9), INT3);
    breakpoints_remove(v, ONE + 9);
    assert_int_equal(shown(TWO + 9), 0x56);
    breakpoints_remove_all();
    assert_int_equal(real(CODE + 9), 0x56);
}

/* Paging has changed when it is removed: the byte it took goes back, the new page is left alone. */
static void test_bp18_other_paging(void **state)
{
    (void)state;
    map_twice(CODE);
    insert(ONE + 9);
    map_twice(CODE + PAGE);
    assert_false(breakpoints_at(v, ONE + 9));
    assert_int_equal(shown(ONE + 9), (PAGE + 9) % 199);
    insert(ONE + 9);
    assert_int_equal(real(CODE + PAGE + 9), INT3);
    breakpoints_remove(v, ONE + 9);
    assert_int_equal(real(CODE + 9), 9);
    assert_int_equal(real(CODE + PAGE + 9), (PAGE + 9) % 199);
    assert_int_equal(breakpoints_count(), 0);
    insert(ONE + 9);
    model_memory_put(PT, 0); /* not mapped any more */
    assert_int_equal(breakpoints_insert(v, ONE + 10), HV_OK);
    assert_int_equal(breakpoints_get(v, 1).why, BREAK_NOT_MAPPED);
    breakpoints_remove(v, ONE + 10);
    breakpoints_remove(v, ONE + 9);
    assert_int_equal(real(CODE + PAGE + 9), (PAGE + 9) % 199);
}

/* WHPX-17: a thousand, and the one too many; all go at once. */
static void test_whpx17_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        insert(CODE + 7 * i);
    assert_int_equal(breakpoints_count(), BREAKPOINTS_MAX);
    assert_int_equal(breakpoints_insert(v, CODE + 1), HV_ENOSPC);
    assert_int_equal(real(CODE + 1), 1);
    insert(CODE); /* there already */
    assert_int_equal(breakpoints_read(v, CODE, buf, 2 * PAGE), 2 * PAGE);
    for (unsigned i = 0; i < 7 * BREAKPOINTS_MAX; i++) {
        assert_int_equal(buf[i], i % 199);
        assert_int_equal(real(CODE + i) == INT3, i % 7 == 0);
    }
    breakpoints_remove(v, CODE + 7 * 500);
    insert(CODE + 1);
    breakpoints_remove_all();
    assert_int_equal(breakpoints_count(), 0);
    for (unsigned i = 0; i < 2 * PAGE; i++)
        assert_int_equal(real(CODE + i), i % 199);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bp17_idempotent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bp21_not_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whpx16_true_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_under, setup, teardown),
        cmocka_unit_test_setup_teardown(test_haxm22_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guest_owned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lift, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bp18_whpx14_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bp18_other_paging, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whpx17_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
