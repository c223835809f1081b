/*
 * debug/session.c, debug/conditions.c: what goes on without a word: steps in a range, breakpoints
 * whose conditions do not hold, and those with commands.
 */
#include "tests/unit/fake_session.h"

#include "core/backend.h"
#include "core/handle.h"

/* Steps in a range are not told but for the last; a Ctrl-C ends them. */
static void test_range(void **state)
{
    GUEST(STEPS(nop), STEPS(nop), STEPS(nop), STEPS(nop),
          ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_NMI), FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported vCont;r1000,1003:1", "vCont;r1003,1010:1;c", "\3", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T05"), 1);
    assert_int_equal(count_sent("$T02"), 1);
    assert_non_null(strstr(sent, "10:0310"));
    assert_int_equal(model_records[5].rip, PC + 4);
}

/* A breakpoint in the range is a stop. */
static void test_range_breakpoint(void **state)
{
    GUEST(STEPS(nop), ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_BREAKPOINT, .insn_length = 1));
    GDB("qSupported:swbreak+ Z0,1001,1 vCont;r1000,1010:1");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T05swbreak:;10:0110"), 1);
}

/* Where the model's guest hits our INT3. */
static void breaks(struct hv_regs *r)
{
    assert_int_equal(*model_memory(r->rip), 0xcc);
}

static void breaks_with_rax_5(struct hv_regs *r)
{
    breaks(r);
    r->gpr[GPR_RAX] = 5;
}

static void true_byte_then_back(struct hv_regs *r)
{
    assert_int_equal(*model_memory(r->rip), 0x90);
}

#define BREAKS(guest) ENTRY(RUN_FREE, guest, .kind = HV_EXIT_BREAKPOINT, .insn_length = 1)

/* A condition that does not hold: one exit, one step, and not a byte; one that holds stops. */
static void test_condition(void **state)
{
    GUEST(BREAKS(breaks), STEPS(true_byte_then_back), BREAKS(breaks), STEPS(true_byte_then_back),
          BREAKS(breaks_with_rax_5));
    /* $rax == 5 */
    GDB("qSupported:swbreak+ Z0,1000,1;X7,26000022051327 vCont;c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T05swbreak:;10:0010"), 1);
    assert_int_equal(count_sent("$T"), 1);
    assert_string_equal(why_over, "gdb has nothing more to say");
}

/* Of several one is enough; here a byte of memory. */
static void test_conditions_are_ored(void **state)
{
    GUEST(BREAKS(breaks), STEPS(true_byte_then_back));
    GDB("qSupported:swbreak+ Z0,1000,1;X3,220027X5,2320001727 vCont;c");

    (void)state;
    *model_memory(0x2000) = 0;
    SESSION();
    assert_int_equal(count_sent("$T"), 0);
    setup(state);
    *model_memory(0x2000) = 1;
    session(true, true, guest, 1, gdb);
    assert_int_equal(count_sent("$T05swbreak"), 1);
}

/* That is for gdb to see, which tries it too. */
static void test_condition_that_fails(void **state)
{
    GUEST(BREAKS(breaks));
    GDB("qSupported:swbreak+ Z0,1000,1;X4,26ffff27 c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T05swbreak"), 1);
}

/* The same of a hardware breakpoint. */
static void test_condition_of_a_hardware_breakpoint(void **state)
{
    GUEST(HITS(NULL, 1), FREE(nop, HV_EXIT_NONE));
    GDB("qSupported:hwbreak+ Z1,1000,1;X3,220027 c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T"), 0);
    assert_int_equal(model_records[1].rflags & RFLAGS_RF, RFLAGS_RF);
}

static void test_condition_taken_away(void **state)
{
    GUEST(BREAKS(breaks));
    GDB("qSupported:swbreak+ Z0,1000,1;X3,220027 Z0,1000,1 c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T05swbreak"), 1);
}

/* A step that arrives at a breakpoint whose condition does not hold is a step as any other. */
static void test_step_over_a_denied_breakpoint(void **state)
{
    GUEST(ENTRY(RUN_STEP, breaks, .kind = HV_EXIT_BREAKPOINT, .insn_length = 1), STEPS(nop));
    GDB("qSupported:swbreak+ Z0,1000,1;X3,220027 vCont;s:1");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T"), 1);
    assert_non_null(strstr(sent, "$T0510:0110"));
}

