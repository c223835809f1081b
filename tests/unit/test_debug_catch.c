/* `monitor catch` in a whole session: each stops in front, says so, and is done once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/handle.h"
#include "debug/catch.h"
#include "tests/unit/fake_session.h"

static void run(const struct model_entry *guest, unsigned count, const char *first,
                const char *second, const char *third)
{
    const char *gdb[] = {first, second, third, NULL};

    session(true, true, guest, count, gdb);
    core_set_catch(NULL);
}

static void at_cpuid(struct hv_regs *r)
{
    memcpy(model_memory(PC), "\x0f\xa2", 2);
    r->rip = PC;
    r->gpr[GPR_RAX] = 0xffffffff00000001;
    r->gpr[GPR_RCX] = 5;
}

/* Stopped in front of it; then it is done, by one step, and the next one stops again. */
static void test_once(void **state)
{
    static const struct model_entry guest[] = {FREE(at_cpuid, HV_EXIT_CPUID),
                                               ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_CPUID),
                                               FREE(at_cpuid, HV_EXIT_CPUID)};

    (void)state;
    v->regs.rip = PC + 16;
    run(guest, 3, turn("catch cpuid 1", "c"), "c", NULL);
    assert_int_equal(count_sent("$T05"), 2);
    assert_non_null(strstr(console(), "catch 1: cpuid 0x1\n"));
    assert_non_null(strstr(console(), "catch 1: CPUID leaf 0x1, subleaf 0x5\n"));
    assert_true(model_records[1].passing);
    assert_false(model_records[2].passing);
    assert_int_equal(model_records[2].rip, PC + 2);
    assert_int_equal(v->regs.rip, PC); /* the second is not done yet */
}

/* Another leaf is nobody's business. */
static void test_other(void **state)
{
    static const struct model_entry guest[] = {FREE(at_cpuid, HV_EXIT_CPUID),
                                               FREE(NULL, HV_EXIT_NMI)};

    (void)state;
    v->regs.rip = PC + 16;
    run(guest, 2, turn("catch cpuid 2-0x7fffffff", "c"), "\3", NULL);
    assert_int_equal(count_sent("$T05"), 0);
    assert_int_equal(count_sent("$T02"), 1);
    assert_int_equal(model_records[1].rip, PC + 2);
}

/* In a step it is SIGINT: gdb would take SIGTRAP for the step's end. The next step does it. */
static void test_step(void **state)
{
    static const struct model_entry guest[] = {ENTRY(RUN_STEP, at_cpuid, .kind = HV_EXIT_CPUID),
                                               ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_CPUID)};

    (void)state;
    v->regs.rip = PC;
    run(guest, 2, turn("catch cpuid", "vCont;s:1"), "vCont;s:1", NULL);
    assert_int_equal(count_sent("$T02"), 1);
    assert_int_equal(count_sent("$T05"), 1);
    assert_int_equal(v->regs.rip, PC + 2);
}

/* gdb has moved $pc away: nothing is passed. */
static void test_moved(void **state)
{
    static const struct model_entry guest[] = {FREE(at_cpuid, HV_EXIT_CPUID),
                                               FREE(at_cpuid, HV_EXIT_CPUID)};

    (void)state;
    v->regs.rip = PC + 16;
    run(guest, 2, turn("catch cpuid", "c"), "c2000", NULL);
    assert_int_equal(model_records[1].rip, 0x2000);
    assert_int_equal(count_sent("$T05"), 2);
}

static void faults(struct hv_regs *r)
{
    memcpy(model_memory(PC), "\x0f\x0b", 2);
    r->rip = PC;
}

static void to_handler(struct hv_regs *r)
{
    r->rip = 0x3000;
}

/* An exception is raised again when it goes on, and then it is the guest's. */
static void test_exception(void **state)
{
    static const struct model_entry guest[] = {
        ENTRY(RUN_FREE, faults, .kind = HV_EXIT_EXCEPTION,
              .exception = {VECTOR_PF, true, 2, 0x5000}),
        ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_PF, true, 2, 0x5000}),
        ENTRY(RUN_TO_FETCH, to_handler, .kind = HV_EXIT_FETCH), FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    run(guest, 4, turn("catch exception pf error 2 cr2 0x5000-0x5fff", "c"), "c", NULL);
    assert_int_equal(count_sent("$T05"), 1);
    assert_non_null(strstr(console(), "catch 1: #PF at 0x1000, error 0x2, cr2 0x5000\n"));
    assert_int_equal(model_records[0].exceptions, 1 << VECTOR_PF | 1 << VECTOR_DF);
    assert_int_equal(model_records[2].event.vector, VECTOR_PF);
    assert_int_equal(model_records[2].event.error, 2);
}

