/*
 * core/step.c on a backend that follows a script: one instruction, by TF, and the guest never sees
 * it (BP-28..31, WHPX-4..11, HAXM-18, HAXM-20, GEN-1, GEN-3, GEN-4).
 */
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/step_script.h"

/* HAXM-18, WHPX-11, GEN-4 */
static void test_gen4_plain(void **state)
{
    (void)state;
    code("\x90", 1);
    STEP(DONE(nop));
    assert_int_equal(model_records[0].rflags, 0x302);
    check_done(0x1001, 0x202);
    assert_int_equal(out.debug.dr6, 0);
    assert_int_equal(v->event.type, HV_EVENT_NONE); /* WHPX-10 */
    assert_int_equal(v->debug_regs.dr6, DR6_RESET);
}

/* GEN-1, WHPX-8: who single-steps itself gets its #DB, with DR6.BS. */
static void test_gen1_guest_tf(void **state)
{
    (void)state;
    code("\x90", 1);
    v->regs.rflags |= RFLAGS_TF;
    STEP(DONE(nop));
    check_done(0x1001, 0x302);
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
    /* The next step delivers it and is at the handler. */
    STEP(DELIVERED(enter_handler));
    assert_int_equal(model_records[1].event.vector, VECTOR_DB);
    check_done(0x2000, 0x202);
}

/* BP-31, WHPX-4: the image has the guest's own TF, in each width. */
static void test_bp31_pushf(void **state)
{
    (void)state;
    code("\x9c", 1);
    STEP(DONE(pushf));
    check_done(0x1001, 0x202);
    assert_int_equal(model_memory(0x7ff8)[1], 0x02);
    setup(NULL);
    code("\x9c", 1);
    v->regs.rflags |= RFLAGS_TF;
    STEP(DONE(pushf));
    check_done(0x1001, 0x302);
    assert_int_equal(model_memory(0x7ff8)[1], 0x03);

    /* 16-bit code, and a stack with a base and a 16-bit pointer. */
    setup(NULL);
    model_code_bits(v, 16);
    code("\x9c", 1);
    vcpu_change(v, REGS_SEGMENTS);
    v->regs.seg[SEG_SS].base = 0x30000;
    v->regs.seg[SEG_SS].attributes = 0x93;
    v->regs.gpr[GPR_RSP] = 0x12340100;
    memcpy(model_memory(0x30100), "\x02\x03\x55\x55", 4);
    STEP(DONE(nop));
    assert_memory_equal(model_memory(0x30100), "\x02\x02\x55\x55", 4);
    /* A 32-bit stack. */
    setup(NULL);
    model_code_bits(v, 32);
    code("\x9c", 1);
    memcpy(model_memory(0x8000), "\x02\x03\x00\x01\x55\x03", 6);
    STEP(DONE(nop));
    assert_memory_equal(model_memory(0x8000), "\x02\x02\x00\x01\x55\x03", 6);
}

/* WHPX-5: what is loaded is the guest's; the step is over after one instruction either way. */
static void test_whpx5_popf(void **state)
{
    (void)state;
    code("\x9d", 1);
    STEP(DONE(popf_0x202));
    check_done(0x1001, 0x202);
    setup(NULL);
    code("\x9d", 1);
    STEP(DONE(popf_tf));
    check_done(0x1001, 0x302);
    assert_int_equal(v->event.type, HV_EVENT_NONE); /* its trap comes an instruction later */
    setup(NULL);
    code("\x48\xcf", 2);
    v->regs.rflags |= RFLAGS_TF;
    STEP(DONE(popf_0x202));
    check_done(0x1001, 0x202);
    assert_int_equal(v->event.vector, VECTOR_DB); /* it was on before: a trap behind IRET */
}

static void syscall(struct hv_regs *r)
{
    r->gpr[GPR_RCX] = 0x1002;
    r->gpr[GPR_R11] = r->rflags;
    r->rip = 0xfff8000;
    r->rflags &= ~(RFLAGS_TF | RFLAGS_IF);
}

