/*
 * core/exec_views.c on a backend that follows a script, with both vendors' tables: what a CPU can
 * execute, what all can read (USER-1, HAXM-22, WHPX-15, WHPX-17, WHPX-19).
 */
#include "tests/unit/exec_view.h"

#include "core/run.h"
#include "core/step.h"
#include "tests/unit/script.h"

/* BP-18, USER-1: all may read and write true bytes, nobody can execute; afterwards all is back. */
static void test_bp18_guarded(void **state)
{
    (void)state;
    check_shared(CODE, STAGE2_ALL);
    insert(CODE + 5);
    insert(CODE + 5);
    assert_int_equal(exec_views_insert(CODE + 5, 0x7777005), HV_OK);
    assert_int_equal(exec_views_count(), 2);
    check_shared(CODE, DATA);
    check_shared(CODE + PAGE, STAGE2_ALL);
    check_shared(CODE - 1, STAGE2_ALL);
    assert_int_equal(*model_memory(CODE + 5), 0x45);
    assert_true(exec_views_at(v, CODE + 5));
    assert_false(exec_views_at(v, CODE + 4));
    assert_false(exec_views_at(v, CODE + 6));
    exec_views_remove(CODE + 5);
    exec_views_remove(CODE + 5);
    check_shared(CODE, DATA);
    assert_true(exec_views_at(v, CODE + 5));
    exec_views_remove(0x7777005);
    check_shared(CODE, STAGE2_ALL);
    assert_int_equal(exec_views_count(), 0);
}

/* What is no plain memory of stage 2, or one too many, is refused and changes nothing. */
static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(stage2_map(OTHER, CODE, STAGE2_ALL), HV_OK);
    assert_int_equal(exec_views_insert(OTHER + 1, 1), HV_ENOSPC);
    assert_int_equal(stage2_map(OTHER, OTHER, STAGE2_READ), HV_OK);
    assert_int_equal(exec_views_insert(OTHER + 1, 1), HV_ENOSPC);
    assert_int_equal(exec_views_insert(1ULL << 40, 1), HV_ENOSPC);
    for (unsigned i = 0; i < EXEC_BREAKPOINTS_MAX; i++)
        insert(CODE + 3 * i);
    assert_int_equal(exec_views_insert(CODE + 1, 1), HV_ENOSPC);
    assert_int_equal(exec_views_count(), EXEC_BREAKPOINTS_MAX);
}

/* Where there are execute-only pages: a copy, which nobody can read. */
static void test_copy(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    insert(CODE + PAGE);
    assert_int_equal(fetch_at(v, CODE + 0x10), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), STAGE2_EXECUTE);
    for (unsigned i = 0; i < PAGE; i++)
        assert_int_equal(executed(CODE + i), i == 0x20 ? INT3 : 0x40 + i % 7);
    assert_int_equal(rights_at(CODE + PAGE), DATA);
    assert_int_equal(rights_at(OTHER), DATA);
    assert_int_equal(rights_at(0xfee00000), DATA);
    check_shared(CODE, DATA); /* the other CPU is elsewhere */
    check_shared(OTHER, STAGE2_ALL);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    assert_int_equal(fetch_at(v, OTHER), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), DATA);
    assert_int_equal(rights_at(OTHER), STAGE2_ALL);
    assert_int_equal(fetch_at(v, OTHER), EXEC_NOT_OURS);
}

/* USER-1, HAXM-22: what a loader puts there is what runs, with the breakpoint in it. */
static void test_user1_unpacked(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    memset(model_memory(CODE), 0x90, PAGE);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(executed(CODE + 0x1f), 0x90);
    if (format == &ept)
        assert_int_equal(executed(CODE + 0x20), INT3);
    else
        assert_int_equal(v->live_dr[0], CODE + 0x20);
    exec_views_leave(v);
    for (unsigned i = 0; i < PAGE; i++)
        assert_int_equal(*model_memory(CODE + i), 0x90);
    assert_int_equal(v->live_dr7, DR7_RESET);
}

/* The very first instruction of the page: nothing is executed. */
static void test_at_once(void **state)
{
    (void)state;
    insert(CODE + 0x10);
    assert_int_equal(fetch_at(v, CODE + 0x10), EXEC_BREAKPOINT);
    /* But an event that waits goes first. */
    vcpu_raise(v, VECTOR_UD);
    assert_int_equal(fetch_at(v, CODE + 0x10), EXEC_RETRY);
}

static void store(struct hv_regs *r)
{
    r->rip++;
    assert_int_equal(rights_at(CODE), STAGE2_ALL);
    assert_int_equal(executed(CODE + 0x20), 0x40 + 0x20 % 7);
    *model_memory(CODE + 0x30) = 0x99;
}