/* One that is none of the kind goes on its way. */
static void test_other_exception(void **state)
{
    static const struct model_entry guest[] = {ENTRY(RUN_FREE, faults, .kind = HV_EXIT_EXCEPTION,
                                                     .exception = {VECTOR_PF, true, 2, 0x4fff}),
                                               FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    run(guest, 2, turn("catch exception pf error 2 cr2 0x5000-0x5fff", "c"), NULL, NULL);
    assert_int_equal(count_sent("$T05"), 0);
    assert_int_equal(model_records[1].event.vector, VECTOR_PF);
    assert_int_equal(model_processor.cr2, 0x4fff);
}

static void outs_once(struct hv_regs *r)
{
    memcpy(model_memory(PC), "\xf3\x6e", 2);
    r->rip = PC;
}

static void outs_ends(struct hv_regs *r)
{
    r->rip = PC + 2;
}

/* REP OUTSB: one stop, however often it goes round. */
static void test_string(void **state)
{
    static const struct model_entry guest[] = {
        ENTRY(RUN_FREE, outs_once, .kind = HV_EXIT_IO, .io = {0x80, 1, false, true}), STEPS(NULL),
        STEPS(NULL), STEPS(outs_ends), FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    run(guest, 5, turn("catch io 0x80-0x8f out", "c"), "c", NULL);
    assert_int_equal(count_sent("$T05"), 1);
    assert_non_null(strstr(console(), "catch 1: out to port 0x80, 1 byte\n"));
    assert_int_equal(model_records[0].traps, ATTACHED);
    assert_int_equal(model_records[3].traps, 0);
    assert_int_equal(model_records[4].traps, ATTACHED);
}

static void at_mov_cr0(struct hv_regs *r)
{
    memcpy(model_memory(PC), "\x0f\x22\xc0", 3);
    r->rip = PC;
    r->gpr[GPR_RAX] = CR0_PE | CR0_PG | CR0_ET;
}

static void paging_on(struct hv_regs *r)
{
    r->rip = PC + 3;
    r->cr0 = r->gpr[GPR_RAX];
    r->efer = 0;
}

/* The first instruction with paging; and the catch is used up. */
static void test_phase(void **state)
{
    static const struct model_entry guest[] = {
        ENTRY(RUN_FREE, at_mov_cr0, .kind = HV_EXIT_CR_WRITE, .cr = {0}), STEPS(paging_on),
        FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    run(guest, 3, turn("catch phase paging", "c"), "c", NULL);
    assert_int_equal(count_sent("$T05"), 1);
    assert_non_null(strstr(console(), "catch 1: phase paging begins"));
    assert_int_equal(model_records[2].rip, PC + 3);
    assert_int_equal(model_records[0].traps, ATTACHED | TRAP_CR0_WRITES);
    assert_int_equal(model_records[2].traps, ATTACHED);
}

/* A phase that has begun long ago, or another: no stop. */
static void test_other_phase(void **state)
{
    static const struct model_entry guest[] = {
        ENTRY(RUN_FREE, at_mov_cr0, .kind = HV_EXIT_CR_WRITE, .cr = {0}), STEPS(paging_on),
        FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    run(guest, 3, turn("catch phase protected", "c"), NULL, NULL);
    assert_int_equal(count_sent("$T05"), 0);
    assert_int_equal(model_records[2].traps, ATTACHED | TRAP_CR0_WRITES);
}

/* The values of what is written to CR0. */
static void test_cr0(void **state)
{
    static const struct model_entry guest[] = {
        ENTRY(RUN_FREE, at_mov_cr0, .kind = HV_EXIT_CR_WRITE, .cr = {0}), STEPS(paging_on),
        FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    run(guest, 3, turn("catch cr0", "c"), "c", NULL);
    assert_non_null(strstr(console(), "catch 1: write of CR0 0x80000011, was 0x60000011\n"));
}

/* BP-23: when gdb goes, so does all that it caught. */
static void test_bp23_detach(void **state)
{
    static const struct model_entry guest[] = {FREE(at_cpuid, HV_EXIT_CPUID),
                                               FREE(NULL, HV_EXIT_NONE)};

    (void)state;
    v->regs.rip = PC + 16;
    run(guest, 2, turn("catch cpuid", "qRcmd,636174636820637233 D"), NULL, NULL);
    assert_non_null(strstr(console(), "catch 2: cr3 write\n"));
    assert_string_equal(why_over, "guest runs");
    assert_int_equal(model_records[0].traps, 0);
    for (unsigned i = 0; i < CATCHES; i++)
        assert_null(catch_at(i));
}

static int setup_catch(void **state)
{
    setup(state);
    catch_remove_all();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_once, setup_catch),
        cmocka_unit_test_setup(test_other, setup_catch),
        cmocka_unit_test_setup(test_step, setup_catch),
        cmocka_unit_test_setup(test_moved, setup_catch),
        cmocka_unit_test_setup(test_exception, setup_catch),
        cmocka_unit_test_setup(test_other_exception, setup_catch),
        cmocka_unit_test_setup(test_string, setup_catch),
        cmocka_unit_test_setup(test_phase, setup_catch),
        cmocka_unit_test_setup(test_other_phase, setup_catch),
        cmocka_unit_test_setup(test_cr0, setup_catch),
        cmocka_unit_test_setup(test_bp23_detach, setup_catch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
