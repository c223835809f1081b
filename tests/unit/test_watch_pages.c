/* core/watch_pages.c and debug/watch_ranges.c: watchpoints by stage 2, on both vendors' tables. */
#include "tests/unit/exec_view.h"

#include "core/run.h"
#include "core/watch_pages.h"
#include "debug/watch_ranges.h"

static int clear(void **state)
{
    watch_ranges_remove_all();
    v->watch_hits = 0;
    return teardown(state);
}

static void watch(enum gdb_break_type type, gva_t address, uint64_t size)
{
    assert_int_equal(watch_ranges_insert(v, type, address, size), HV_OK);
}

#define READABLE (STAGE2_READ | STAGE2_EXECUTE)

/* What all CPUs may do meanwhile, and afterwards. */
static void test_closed_while_watched(void **state)
{
    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 5, 3);
    check_shared(OTHER, READABLE);
    check_shared(OTHER + PAGE, STAGE2_ALL);
    watch(GDB_WATCH_ACCESS, OTHER + PAGE - 4, PAGE + 8); /* three pages */
    watch(GDB_WATCH_ACCESS, OTHER + PAGE - 4, PAGE + 8);
    assert_int_equal(watch_ranges_count(), 2);
    assert_int_equal(rights_at(OTHER), 0);
    assert_int_equal(rights_at(OTHER + PAGE), 0);
    assert_int_equal(rights_at(OTHER + 2 * PAGE), 0);
    watch_ranges_remove(GDB_WATCH_ACCESS, OTHER + PAGE - 4, PAGE + 8);
    check_shared(OTHER, READABLE);
    check_shared(OTHER + PAGE, STAGE2_ALL);
    check_shared(OTHER + 2 * PAGE, STAGE2_ALL);
    watch_ranges_remove(GDB_WATCH_WRITE, OTHER + 5, 3);
    check_shared(OTHER, STAGE2_ALL);
}

/* Refused, and nothing of it stays. */
static void test_refused(void **state)
{
    (void)state;
    insert(CODE);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, CODE + 5, 3), HV_ENOSPC);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, CODE - 5, 10), HV_ENOSPC);
    check_shared(CODE - PAGE, STAGE2_ALL);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, 0xfee00000, 3), HV_EFAULT);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, OTHER, 0), HV_EINVAL);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, UINT64_MAX, 2), HV_EINVAL);
    assert_int_equal(watch_ranges_insert(v, GDB_BREAK_HARD, OTHER, 1), HV_EINVAL);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, OTHER, 65 * PAGE), HV_ENOSPC);
    check_shared(OTHER, STAGE2_ALL);
    for (unsigned i = 0; i < WATCH_RANGES; i++)
        watch(GDB_WATCH_WRITE, OTHER + i, 3);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, OTHER + 100, 3), HV_ENOSPC);
}

static void store(struct hv_regs *r)
{
    assert_int_equal(rights_at(OTHER), STAGE2_ALL);
    r->rip += 2;
}

static void load(struct hv_regs *r)
{
    assert_int_equal(rights_at(OTHER), READABLE);
    r->rip += 2;
}

static void run(gpa_t address, bool write, bool hit)
{
    struct model_entry script[] = {
        {RUN_FREE, NULL, {.kind = HV_EXIT_STAGE2, .stage2 = {.address = address, .write = write}}},
        {RUN_STEP, write ? store : load, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}},
    };

    v->regs.rip = CODE;
    v->watch_hits = 0;
    memcpy(model_memory(CODE), "\x89\x03", 2); /* mov [rbx], eax: 4 bytes */
    model_script(script, hit ? 2 : 3);
    core_run(v, &out);
    assert_true(model_script_done());
    assert_int_equal(out.kind, hit ? HV_EXIT_DEBUG : HV_EXIT_NMI);
    assert_int_equal(v->regs.rip, CODE + 2);
    assert_int_equal(v->watch_hits != 0, hit);
}

/* The access is done, then it is told; what does not touch the range goes on unseen. */
static void test_hits(void **state)
{
    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    run(OTHER + 0x103, true, true);
    run(OTHER + 0x105, true, true);
    run(OTHER + 0x100, true, true); /* its last byte */
    run(OTHER + 0xff, true, false);
    run(OTHER + 0x106, true, false);
    check_shared(OTHER, READABLE);
    watch_ranges_remove_all();
    watch(GDB_WATCH_READ, OTHER + 0x103, 3);
    run(OTHER + 0x104, true, false);
    run(OTHER + 0x104, false, true);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 7).reason, GDB_STOP_RWATCH);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 7).data_address, OTHER + 0x103);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 7).thread, 7);
    assert_int_equal(watch_ranges_still_set(v->watch_hits), v->watch_hits);
    watch_ranges_remove_all();
    assert_int_equal(watch_ranges_still_set(v->watch_hits), 0);
}

/* One that was not carried out has touched nothing. */
static void test_not_done(void **state)
{
    static const struct model_entry script[] = {
        {RUN_FREE,
         NULL,
         {.kind = HV_EXIT_STAGE2, .stage2 = {.address = OTHER + 0x104, .write = true}}},
        {RUN_STEP, NULL, {.kind = HV_EXIT_NMI}},
    };

    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    v->regs.rip = CODE;
    model_script(script, 2);
    core_run(v, &out);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(v->watch_hits, 0);
    check_shared(OTHER, READABLE);
    assert_int_equal(rights_at(OTHER), READABLE);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_npt, clear),                                       \
        cmocka_unit_test_setup_teardown(test, setup_ept, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_closed_while_watched),
        BOTH(test_refused),
        BOTH(test_hits),
        BOTH(test_not_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