/* Commands: text for gdb, and no stop (dprintf-style agent). */
static void test_commands(void **state)
{
    GUEST(BREAKS(breaks), STEPS(true_byte_then_back), BREAKS(breaks_with_rax_5),
          STEPS(true_byte_then_back));
    /* printf("a=%d\n", $rax) */
    GDB("qSupported:swbreak+ "
        "Z0,1000,1;cmds:0,X13,26000022002200340100"
        "07613d25645c6e0027 c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T"), 0);
    assert_int_equal(count_sent("$O613d300a#"), 1);
    assert_int_equal(count_sent("$O613d350a#"), 1);
}

/* A tracepoint: the guest goes on, and gdb can ask. The user's own breakpoint there is one besides.
 */
static void test_tracepoint(void **state)
{
    GUEST(BREAKS(breaks), STEPS(true_byte_then_back), BREAKS(breaks_with_rax_5),
          STEPS(true_byte_then_back), ENTRY(RUN_FREE, NULL, .kind = HV_EXIT_NMI),
          STEPS(true_byte_then_back), BREAKS(breaks));
    GDB("qSupported:swbreak+ QTinit QTDP:1:1000:E:0:0- QTDP:-1:1000:R1M-1,2000,2 QTStart vCont;c",
        "\3", "QTFrame:1 p0 m2000,4 QTFrame:ffffffff qTP:1:1000 Z0,1000,1 vCont;c");

    (void)state;
    *model_memory(0x2000) = 0x42;
    SESSION();
    assert_int_equal(count_sent("$F1T1#"), 1);
    assert_int_equal(count_sent("$050*"), 1); /* rax = 5 */
    assert_int_equal(count_sent("$4200#"), 1);
    assert_int_equal(count_sent("$V2:"), 1);
    assert_int_equal(count_sent("$T02"), 1);
    assert_int_equal(count_sent("$T05swbreak"), 1);
}

/* while-stepping: so many steps are collected, and then the guest runs freely. */
static void test_tracepoint_steps(void **state)
{
    GUEST(BREAKS(breaks), STEPS(nop), STEPS(nop), ENTRY(RUN_FREE, NULL, .kind = HV_EXIT_NMI));
    GDB("qSupported QTinit QTDP:1:1000:E:2:0- QTDP:-1:1000:SR1 QTStart vCont;c", "\3",
        "QTFrame:0 QTFrame:1 p10 QTFrame:2 p10 QTFrame:3");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$F2T1#"), 1);
    assert_int_equal(count_sent("$0110"), 1);
    assert_int_equal(count_sent("$0210"), 1);
    assert_int_equal(count_sent("$F-1#"), 1);
}

/* Steps that a run has not collected are none of the next run's. */
static void test_tracepoint_steps_end_with_the_run(void **state)
{
    GUEST(BREAKS(breaks), ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_NMI), STEPS(nop),
          ENTRY(RUN_FREE, NULL, .kind = HV_EXIT_NMI));
    GDB("qSupported QTinit QTDP:1:1000:E:2:0- QTDP:-1:1000:SR1 QTStart vCont;c", "\3",
        "QTStop QTStart vCont;c", "\3", "QTFrame:0");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$F-1#"), 1);
}

/* With gdb gone nothing of it is in the guest; the next one finds what was collected. */
static void test_tracepoint_of_a_gdb_that_goes(void **state)
{
    GUEST(BREAKS(breaks), STEPS(true_byte_then_back), ENTRY(RUN_FREE, NULL, .kind = HV_EXIT_NMI),
          ENTRY(RUN_FREE, nop, .kind = HV_EXIT_NMI));
    GDB("qSupported QTinit QTDP:1:1000:E:0:0- QTDP:-1:1000:R1 QTStart vCont;c", "\3", "D",
        "qSupported", "qTStatus QTFrame:0 p10");

    (void)state;
    SESSION();
    assert_int_equal(*model_memory(PC), 0x90);
    assert_int_equal(count_sent("$T0;tdisconnected:0;tframes:1;"), 1);
    assert_int_equal(count_sent("$F0T1#"), 1);
}

