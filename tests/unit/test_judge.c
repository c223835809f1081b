/*
 * debug/judge.c: what is told of an event when its CPU's turn comes, at once or after the user has
 * heard of another CPU's stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "debug/breakpoints.h"
#include "debug/judge.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { PC = 0x1000, DATA = 0x3000 };

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    breakpoints_remove_all();
    watch_remove_all();
    memset(&debug, 0, sizeof(debug));
    return 0;
}

static struct debug_event judged(const struct hv_exit *exit)
{
    struct debug_event event;

    assert_true(judge_exit(v, exit, &event));
    return event;
}

/* BP-8, BP-10: a breakpoint's hit is told in its turn; not after another stop, for it comes again.
 */
static void test_bp8_breakpoint(void **state)
{
    const struct hv_exit exit = {.kind = HV_EXIT_BREAKPOINT};
    struct gdb_stop stop;

    (void)state;
    assert_int_equal(breakpoints_insert(v, PC), HV_OK);
    struct debug_event event = judged(&exit);
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.reason, GDB_STOP_SWBREAK);
    assert_int_equal(stop.thread, 1);
    assert_false(judge_is_due(v, &event, 1, &stop));
    assert_int_equal(v->event.type, HV_EVENT_NONE); /* nor does the guest get it */
}

/* BP-9, BP-12: a step is told once, with what it hit; after another stop gdb knows the new place.
 */
static void test_bp9_step(void **state)
{
    const struct hv_exit plain = {.kind = HV_EXIT_STEP};
    const struct hv_exit hit = {.kind = HV_EXIT_STEP, .debug = {DR6_B(0)}};
    struct gdb_stop stop;

    (void)state;
    struct debug_event event = judged(&plain);
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.reason, GDB_STOP_PLAIN);
    assert_false(judge_is_due(v, &event, 1, &stop));

    assert_int_equal(watch_insert(GDB_WATCH_WRITE, DATA, 4), HV_OK);
    debug_regs_update(v);
    event = judged(&hit);
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.reason, GDB_STOP_WATCH);
    assert_true(judge_is_due(v, &event, 1, &stop)); /* the hit is not lost with the step */
    assert_int_equal(stop.data_address, DATA);
}

/* BP-12: a Ctrl-C besides is answered by the event, or for itself where that is void. */
static void test_bp12_interrupted(void **state)
{
    const struct hv_exit hit = {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(0)}};
    struct gdb_stop stop;

    (void)state;
    assert_int_equal(watch_insert(GDB_WATCH_READ, DATA, 4), HV_OK);
    debug_regs_update(v);
    watch_remember(v);
    struct debug_event event = judged(&hit);
    event.interrupted = true;
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.reason, GDB_STOP_RWATCH);
    *model_memory(DATA) += 1; /* it was a write, which is not asked for */
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.signal, GDB_SIGINT);
    assert_int_equal(stop.reason, GDB_STOP_PLAIN);
    *model_memory(DATA) += 1;
    assert_false(judge_is_due(v, &event, 1, &stop));
}

/* A watchpoint's hit does not come again: it is kept as long as the watchpoint is. */
static void test_watchpoint(void **state)
{
    const struct hv_exit hit = {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(0)}};
    struct gdb_stop stop;

    (void)state;
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, DATA, 4), HV_OK);
    debug_regs_update(v);
    struct debug_event event = judged(&hit);
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_true(judge_is_due(v, &event, 1, &stop));
    assert_int_equal(stop.reason, GDB_STOP_WATCH);
    watch_remove_all();
    assert_false(judge_is_due(v, &event, 1, &stop));
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, DATA + 8, 4), HV_OK); /* another in its slot */
    assert_false(judge_is_due(v, &event, 1, &stop));
}

/* A hardware breakpoint is hit again, as one by INT3 is. */
static void test_hardware_breakpoint(void **state)
{
    const struct hv_exit hit = {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(0)}};
    struct gdb_stop stop;

    (void)state;
    assert_int_equal(watch_insert(GDB_BREAK_HARD, PC, 1), HV_OK);
    debug_regs_update(v);
    struct debug_event event = judged(&hit);
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.reason, GDB_STOP_HWBREAK);
    assert_false(judge_is_due(v, &event, 1, &stop));
}

static void test_others(void **state)
{
    const struct hv_exit shutdown = {.kind = HV_EXIT_SHUTDOWN}, bad = {.kind = HV_EXIT_INVALID};
    struct debug_event event = {.kind = EVENT_INTERRUPT};
    struct gdb_stop stop;

    (void)state;
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.signal, GDB_SIGINT);
    assert_false(judge_is_due(v, &event, 1, &stop)); /* one stop for both */
    event.kind = EVENT_START;
    assert_true(judge_is_due(v, &event, 1, &stop)); /* BP-13: it stands at its first instruction */
    event = judged(&shutdown);
    assert_true(judge_is_due(v, &event, 1, &stop));
    assert_int_equal(stop.signal, GDB_SIGSEGV);
    event = judged(&bad);
    assert_true(judge_is_due(v, &event, 1, &stop));
    assert_int_equal(stop.signal, GDB_SIGABRT);
    event.kind = EVENT_NONE;
    assert_false(judge_is_due(v, &event, 0, &stop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bp8_breakpoint, setup),
        cmocka_unit_test_setup(test_bp9_step, setup),
        cmocka_unit_test_setup(test_bp12_interrupted, setup),
        cmocka_unit_test_setup(test_watchpoint, setup),
        cmocka_unit_test_setup(test_hardware_breakpoint, setup),
        cmocka_unit_test_setup(test_others, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
