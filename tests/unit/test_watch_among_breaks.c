/* core/watch_pages.c and core/exec_views.c together: a page that has watchpoints and breakpoints.
 */
#include "tests/unit/watch_view.h"

#include "core/run.h"
#include "core/step.h"
#include "core/watch_pages.h"

/* Breakpoints in a page that is watched and the other way round: each takes its rights away. */
static void test_rights_with_breakpoints(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        if (order)
            insert(OTHER + 1);
        watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
        check_shared(OTHER, order ? STAGE2_READ : READABLE);
        if (!order)
            insert(OTHER + 1);
        check_shared(OTHER, STAGE2_READ);
        watch(GDB_WATCH_READ, OTHER + 0x203, 3);
        assert_int_equal(rights_at(OTHER), 0);
        insert(OTHER + 2);
        exec_views_remove(OTHER + 2);
        assert_int_equal(rights_at(OTHER), 0);
        watch_ranges_remove(GDB_WATCH_READ, OTHER + 0x203, 3);
        check_shared(OTHER, STAGE2_READ);
        if (order)
            exec_views_remove(OTHER + 1);
        else
            watch_ranges_remove(GDB_WATCH_WRITE, OTHER + 0x103, 3);
        check_shared(OTHER, order ? READABLE : DATA);
        watch_ranges_remove_all();
        remove_all();
        check_shared(OTHER, STAGE2_ALL);
    }
}

/* What a CPU may do in a step: RIP's page can be executed, and what is watched still faults. */
static void see_closed(struct hv_regs *r)
{
    (void)r;
    assert_true(rights_at(CODE) & STAGE2_EXECUTE);
    assert_false(rights_at(CODE) & STAGE2_WRITE);
}

static void see_opened(struct hv_regs *r)
{
    assert_int_equal(rights_at(CODE), STAGE2_ALL);
    r->rip += 2;
}

/* Code writes what is watched in its own page, which has a breakpoint, too. */
static void test_hit_among_breakpoints(void **state)
{
    static const struct hv_exit write = {.kind = HV_EXIT_STAGE2,
                                         .stage2 = {.address = CODE + 0x104, .write = true}};
    const struct model_entry copied[] = {
        {RUN_FREE, see_closed, write}, /* the copy cannot be read either */
        {RUN_STEP, see_closed, write},
        {RUN_STEP, see_opened, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
    };
    const struct model_entry itself[] = {
        {RUN_FREE, see_closed, write},
        {RUN_STEP, see_opened, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
    };

    (void)state;
    insert(CODE + 0x20);
    watch(GDB_WATCH_WRITE, CODE + 0x103, 3);
    memcpy(model_memory(CODE + 0x10), "\x89\x03", 2);
    model_script(format == &ept ? copied : itself, format == &ept ? 3 : 2);
    core_run(v, &out);
    assert_true(model_script_done());
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_true(v->watch_hits);
    assert_int_equal(v->regs.rip, CODE + 0x12);
    assert_int_equal(rights_at(CODE), STAGE2_READ);
    /* It goes on, and comes to the breakpoint. */
    v->watch_hits = 0;
    assert_int_equal(fetch_at(v, CODE + 0x20), EXEC_BREAKPOINT);
    assert_int_equal(fetch_at(v, CODE + 0x12), EXEC_RETRY);
    assert_false(rights_at(CODE) & STAGE2_WRITE);
    if (format == &ept)
        assert_int_equal(executed(CODE + 0x20), INT3);
    /* A step off the breakpoint sees what it writes, too. */
    v->regs.rip = CODE + 0x20;
    model_script(copied + 1, 2);
    core_step(v, &out);
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_true(v->watch_hits);
}

#define FETCH                                                                                      \
    {                                                                                              \
        .kind = HV_EXIT_STAGE2, .stage2 = {.address = CODE + 0x10, .execute = true }               \
    }
#define READ                                                                                       \
    {                                                                                              \
        .kind = HV_EXIT_STAGE2, .stage2 = {.address = CODE + 0x103 }                               \
    }

static void read_it(struct hv_regs *r)
{
    assert_int_equal(rights_at(CODE), READABLE);
    r->rip += 2;
}

static void see_unreadable(struct hv_regs *r)
{
    (void)r;
    assert_int_equal(rights_at(CODE), STAGE2_EXECUTE);
}

/* Where what can be executed can be read, the instruction tells what it reads. */
static void test_reads_own_page(void **state)
{
    static const struct model_entry npt_script[] = {
        {RUN_FREE, NULL, FETCH},
        {RUN_STEP, read_it, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}},
    };
    static const struct model_entry ept_script[] = {
        {RUN_FREE, NULL, FETCH},
        {RUN_STEP, see_unreadable, READ},
        {RUN_STEP, read_it, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}},
    };
    static const struct model_entry ept_view_script[] = {
        {RUN_FREE, see_unreadable, READ},
        {RUN_STEP, see_unreadable, READ},
        {RUN_STEP, read_it, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}},
    };

    (void)state;
    memcpy(model_memory(CODE + 0x10), "\x8b\x03", 2); /* mov eax, [rbx] */
    for (unsigned i = 0; i < 4; i++) {
        const struct model_entry *script = format == &npt ? npt_script
                                           : i & 1        ? ept_view_script
                                                          : ept_script;
        unsigned length = format == &npt ? 3 : 4;
        bool elsewhere = i & 2;

        watch(GDB_WATCH_READ, CODE + (elsewhere ? 0x203 : 0x103), 3);
        if (i & 1)
            insert(CODE + 0x20);
        v->regs.rip = CODE + 0x10;
        v->regs.gpr[GPR_RBX] = CODE + 0x103;
        v->watch_hits = 0;
        model_script(script, elsewhere ? length : length - 1);
        core_run(v, &out);
        assert_true(model_script_done());
        assert_int_equal(out.kind, elsewhere ? HV_EXIT_NMI : HV_EXIT_DEBUG);
        assert_int_equal(v->watch_hits != 0, !elsewhere);
        assert_int_equal(v->regs.rip, CODE + 0x12);
        exec_views_leave(v);
        watch_ranges_remove_all();
        remove_all();
    }
}