static void see_new_copy(struct hv_regs *r)
{
    (void)r;
    assert_int_equal(rights_at(CODE), STAGE2_EXECUTE);
    assert_int_equal(executed(CODE + 0x30), 0x99);
    assert_int_equal(executed(CODE + 0x20), INT3);
}

#define RUN(...) SCRIPT(core_run(v, &out), __VA_ARGS__)
#define FETCH(at)                                                                                  \
    {                                                                                              \
        .kind = HV_EXIT_STAGE2, .stage2 = {.address = at, .execute = true }                        \
    }

/* Code that writes into its own page is stepped on the page itself, and seen at once. */
static void test_same_page_data(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    RUN({RUN_FREE, NULL, FETCH(CODE + 0x10)},
        {RUN_FREE, NULL, {.kind = HV_EXIT_STAGE2, .stage2 = {.address = CODE + 0x30}}}, DONE(store),
        {RUN_FREE, see_new_copy, {.kind = HV_EXIT_BREAKPOINT}});
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(v->regs.rflags, 0x202);
}

static void straddles(struct hv_regs *r)
{
    assert_int_equal(rights_at(CODE + PAGE - 1), STAGE2_ALL);
    assert_int_equal(rights_at(CODE + PAGE), STAGE2_ALL);
    r->rip += 3;
}

/* An instruction on two pages, guarded the first, the second, or both. */
static void test_straddle(void **state)
{
    (void)state;
    for (unsigned which = 1; which < 4; which++) {
        v->regs.rip = CODE + PAGE - 1;
        if (which & 1)
            insert(CODE);
        if (which & 2)
            insert(CODE + PAGE + 0x100);
        if (which == 2)
            RUN({RUN_FREE, NULL, FETCH(CODE + PAGE)}, {RUN_STEP, NULL, FETCH(CODE + PAGE)},
                DONE(straddles), {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}});
        else
            RUN({RUN_FREE, NULL, FETCH(CODE + PAGE - 1)}, {RUN_FREE, NULL, FETCH(CODE + PAGE)},
                {RUN_STEP, NULL, FETCH(CODE + PAGE)}, DONE(straddles),
                {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}});
        assert_int_equal(v->regs.rip, CODE + PAGE + 2);
        assert_int_equal(rights_at(CODE + PAGE),
                         which & 2 && format == &ept ? STAGE2_EXECUTE : STAGE2_ALL);
        exec_views_leave(v);
        remove_all();
    }
}

/* WHPX-19: stepped with the true byte, for this CPU alone. */
static void test_whpx19_step(void **state)
{
    (void)state;
    insert(CODE + 0x10);
    insert(CODE + 0x11);
    static const struct model_entry step[] = {DONE(store)};
    model_script(step, 1);
    assert_true(exec_views_claim(v, CODE + 0x10));
    core_step(v, &out);
    exec_views_release(v);
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(v->regs.rip, CODE + 0x11);
    assert_int_equal(rights_at(CODE), DATA);
    check_shared(CODE, DATA);
    /* It goes on, and the next one is hit. */
    RUN({RUN_FREE, NULL, FETCH(CODE + 0x11)});
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
}

/* What all share has changed: a view of before is not used. */
static void test_stale(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    exec_views_prepare(v);
    assert_true(rights_at(CODE) & STAGE2_EXECUTE);
    assert_int_equal(stage2_map(OTHER, 0, STAGE2_NONE), HV_OK);
    assert_int_equal(rights_at(OTHER), DATA);
    exec_views_prepare(v);
    assert_int_equal(rights_at(OTHER), 0);
    assert_int_equal(rights_at(CODE), DATA);
}

/* WHPX-17: a thousand in one page and in many; each page is mapped by itself once. */
static void test_whpx17_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        insert(CODE + (i * 7) % 500);
        insert(OTHER + ((i * 7) % 500) * PAGE);
    }
    unsigned flushes = model_flushes;
    assert_true(flushes <= 2 * 501);
    insert(CODE + 600);
    assert_int_equal(model_flushes, flushes);
    assert_int_equal(exec_views_count(), 1001);
    for (unsigned i = 0; i < 500; i++) {
        check_shared(OTHER + i * PAGE, DATA);
        assert_true(exec_views_at(v, OTHER + i * PAGE));
        assert_true(exec_views_at(v, CODE + i));
    }
    remove_all();
    check_shared(OTHER + 499 * PAGE, STAGE2_ALL);
}

/* Each change of what a CPU can do is flushed: on all CPUs what all share, else on the CPU alone;
 * coming back costs none. */