/* SYSCALL puts RFLAGS into R11 and takes TF out: a debug register at the target ends the step. */
static void test_syscall(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_WRITE, 1, 0x9999};

    (void)state;
    code("\x0f\x05", 2);
    vcpu_change(v, REGS_SYSCALL);
    v->regs.lstar = 0xfff8000;
    v->regs.cstar = 0x111;
    for (unsigned i = 0; i < 4; i++)
        debug_regs_set_user(i, &watch);
    debug_regs_update(v);
    uint64_t dr7 = v->live_dr7;
    STEP({RUN_STEP, syscall, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3) | DR6_B(0)}}});
    assert_int_equal(model_records[0].live_dr[3], 0xfff8000);
    assert_int_equal(model_records[0].live_dr7, (dr7 & ~0xf0000000) | DR7_G(3));
    check_done(0xfff8000, 0x002);
    assert_int_equal(v->regs.gpr[GPR_R11], 0x202);
    assert_int_equal(out.debug.dr6, 1); /* the lent register's hit is nobody's */
    /* And it is given back. */
    assert_int_equal(v->live_dr[3], 0x9999);
    assert_int_equal(v->live_dr7, dr7);
    assert_true(v->dr_dirty);

    setup(NULL);
    code("\x0f\x05", 2);
    v->regs.rflags |= RFLAGS_TF;
    STEP(DONE(syscall));
    assert_int_equal(v->regs.gpr[GPR_R11], 0x302);
    assert_int_equal(v->event.type, HV_EVENT_NONE); /* SFMASK has taken it out: no trap */
}

static void test_syscall_targets(void **state)
{
    (void)state;
    code("\x0f\x05", 2);
    vcpu_change(v, REGS_SYSCALL);
    v->regs.cstar = 0xc000;
    v->regs.star = 0x0023001000005000;
    v->regs.seg[SEG_CS].attributes = 0xc9b; /* compatibility mode */
    v->changed |= REGS_SEGMENTS;
    STEP(DONE(syscall));
    assert_int_equal(model_records[0].live_dr[3], 0xc000);
    vcpu_change(v, REGS_ALL);
    v->regs.efer = 0; /* legacy: EIP from STAR, R11 and TF stay */
    v->regs.rip = 0x1000;
    v->regs.gpr[GPR_R11] = 0xabcd0100;
    STEP(DONE(nop));
    assert_int_equal(model_records[1].live_dr[3], 0x5000);
    assert_int_equal(v->regs.gpr[GPR_R11], 0xabcd0100);
}

static void sysret(struct hv_regs *r)
{
    r->rip = 0x7f0012345678;
    r->rflags = 0x246;
}

/* SYSRET's trap is decided by the TF it loads from R11: the guard is on where RCX says. */
static void test_sysret(void **state)
{
    (void)state;
    code("\x48\x0f\x07", 3);
    v->regs.gpr[GPR_RCX] = 0x7f0012345678;
    STEP({RUN_STEP, sysret, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3)}}});
    assert_int_equal(model_records[0].live_dr[3], 0x7f0012345678);
    check_done(0x7f0012345678, 0x246);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    setup(NULL);
    code("\x0f\x07", 2);
    v->regs.gpr[GPR_RCX] = 0x7f0012345678;
    STEP(DONE(sysret));
    assert_int_equal(model_records[0].live_dr[3], 0x12345678);
}

/* A watchpoint that the stepped instruction hit besides. */
static void test_watch_in_a_step(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_WRITE, 1, 0x9999};

    (void)state;
    code("\x90", 1);
    debug_regs_set_user(0, &watch);
    debug_regs_set_user(1, &watch);
    debug_regs_update(v);
    STEP({RUN_STEP,
          nop,
          {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS | DR6_BLD | DR6_B(1) | DR6_B(2)}}});
    check_done(0x1001, 0x202);
    /* 2 is not armed, whatever the processor says; the bus lock besides is the guest's. */
    assert_int_equal(out.debug.dr6, DR6_B(1) | DR6_BLD);
    /* No BS: a breakpoint in front of the instruction. It has not run. */
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(2)}}});
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(out.debug.dr6, DR6_B(2));
    assert_int_equal(v->regs.rflags, 0x202);
}

