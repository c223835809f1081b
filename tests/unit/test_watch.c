/* debug/watch.c: the user's four slots (HAXM-16, BP-17, BP-19, BP-22). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "debug/breakpoints.h"
#include "debug/watch.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

static int setup(void **state)
{
    (void)state;
    watch_remove_all();
    return 0;
}

static void test_bp17_idempotent(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x1000, 4), HV_OK);
        assert_int_equal(watch_insert(GDB_BREAK_HARD, 0x1000, 1), HV_OK);
        assert_int_equal(watch_count(), 2);
    }
    /* Another type, size or address is another one. */
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x1000, 8), HV_OK);
    assert_int_equal(watch_insert(GDB_WATCH_ACCESS, 0x1000, 4), HV_OK);
    assert_int_equal(watch_count(), 4);
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x1004, 4), HV_ENOSPC);
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x1000, 4), HV_OK); /* there already */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(watch_remove(GDB_WATCH_WRITE, 0x1000, 4), HV_OK);
        assert_int_equal(watch_count(), 3);
    }
    assert_int_equal(watch_insert(GDB_WATCH_READ, 0x2000, 1), HV_OK);
    assert_int_equal(watch_count(), 4);
    watch_remove_all();
    assert_int_equal(watch_count(), 0);
}

/* BP-19: sizes and alignments the processor cannot do are refused, and nothing is set. */
static void test_bp19_sizes(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= 17; size++) {
        bool good = size == 1 || size == 2 || size == 4 || size == 8;

        watch_remove_all();
        assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x1000, size), good ? HV_OK : HV_EINVAL);
        assert_int_equal(watch_count(), good);
        if (!good || size == 1)
            continue;
        watch_remove_all();
        assert_int_equal(watch_insert(GDB_WATCH_ACCESS, 0x1000 + size / 2, size), HV_EINVAL);
        assert_int_equal(watch_insert(GDB_WATCH_READ, 0x1001, size), HV_EINVAL);
        assert_int_equal(watch_count(), 0);
    }
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0, UINT64_MAX), HV_EINVAL);
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0, 1ULL << 32 | 4), HV_EINVAL);
}

/* Execute: whatever length gdb says, at any address; the processor's is 1. */
static void test_execute(void **state)
{
    (void)state;
    assert_int_equal(watch_insert(GDB_BREAK_HARD, 0xffffffff81000003, 5), HV_OK);
    assert_int_equal(debug_regs_user(0)->size, 1);
    assert_int_equal(debug_regs_user(0)->kind, DEBUG_EXECUTE);
    assert_int_equal(debug_regs_user(0)->address, 0xffffffff81000003);
    assert_true(watch_executes_at(0xffffffff81000003));
    assert_false(watch_executes_at(0xffffffff81000004));
    assert_int_equal(watch_remove(GDB_BREAK_HARD, 0xffffffff81000003, 1), HV_OK);
    assert_int_equal(watch_count(), 0);
    assert_int_equal(watch_insert(GDB_BREAK_HARD, 0, 1), HV_OK); /* as an unused slot has it */
    assert_int_equal(watch_insert(GDB_BREAK_HARD, 0, 2), HV_OK);
    assert_int_equal(watch_count(), 1);
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x1000, 1), HV_OK);
    assert_false(watch_executes_at(0x1000));
}

static void test_kinds(void **state)
{
    (void)state;
    watch_insert(GDB_WATCH_WRITE, 0x1000, 2);
    watch_insert(GDB_WATCH_READ, 0x2000, 4);
    watch_insert(GDB_WATCH_ACCESS, 0x3000, 8);
    assert_int_equal(debug_regs_user(0)->kind, DEBUG_WRITE);
    assert_int_equal(debug_regs_user(1)->kind, DEBUG_ACCESS); /* there is no pure read */
    assert_int_equal(debug_regs_user(2)->kind, DEBUG_ACCESS);
    assert_int_equal(debug_regs_user(2)->size, 8);
    assert_false(debug_regs_user(3)->used);
}

static void check_stop(unsigned hits, enum gdb_stop_reason reason, uint64_t address)
{
    struct gdb_stop stop = watch_stop(hits, 3);

    assert_int_equal(stop.signal, GDB_SIGTRAP);
    assert_int_equal(stop.thread, 3);
    assert_int_equal(stop.reason, reason);
    assert_int_equal(stop.data_address, address);
}

/* HAXM-16: the stop says which; data, which has happened, before execute, which has not. */
static void test_haxm16_stop(void **state)
{
    (void)state;
    watch_insert(GDB_BREAK_HARD, 0x1000, 1);
    watch_insert(GDB_WATCH_WRITE, 0x2000, 2);
    watch_insert(GDB_WATCH_READ, 0x3000, 4);
    watch_insert(GDB_WATCH_ACCESS, 0x4000, 8);
    check_stop(1, GDB_STOP_HWBREAK, 0);
    check_stop(2, GDB_STOP_WATCH, 0x2000);
    check_stop(4, GDB_STOP_RWATCH, 0x3000);
    check_stop(8, GDB_STOP_AWATCH, 0x4000);
    check_stop(1 | 8, GDB_STOP_AWATCH, 0x4000);
    check_stop(15, GDB_STOP_WATCH, 0x2000);
}

/* The processor traps writes too where a read was asked for: a new value tells them apart. */
static void test_read_only(void **state)
{
    struct vcpu *v = model_backend_reset();

    (void)state;
    watch_insert(GDB_WATCH_READ, 0x2000, 4);
    watch_insert(GDB_WATCH_ACCESS, 0x2000, 4);
    watch_insert(GDB_WATCH_WRITE, 0x2000, 4);
    model_memory_put(0x2000, 0x1111);
    watch_remember(v);
    assert_int_equal(watch_filter(v, 7), 7); /* unchanged: a read */
    model_memory_put(0x2000, 0x2222);
    assert_int_equal(watch_filter(v, 7), 6);
    assert_int_equal(watch_filter(v, 7), 7); /* once */
    model_memory_put(0x2004, 0x3333);        /* not among its bytes */
    assert_int_equal(watch_filter(v, 1), 1);
    /* A breakpoint of ours in there changes nothing that the guest could see. */
    assert_int_equal(breakpoints_insert(v, 0x2001), HV_OK);
    assert_int_equal(watch_filter(v, 1), 1);
    breakpoints_remove_all();
    assert_int_equal(watch_filter(v, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bp17_idempotent, setup),
        cmocka_unit_test_setup(test_bp19_sizes, setup),
        cmocka_unit_test_setup(test_execute, setup),
        cmocka_unit_test_setup(test_kinds, setup),
        cmocka_unit_test_setup(test_haxm16_stop, setup),
        cmocka_unit_test_setup(test_read_only, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