static void test_flushes(void **state)
{
    unsigned flushes = model_flushes;

    (void)state;
    insert(CODE + 0x20);
    assert_int_equal(model_flushes, flushes += 2);
    insert(CODE + 0x21);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(model_flushes, flushes += 1);
    exec_views_leave(v);
    assert_int_equal(fetch_at(v, CODE + 8), EXEC_RETRY);
    assert_int_equal(model_flushes, flushes);
    /* A step needs the page itself, which is the copy's page or not. */
    exec_views_begin_step(v);
    assert_int_equal(model_flushes, flushes += format == &ept);
    exec_views_finish_step(v);
    assert_int_equal(fetch_at(v, CODE + 8), EXEC_RETRY);
    assert_int_equal(model_flushes, flushes += format == &ept);
    exec_views_leave(v);
    exec_views_remove(CODE + 0x20);
    assert_int_equal(model_flushes, flushes);
    exec_views_remove(CODE + 0x21);
    assert_int_equal(model_flushes, flushes + 2);
}

/* Behind a stop a CPU goes on in its view at once, but for a breakpoint or an event that waits. */
static void test_resume(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    v->regs.rip = CODE + 0x20;
    exec_views_resume(v);
    assert_int_equal(rights_at(CODE), DATA);
    v->regs.rip = OTHER;
    exec_views_resume(v);
    assert_int_equal(rights_at(CODE), DATA);
    v->regs.rip = CODE + 0x21;
    vcpu_raise(v, VECTOR_UD);
    exec_views_resume(v);
    assert_int_equal(rights_at(CODE), DATA);
    v->event.type = HV_EVENT_NONE;
    exec_views_resume(v);
    assert_true(rights_at(CODE) & STAGE2_EXECUTE);
}

static void look(struct hv_regs *r)
{
    assert_int_equal(rights_at(CODE), DATA);
    r->rip = OTHER;
}

/* The step that delivers an event executes nothing of the page. */
static void test_step_of_an_event(void **state)
{
    static const struct model_entry script[] = {{RUN_TO_FETCH, look, {.kind = HV_EXIT_FETCH}}};

    (void)state;
    insert(CODE + 0x20);
    v->regs.rip = CODE + 0x21;
    vcpu_raise(v, VECTOR_UD);
    model_script(script, 1);
    core_step(v, &out);
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(v->regs.rip, OTHER);
}

static struct hv_exit data_fault(gpa_t gpa)
{
    return (struct hv_exit){.kind = HV_EXIT_STAGE2, .stage2 = {.address = gpa, .write = true}};
}

/* Data that faults is ours where the page is a copy; where the view is old, it may be its fault. */
static void test_data(void **state)
{
    struct hv_exit there = data_fault(CODE + 8), elsewhere = data_fault(OTHER);

    (void)state;
    insert(CODE + 0x20);
    assert_int_equal(exec_views_fault(v, &there), EXEC_NOT_OURS);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    if (format == &ept)
        assert_int_equal(exec_views_fault(v, &there), EXEC_STEP);
    else
        assert_int_equal(exec_views_fault(v, &there), EXEC_NOT_OURS);
    exec_views_leave(v);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(exec_views_fault(v, &elsewhere), EXEC_NOT_OURS);
    assert_int_equal(rights_at(CODE), DATA);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(stage2_map(OTHER, OTHER, STAGE2_ALL), HV_OK);
    assert_int_equal(exec_views_fault(v, &elsewhere), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), DATA);
}

/* In a step: what faults as the view is old is tried again with the page opened; nothing else. */
static void test_data_in_a_step(void **state)
{
    struct hv_exit data = data_fault(OTHER), code = fetch(OTHER);

    (void)state;
    insert(CODE + 0x20);
    assert_false(exec_views_open(v, &code));
    v->regs.rip = CODE + 0x20;
    exec_views_begin_step(v);
    assert_false(exec_views_open(v, &data));
    assert_int_equal(stage2_map(OTHER, OTHER, STAGE2_ALL), HV_OK);
    unsigned flushes = model_flushes;
    assert_true(exec_views_open(v, &data));
    assert_int_equal(rights_at(CODE), STAGE2_ALL);
    assert_int_equal(rights_at(OTHER), STAGE2_ALL);
    assert_int_equal(model_flushes, flushes + 1);
    exec_views_finish_step(v);
    assert_int_equal(rights_at(CODE), DATA);
    assert_int_equal(model_flushes, flushes + 2);
    exec_views_finish_step(v);
    assert_int_equal(model_flushes, flushes + 2);
}

#define REGION(i) ((gpa_t)(i) << 21)