/* WHPX-6, WHPX-7, BP-30: a fault ends in front of its handler, its frame without our TF. */
static void test_whpx6_fault(void **state)
{
    (void)state;
    code("\x8b\x00", 2);
    STEP(
        {RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_PF, true, 4, 0xdead000}}},
        DELIVERED(enter_handler));
    assert_int_equal(model_records[1].event.vector, VECTOR_PF);
    assert_int_equal(model_records[1].event.error, 4);
    assert_int_equal(model_records[1].rflags, 0x10202); /* RF, as a fault's frame has it */
    assert_int_equal(model_memory(0x7ff8)[1], 0x02);
    check_done(0x2000, 0x202);
    vcpu_need(v, REGS_CONTROL);
    assert_int_equal(v->regs.cr2, 0xdead000);

    /* The guest's own TF is in the frame, and no #DB of it comes: the handler runs without. */
    setup(NULL);
    v->regs.rflags |= RFLAGS_TF;
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_DE, false, 0, 0}}},
         DELIVERED(enter_handler));
    assert_int_equal(model_records[1].rflags, 0x10302);
    check_done(0x2000, 0x202);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
}

/* A delivery that faults in turn (#PF on the stack, then #DF) is followed to the last handler. */
static void test_fault_in_delivery(void **state)
{
    (void)state;
    code("\xcd\x80", 2);
    v->regs.rflags |= RFLAGS_RF; /* a fault's handler has returned to it: not in its frame */
    STEP(
        {RUN_STEP, NULL, {.kind = HV_EXIT_SOFT_INT, .soft_int = {0x80}}},
        {RUN_TO_FETCH, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_GP, true, 0x402, 0}}},
        DELIVERED(enter_handler));
    assert_int_equal(model_records[1].event.type, HV_EVENT_SOFT);
    assert_int_equal(model_records[1].event.vector, 0x80);
    assert_int_equal(model_records[1].event.insn_length, 2);
    assert_int_equal(model_records[1].rip, 0x1000);
    assert_int_equal(model_records[1].rflags, 0x202);
    assert_int_equal(model_records[2].event.vector, VECTOR_GP);
    check_done(0x2000, 0x202);
    /* And one that ends in a triple fault. */
    setup(NULL);
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_DE, false, 0, 0}}},
         {RUN_TO_FETCH, NULL, {.kind = HV_EXIT_SHUTDOWN}});
    assert_int_equal(out.kind, HV_EXIT_SHUTDOWN);
    assert_int_equal(v->regs.rip, 0x1000);
}

/* An instruction that exits and is carried out is the step. */
static void test_instruction_exit(void **state)
{
    (void)state;
    code("\x0f\xa2", 2);
    STEP(ENDS(HV_EXIT_CPUID, NULL));
    check_done(0x1002, 0x202);
    assert_int_equal(out.debug.dr6, 0);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    code("\xf4", 1);
    STEP(ENDS(HV_EXIT_HLT, NULL));
    check_done(0x1003, 0x202);
    /* Its own TF traps behind it. */
    v->regs.rflags |= RFLAGS_TF;
    code("\xf4", 1);
    STEP(ENDS(HV_EXIT_HLT, NULL));
    check_done(0x1004, 0x302);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_int_equal(v->debug_regs.dr6 & DR6_BS, DR6_BS);
}

/* What comes in between is handed up, with nothing of ours in RFLAGS. */
static void test_bp30_not_done(void **state)
{
    static const enum hv_exit_kind kinds[] = {HV_EXIT_NMI, HV_EXIT_BREAKPOINT, HV_EXIT_ICEBP,
                                              HV_EXIT_SHUTDOWN, HV_EXIT_UNKNOWN};

    (void)state;
    for (unsigned i = 0; i < 2 * HV_ARRAY_SIZE(kinds); i++) {
        struct model_entry script = ENDS(kinds[i / 2], NULL);
        uint64_t own = i % 2 ? RFLAGS_TF : 0;

        setup(NULL);
        v->regs.rflags |= own;
        code("\x90", 1);
        model_script(&script, 1);
        core_step(v, &out);
        assert_int_equal(out.kind, kinds[i / 2]);
        assert_int_equal(v->regs.rip, 0x1000);
        assert_int_equal(v->regs.rflags, 0x202 | own);
        assert_int_equal(v->event.type, HV_EVENT_NONE);
    }
}