/* What it names, it writes: no read. */
static void test_writes_own_page(void **state)
{
    static const struct model_entry script[] = {
        {RUN_STEP,
         NULL,
         {.kind = HV_EXIT_STAGE2, .stage2 = {.address = CODE + 0x103, .write = true}}},
        {RUN_STEP, see_opened, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
    };

    (void)state;
    memcpy(model_memory(CODE + 0x10), "\x89\x03", 2); /* mov [rbx], eax */
    watch(GDB_WATCH_READ, CODE + 0x103, 3);
    insert(CODE + 0x20);
    v->regs.gpr[GPR_RBX] = CODE + 0x103;
    model_script(script, 2);
    core_step(v, &out);
    assert_int_equal(v->watch_hits, 0);
    watch(GDB_WATCH_ACCESS, CODE + 0x103, 3);
    v->regs.rip = CODE + 0x10;
    model_script(script, 2);
    core_step(v, &out);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 1).reason, GDB_STOP_AWATCH);
}

static void reach_breakpoint(struct hv_regs *r)
{
    r->rip = CODE + 0x20;
}

/*
 * A breakpoint that was run over (its INT3 overwritten, another address, MOV SS in front of it) is
 * seen where its instruction writes what is watched: it stops there, and no page stays open.
 */
static void test_closed_at_a_breakpoint(void **state)
{
    static const struct model_entry script[] = {
        {RUN_FREE,
         reach_breakpoint,
         {.kind = HV_EXIT_STAGE2, .stage2 = {.address = OTHER + 0x104, .write = true}}},
    };

    (void)state;
    insert(CODE + 0x20);
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    model_script(script, 1);
    core_run(v, &out);
    assert_true(model_script_done());
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(rights_at(OTHER), READABLE);
    assert_int_equal(stage2_root(0, STAGE2_NORMAL), stage2_root(1, STAGE2_NORMAL));
    assert_int_equal(v->watch_hits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_rights_with_breakpoints), BOTH(test_hit_among_breakpoints),
        BOTH(test_reads_own_page),          BOTH(test_writes_own_page),
        BOTH(test_closed_at_a_breakpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