/* No table left: refused, all others stay as they were, and what is given back can be had. */
static void test_out_of_tables(void **state)
{
    unsigned n = 0;

    (void)state;
    while (exec_views_insert(REGION(n) + 5, 5) == HV_OK)
        n++;
    assert_in_range(n, 300, 512);
    assert_int_equal(exec_views_count(), n);
    assert_int_equal(exec_views_insert(REGION(n + 1), 5), HV_ENOSPC);
    for (unsigned i = 0; i < n; i++) {
        check_shared(REGION(i), DATA);
        check_shared(REGION(i) + PAGE, STAGE2_ALL);
    }
    check_shared(REGION(n), STAGE2_ALL);
    assert_int_equal(exec_views_insert(REGION(n - 1) + PAGE, 6), HV_OK); /* its table is there */
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_true(rights_at(CODE) & STAGE2_EXECUTE);
    exec_views_leave(v);
    exec_views_remove(5);
    check_shared(REGION(0), STAGE2_ALL);
    check_shared(REGION(n - 1), STAGE2_ALL);
    check_shared(REGION(n - 1) + PAGE, DATA);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(exec_views_insert(REGION(i) + 5, 5), HV_OK);
    assert_int_equal(exec_views_insert(REGION(n) + 5, 5), HV_ENOSPC);
}

/* One CPU in its view while another writes the page, and while pages elsewhere are split. */
static void test_others_meanwhile(void **state)
{
    struct vcpu *other = vcpu_get(1);
    hpa_t hpa;

    (void)state;
    *other = *v;
    other->number = 1;
    insert(CODE + 0x20);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    /* The other one writes, without an exit; what it reads is what it wrote. */
    assert_int_equal(rights(1, CODE, &hpa), DATA);
    assert_int_equal(hpa, CODE);
    memset(model_memory(CODE), 0x90, PAGE);
    /* It goes there: its own view is of what is there now, the first one's stays until it comes
     * anew. */
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_true(rights(1, CODE, &hpa) & STAGE2_EXECUTE);
    if (format == &ept) {
        assert_int_equal(((const uint8_t *)hpa)[0x20], INT3);
        assert_int_equal(((const uint8_t *)hpa)[0x21], 0x90);
        assert_int_equal(executed(CODE + 0x21), 0x40 + 0x21 % 7);
    }
    assert_int_equal(fetch_at(v, OTHER), EXEC_RETRY);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(executed(CODE + 0x21), 0x90);
    /* Whatever it exits for, it goes on in what is there then. */
    memset(model_memory(CODE), 0x91, PAGE);
    exec_views_prepare(v);
    exec_views_prepare(v);
    assert_int_equal(executed(CODE + 0x21), 0x91);
    memset(model_memory(CODE), 0x90, PAGE);
    exec_views_prepare(v);
    assert_int_equal(executed(CODE + 0x21), 0x90);
    if (format == &ept)
        assert_int_equal(executed(CODE + 0x20), INT3);
    /* A split elsewhere: both views are left at the next entry, none shows what was before. */
    assert_int_equal(stage2_map(0x40000000, 0, STAGE2_NONE), HV_OK);
    exec_views_prepare(v);
    exec_views_prepare(other);
    assert_int_equal(rights(0, 0x40000000, &hpa), 0);
    assert_int_equal(rights(1, 0x40000000, &hpa), 0);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(rights(0, 0x40000000, &hpa), 0);
    assert_int_equal(rights(0, 0x40001000, &hpa), DATA);
    assert_int_equal(*model_memory(CODE + 0x20), 0x90);
    /* Both step at the breakpoint at once. */
    assert_true(exec_views_claim(v, CODE + 0x20));
    assert_true(exec_views_claim(other, CODE + 0x20));
    exec_views_release(v);
    exec_views_release(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NPT(test_bp18_guarded),
        ON_EPT(test_bp18_guarded),
        ON_NPT(test_refused),
        ON_EPT(test_refused),
        ON_EPT(test_copy),
        ON_NPT(test_user1_unpacked),
        ON_EPT(test_user1_unpacked),
        ON_NPT(test_at_once),
        ON_EPT(test_at_once),
        ON_EPT(test_same_page_data),
        ON_NPT(test_straddle),
        ON_EPT(test_straddle),
        ON_NPT(test_whpx19_step),
        ON_EPT(test_whpx19_step),
        ON_NPT(test_stale),
        ON_EPT(test_stale),
        ON_NPT(test_whpx17_many),
        ON_EPT(test_whpx17_many),
        ON_NPT(test_flushes),
        ON_EPT(test_flushes),
        ON_NPT(test_resume),
        ON_EPT(test_resume),
        ON_NPT(test_step_of_an_event),
        ON_EPT(test_step_of_an_event),
        ON_NPT(test_data),
        ON_EPT(test_data),
        ON_NPT(test_data_in_a_step),
        ON_EPT(test_data_in_a_step),
        ON_NPT(test_out_of_tables),
        ON_EPT(test_out_of_tables),
        ON_NPT(test_others_meanwhile),
        ON_EPT(test_others_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