/* BP-28: an interrupt that the host took is no step: the instruction is tried again. */
static void test_bp28_retried(void **state)
{
    (void)state;
    code("\x9c", 1);
    STEP(ENDS(HV_EXIT_NONE, NULL), ENDS(HV_EXIT_NONE, NULL), DONE(pushf));
    check_done(0x1001, 0x202);
    assert_int_equal(model_records[2].rflags, 0x302);
    assert_int_equal(model_memory(0x7ff8)[1], 0x02);
}

/* IRET of the guest's NMI handler, stepped: it exits once, then it is done. */
static void test_iret_window(void **state)
{
    (void)state;
    code("\x48\xcf", 2);
    v->nmi_blocked = true;
    v->core_traps = TRAP_IRET;
    STEP(ENDS(HV_EXIT_IRET, NULL), DONE(popf_0x202));
    assert_int_equal(model_records[0].traps, TRAP_IRET);
    assert_int_equal(model_records[1].traps, 0);
    assert_false(v->nmi_blocked);
    check_done(0x1001, 0x202);
}

/* Code that cannot be read is stepped all the same: its fetch faults. */
static void test_unmapped_code(void **state)
{
    (void)state;
    v->regs.rip = MODEL_MEMORY_SIZE;
    STEP({RUN_STEP,
          NULL,
          {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_PF, true, 0x10, MODEL_MEMORY_SIZE}}},
         DELIVERED(enter_handler));
    check_done(0x2000, 0x202);
}

static void timer(struct hv_regs *r)
{
    r->gpr[GPR_RSP] -= 24;
    r->rip = 0x3000;
    r->rflags &= ~RFLAGS_IF;
}

#define STEP_OPEN(...) SCRIPT(core_step_interruptible(v, &out), __VA_ARGS__)

/* Device interrupts let in: one that is due is the step, else the instruction is. */
static void test_interruptible(void **state)
{
    (void)state;
    code("\x90", 1);
    STEP_OPEN(WAITED(timer));
    check_done(0x3000, 0x002);
    assert_int_equal(model_records[0].rflags, 0x202); /* no TF of ours in the frame */
    setup(NULL);
    code("\x90", 1);
    STEP_OPEN(WAITED(NULL), DONE(nop));
    check_done(0x1001, 0x202);
    /* IF is off, or a shadow holds: none can be due. */
    setup(NULL);
    code("\x90\x90", 2);
    v->regs.rflags = RFLAGS_ONE;
    STEP_OPEN(DONE(nop));
    v->regs.rflags = RFLAGS_ONE | RFLAGS_IF;
    v->interrupt_shadow = true;
    STEP_OPEN(DONE(nop));
    check_done(0x1002, 0x202);
    /* What comes in between is told; what is pending already goes first. */
    STEP_OPEN({RUN_TO_INTERRUPT, NULL, {.kind = HV_EXIT_NMI}});
    assert_int_equal(out.kind, HV_EXIT_NMI);
    vcpu_raise(v, VECTOR_DB);
    STEP_OPEN(DELIVERED(enter_handler));
    check_done(0x2000, 0x202);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_gen4_plain, setup),
        cmocka_unit_test_setup(test_gen1_guest_tf, setup),
        cmocka_unit_test_setup(test_bp31_pushf, setup),
        cmocka_unit_test_setup(test_whpx5_popf, setup),
        cmocka_unit_test_setup(test_syscall, setup),
        cmocka_unit_test_setup(test_syscall_targets, setup),
        cmocka_unit_test_setup(test_sysret, setup),
        cmocka_unit_test_setup(test_watch_in_a_step, setup),
        cmocka_unit_test_setup(test_whpx6_fault, setup),
        cmocka_unit_test_setup(test_fault_in_delivery, setup),
        cmocka_unit_test_setup(test_instruction_exit, setup),
        cmocka_unit_test_setup(test_bp30_not_done, setup),
        cmocka_unit_test_setup(test_bp28_retried, setup),
        cmocka_unit_test_setup(test_iret_window, setup),
        cmocka_unit_test_setup(test_interruptible, setup),
        cmocka_unit_test_setup(test_unmapped_code, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