enum { PML4 = 0x20000, PDPT = 0x21000, TABLE = 7, GIB_PAGE = 0x87 };

static struct vcpu holder = {.number = 1};
static struct hv_backend waits_for_holder;

static void change_paging(struct hv_regs *r)
{
    r->rip++;
    model_memory_put(PDPT + 5 * 8, MODEL_HIGH_START | GIB_PAGE);
}

static void change_paging_while_held(struct hv_regs *r)
{
    change_paging(r);
    assert_true(park_claim(&holder));
}

static unsigned wait_for_holder(struct vcpu *cpu)
{
    assert_int_equal(*model_memory(MODEL_HIGH_START + 4), 0);
    vcpu_set_count(0); /* nobody to wake */
    park_release(&holder);
    vcpu_set_count(1);
    assert_ptr_equal(cpu, v);
    return 0;
}

/*
 * USER-2: five wait, one of them without a register: behind what changes a CPU's paging, a task
 * switch too, they are looked at by that paging. While another CPU holds, behind that.
 */
static void test_user2_looks(void **state)
{
    static const struct model_entry alone[] = {FREE(NULL, HV_EXIT_CR_WRITE), STEPS(change_paging),
                                               FREE(NULL, HV_EXIT_NONE)};
    static const struct model_entry held[] = {
        FREE(NULL, HV_EXIT_CR_WRITE), STEPS(change_paging_while_held), FREE(NULL, HV_EXIT_NONE)};
    static const struct model_entry task[] = {FREE(NULL, HV_EXIT_TASK_SWITCH), STEPS(change_paging),
                                              FREE(NULL, HV_EXIT_NONE)};
    static const struct model_entry *const scripts[] = {alone, held, task};
    const struct hv_backend *model = hv_backend;
    GDB("qSupported:swbreak+ Z0,140000000,1 Z0,140000001,1 Z0,140000002,1 Z0,140000003,1 "
        "Z0,140000004,1 c");

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(scripts); i++) {
        setup(NULL);
        memset(model_memory(MODEL_HIGH_START), 0, 5);
        model_memory_put(PML4, PDPT | TABLE);
        model_memory_put(PDPT, GIB_PAGE);
        model_memory_put(PDPT + 5 * 8, 0);
        vcpu_change(v, REGS_CONTROL);
        v->regs.cr0 |= CR0_PG;
        v->regs.cr4 |= CR4_PAE;
        v->regs.cr3 = PML4;
        waits_for_holder = *model;
        waits_for_holder.wait = wait_for_holder;
        hv_backend = &waits_for_holder;
        session(true, true, scripts[i], 3, gdb);
        hv_backend = model;
        assert_string_equal(why_over, "guest runs");
        assert_int_equal(model_records[0].traps & TRAP_CR3_WRITES, TRAP_CR3_WRITES);
        assert_int_equal(model_records[2].traps & TRAP_CR3_WRITES, 0);
        for (unsigned b = 0; b < 5; b++)
            assert_int_equal(*model_memory(MODEL_HIGH_START + b), 0xcc);
    }
    core_set_catch(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_range, setup),
        cmocka_unit_test_setup(test_range_breakpoint, setup),
        cmocka_unit_test_setup(test_condition, setup),
        cmocka_unit_test_setup(test_conditions_are_ored, setup),
        cmocka_unit_test_setup(test_condition_that_fails, setup),
        cmocka_unit_test_setup(test_condition_of_a_hardware_breakpoint, setup),
        cmocka_unit_test_setup(test_condition_taken_away, setup),
        cmocka_unit_test_setup(test_step_over_a_denied_breakpoint, setup),
        cmocka_unit_test_setup(test_commands, setup),
        cmocka_unit_test_setup(test_tracepoint, setup),
        cmocka_unit_test_setup(test_tracepoint_steps, setup),
        cmocka_unit_test_setup(test_tracepoint_steps_end_with_the_run, setup),
        cmocka_unit_test_setup(test_tracepoint_of_a_gdb_that_goes, setup),
        cmocka_unit_test_setup(test_user2_looks, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
