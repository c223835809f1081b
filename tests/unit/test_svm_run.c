/* svm/run.c's way into the guest and out, with a model of VMRUN. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/io_policy.h"
#include "core/policy.h"
#include "tests/unit/fake_vmrun.h"

static int setup(void **state)
{
    (void)state;
    start(ALL_FEATURES);
    return 0;
}

static uint32_t clean_at_entry(void)
{
    svm_backend.run(v, RUN_FREE, &out);
    return given.control.clean;
}

static void test_cpu_on_off(void **state)
{
    (void)state;
    assert_int_equal(efer & EFER_SVME, EFER_SVME);
    assert_int_equal(hsave % 4096, 0);
    assert_int_not_equal(hsave, 0);
    svm_backend.cpu_off(v);
    assert_int_equal(efer & EFER_SVME, 0);
    assert_int_equal(hsave, 0);
}

/* What is #UD in a guest, or cannot be shared with one, is not in its CPUID. */
static void test_hidden_cpuid(void **state)
{
    static const struct cpuid_words real = {UINT32_MAX, UINT32_MAX, 0x123, 0x456};
    struct cpuid_words w;

    (void)state;
    w = cpuid_policy(0x80000008, 0, real, 0); /* INVLPGB */
    assert_true(w.eax == real.eax && w.ebx == ~8U && w.ecx == 0x123 && w.edx == 0x456);
    w = cpuid_policy(0x8000001f, 0, real, 0); /* memory encryption */
    assert_int_equal(w.eax | w.ebx | w.ecx | w.edx, 0);
}

/* The state after reset reaches the VMCB whole, and nothing is called clean. */
static void test_first_entry(void **state)
{
    (void)state;
    assert_int_equal(clean_at_entry(), 0);
    assert_int_equal(given.save.rip, 0xfff0);
    assert_int_equal(given.save.cs.base, 0xffff0000);
    assert_int_equal(given.save.cs.selector, 0xf000);
    assert_int_equal(given.save.rflags, 2);
    assert_int_equal(given.save.cr0, CR0_CD | CR0_NW | CR0_ET);
    assert_int_equal(given.save.efer, EFER_SVME);
    assert_int_equal(given.save.dr6, DR6_RESET);
    assert_int_equal(given.save.dr7, DR7_RESET);
    assert_int_equal(given.save.pat, 0x0007040600070406);
    assert_int_equal(given.control.nested_control, 1);
    assert_int_equal(given.control.nested_cr3, stage2_root(0, STAGE2_NORMAL));
    assert_int_not_equal(given.control.asid, 0);
    assert_int_equal(given.control.iopm_base % 4096, 0);
    assert_int_equal(given.control.msrpm_base % 4096, 0);
    /* Interrupts go straight to the guest (USER-10). */
    assert_int_equal(given.control.interrupt_control, 0);
    assert_int_equal(given.control.intercept3 & SVM_INTERCEPT_INTR, 0);
}

/* Clean bits go exactly when their fields changed. */
static void test_clean_bits(void **state)
{
    static const struct {
        unsigned group;
        uint32_t stale;
    } cases[] = {{REGS_SEGMENTS, SVM_CLEAN_SEG},
                 {REGS_TABLES, SVM_CLEAN_DT},
                 {REGS_CONTROL, SVM_CLEAN_CR | SVM_CLEAN_CR2},
                 {REGS_SYSCALL, 0}};

    (void)state;
    clean_at_entry();
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    for (unsigned i = 0; i < 4; i++) {
        vcpu_change(v, cases[i].group);
        assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~cases[i].stale);
        assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    }
    v->traps = TRAP_BREAKPOINT;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~SVM_CLEAN_INTERCEPTS);
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    v->core_traps = TRAP_IRET;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~SVM_CLEAN_INTERCEPTS);
    /* GPRs, RIP, RFLAGS are in no clean bit's group. */
    v->regs.rip++;
    v->regs.gpr[GPR_RAX]++;
    v->interrupt_shadow = true;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    /* The view: ASID, nested CR3, interrupts held; and back. */
    const uint32_t view = SVM_CLEAN_ASID | SVM_CLEAN_NP | SVM_CLEAN_TPR;
    svm_backend.run(v, RUN_TO_FETCH, &out);
    assert_int_equal(given.control.clean, SVM_CLEAN_ALL & ~view);
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~view);
    /* After a reset nothing is. */
    svm_backend.reset(v);
    assert_int_equal(clean_at_entry(), 0);
}

/* What debug wants to see is trapped while it does, and not in the step that carries it out. */
static void test_seen(void **state)
{
    static const struct msr_row msrs[] = {{0xc0000082, 0xc0000082, MSR_TRAP_WRITE}};
    static const struct port_row ports[] = {{0x80, 0x81}};

    (void)state;
    clean_at_entry();
    hpa_t plain = given.control.msrpm_base, plain_io = given.control.iopm_base;
    msr_policy_watch(msrs, 1);
    io_policy_watch(ports, 1);
    svm_backend.remap();
    v->traps = TRAP_WATCHED | TRAP_CR0_WRITES | TRAP_CR4_WRITES | TRAP_SOFT_INT;
    v->exceptions = HV_BIT(VECTOR_PF);
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~(SVM_CLEAN_INTERCEPTS | SVM_CLEAN_IOPM));
    assert_int_equal(given.control.cr_writes, 0x11);
    assert_int_equal(given.control.exceptions, HV_BIT(VECTOR_PF));
    assert_true(given.control.intercept3 & SVM_INTERCEPT_INTN);
    assert_int_not_equal(given.control.msrpm_base, plain);
    const uint8_t *msrpm = (const uint8_t *)given.control.msrpm_base;
    const uint8_t *iopm = (const uint8_t *)given.control.iopm_base;
    assert_int_equal(msrpm[0x800 + 0x82 / 4], 2 << 4 | 3); /* core's own are in it too: EFER */
    assert_int_equal(iopm[0x80 / 8], 3);
    assert_int_equal(((const uint8_t *)plain_io)[0x80 / 8], 0);

    v->passing = true;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~(SVM_CLEAN_INTERCEPTS | SVM_CLEAN_IOPM));
    assert_int_equal(given.control.msrpm_base, plain);
    assert_int_equal(given.control.iopm_base, plain_io);
    assert_int_equal(given.control.cr_writes | given.control.exceptions, 0);
    v->passing = false;
    clean_at_entry();
    msr_policy_watch(NULL, 0);
    io_policy_watch(NULL, 0);
    svm_backend.remap();
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~SVM_CLEAN_IOPM);
    assert_int_equal(iopm[0x80 / 8], 0);
}

static void write_cr4_exits(struct vmcb *b)
{
    b->control.exit_code = SVM_EXIT_CR_WRITE + 4;
}

static void test_cr_write(void **state)
{
    (void)state;
    guest = write_cr4_exits;
    svm_backend.run(v, RUN_FREE, &out);
    assert_int_equal(out.kind, HV_EXIT_CR_WRITE);
    assert_int_equal(out.cr.number, 4);
}

/* A halt that was seen: HLT is the guest's, and the interrupt that ends it exits untaken. */
static void test_halt(void **state)
{
    (void)state;
    v->traps = TRAP_HLT;
    v->interrupt_shadow = true;
    clean_at_entry();
    assert_true(given.control.intercept3 & SVM_INTERCEPT_HLT);
    assert_false(given.control.intercept3 & SVM_INTERCEPT_INTR);
    cr8 = 5;
    v->interrupt_shadow = true;
    svm_backend.run(v, RUN_HALTED, &out);
    assert_false(given.control.intercept3 & SVM_INTERCEPT_HLT);
    assert_true(given.control.intercept3 & SVM_INTERCEPT_INTR);
    assert_int_equal(given.control.interrupt_shadow, 1);
    assert_int_equal(given.control.interrupt_control, 0); /* by the guest's IF */
    assert_int_equal(cr8, 5);
    assert_int_equal(out.kind, HV_EXIT_NONE);
    v->traps = 0;
    clean_at_entry();
    assert_false(given.control.intercept3 & SVM_INTERCEPT_HLT);
}

static void test_no_clean_bits(void **state)
{
    (void)state;
    start(NPT);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(clean_at_entry(), 0);
}

static void guest_changes_dr(struct vmcb *b)
{
    b->save.dr6 = DR6_RESET | DR6_B(2);
}

/* DR-4, DR-2: the DR clean bit; DR0-3 are not in the VMCB and go by hand, when they changed. */
static void test_dr4_clean_bit(void **state)
{
    (void)state;
    clean_at_entry();
    dr_writes = 0;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    assert_int_equal(dr_writes, 0);
    /* The guest itself got a new DR6: the same in VMCB and processor. */
    guest = guest_changes_dr;
    clean_at_entry();
    guest = NULL;
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_B(2));
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    assert_int_equal(given.save.dr6, DR6_RESET | DR6_B(2));
    /* We change DR7, or DR6. */
    uint64_t value = 0x401;
    assert_true(debug_regs_move(v, 7, true, &value));
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~SVM_CLEAN_DR);
    assert_int_equal(given.save.dr7, 0x401);
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    v->debug_regs.dr6 = DR6_RESET;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~SVM_CLEAN_DR);
    /* An address alone. */
    value = 0xffff888000001230;
    dr_writes = 0;
    assert_true(debug_regs_move(v, 2, true, &value));
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    assert_int_equal(dr[2], value);
    assert_int_equal(dr_writes, 4);
}

/* Where #DB exits, DR6 begins empty, and the guest's own is neither seen nor lost. */
static void test_dr6_while_trapped(void **state)
{
    (void)state;
    v->debug_regs.dr6 = DR6_RESET | DR6_BS;
    v->traps = TRAP_DEBUG;
    guest = guest_changes_dr;
    clean_at_entry();
    assert_int_equal(given.save.dr6, DR6_RESET);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
    clean_at_entry();
    assert_int_equal(given.save.dr6, DR6_RESET);
    v->traps = 0;
    guest = NULL;
    clean_at_entry();
    assert_int_equal(given.save.dr6, DR6_RESET | DR6_BS);
    svm_backend.run(v, RUN_STEP, &out);
    assert_int_equal(given.save.dr6, DR6_RESET);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
}

static void guest_sets_btf(struct vmcb *b)
{
    b->save.debug_control = DEBUGCTL_BTF;
}

/* DR-9, DR-10: DEBUGCTL is the guest's; switched with it where the processor does that. */
static void test_dr9_debugctl(void **state)
{
    (void)state;
    v->debug_regs.debugctl = DEBUGCTL_LBR;
    clean_at_entry();
    assert_int_equal(given.control.lbr_control, 0);
    assert_int_equal(given.save.debug_control, 0);
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_LBR);

    start(ALL_FEATURES | LBR);
    clean_at_entry();
    assert_int_equal(given.control.lbr_control, 1);
    assert_int_equal(given.save.debug_control, 0); /* the guest decides */
    guest = guest_sets_btf;
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    guest = NULL;
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_BTF);
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL);
    assert_int_equal(given.save.debug_control, DEBUGCTL_BTF);
    vcpu_raise_step(v); /* as the processor's own #DB does */
    assert_int_equal(clean_at_entry(), SVM_CLEAN_ALL & ~(SVM_CLEAN_LBR | SVM_CLEAN_DR));
    assert_int_equal(given.save.debug_control, 0);
}

/* HAXM-9: DR7 is only loaded for the guest where something is armed. */
static void test_haxm9_dr7(void **state)
{
    uint64_t value = 0x402;

    (void)state;
    clean_at_entry();
    assert_int_equal(given_dr7, 0);
    assert_true(debug_regs_move(v, 7, true, &value));
    clean_at_entry();
    assert_int_equal(given_dr7, 0x402);
}

/* HAXM-2, WHPX-1, BP-1: with no debugger neither #DB nor #BP exits; in a step, all do. */
static void test_whpx1_intercepts(void **state)
{
    struct vmcb_control *c = &given.control;

    (void)state;
    clean_at_entry();
    assert_int_equal(c->exceptions, 0);
    assert_int_equal(c->dr_reads, 0);
    assert_int_equal(c->dr_writes, 0xffff);
    assert_int_equal(c->cr_reads | c->cr_writes, 0);
    assert_int_equal(c->intercept3,
                     0x98400000 | SVM_INTERCEPT_NMI | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVLPGA);
    assert_int_equal(c->intercept4, 0x7f);
    v->traps = TRAP_BREAKPOINT;
    clean_at_entry();
    assert_int_equal(c->exceptions, 1 << VECTOR_BP);
    v->traps = TRAP_DEBUG | TRAP_DR_READS;
    clean_at_entry();
    assert_int_equal(c->exceptions, 1 << VECTOR_DB);
    assert_int_equal(c->dr_reads, 0xffff);
    assert_true(c->intercept4 & SVM_INTERCEPT_ICEBP);
    v->traps = 0;
    svm_backend.run(v, RUN_STEP, &out);
    assert_int_equal(c->exceptions, ~(1U << VECTOR_NMI));
    assert_true(c->intercept3 & SVM_INTERCEPT_INTN && c->intercept3 & SVM_INTERCEPT_HLT);
    assert_true(c->intercept4 & SVM_INTERCEPT_ICEBP && c->intercept4 & SVM_INTERCEPT_MWAIT);
    assert_int_equal(c->dr_reads, 0xffff);
    clean_at_entry();
    assert_int_equal(c->exceptions, 0);
    assert_int_equal(c->intercept4, 0x7f);
}

static void guest_sets_tpr(struct vmcb *b)
{
    b->control.interrupt_control = (b->control.interrupt_control & ~0xffULL) | 9;
}

/* BP-28, BP-29, WHPX-9: in a step device interrupts are held without touching the guest's IF. */
static void test_bp28_interrupts_held(void **state)
{
    (void)state;
    clean_at_entry();
    cr8 = 5;
    v->regs.rflags = 0x202;
    guest = guest_sets_tpr;
    svm_backend.run(v, RUN_STEP, &out);
    assert_int_equal(given.control.interrupt_control, SVM_V_INTR_MASKING | 5);
    assert_int_equal(given.save.rflags, 0x202);
    assert_int_equal(cr8, 9); /* the guest's TPR is the real one again */
    guest = NULL;
    clean_at_entry();
    assert_int_equal(given.control.interrupt_control, 0);
    assert_int_equal(cr8, 9);
    vcpu_change(v, REGS_CONTROL);
    assert_int_equal(v->regs.cr8, 9);
    v->regs.cr8 = 3;
    clean_at_entry();
    assert_int_equal(cr8, 3);
    /* Let in up to their handler's first instruction, by the real TPR. */
    svm_backend.run(v, RUN_TO_INTERRUPT, &out);
    assert_int_equal(given.control.interrupt_control, 0);
    assert_int_equal(given.control.nested_cr3, stage2_root(0, STAGE2_NO_EXECUTE));
    assert_int_equal(cr8, 3);
}

static unsigned tlb(enum hv_run_mode mode)
{
    svm_backend.run(v, mode, &out);
    return given.control.tlb_control;
}

static void test_flush_by_asid(void **state)
{
    (void)state;
    assert_int_equal(tlb(RUN_FREE), SVM_TLB_FLUSH_ASID);
    assert_int_equal(tlb(RUN_FREE), SVM_TLB_KEEP);
    unsigned asid = given.control.asid;
    assert_int_equal(tlb(RUN_TO_FETCH), SVM_TLB_FLUSH_ASID); /* the other view's own */
    assert_int_not_equal(given.control.asid, asid);
    assert_int_equal(given.control.nested_cr3, stage2_root(0, STAGE2_NO_EXECUTE));
    assert_int_equal(tlb(RUN_TO_FETCH), SVM_TLB_KEEP);
    svm_backend.flush(v);
    assert_int_equal(tlb(RUN_STEP), SVM_TLB_FLUSH_ASID);
    assert_int_equal(given.control.asid, asid);
    assert_int_equal(tlb(RUN_FREE), SVM_TLB_KEEP);
    assert_int_equal(tlb(RUN_TO_FETCH), SVM_TLB_FLUSH_ASID);
}

static void test_flush_all(void **state)
{
    (void)state;
    start(ALL_FEATURES & ~BY_ASID);
    assert_int_equal(tlb(RUN_FREE), SVM_TLB_FLUSH_ALL);
    assert_int_equal(tlb(RUN_TO_FETCH), SVM_TLB_KEEP);
    svm_backend.flush(v);
    assert_int_equal(tlb(RUN_TO_FETCH), SVM_TLB_FLUSH_ALL);
    assert_int_equal(tlb(RUN_FREE), SVM_TLB_KEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cpu_on_off, setup),
        cmocka_unit_test_setup(test_hidden_cpuid, setup),
        cmocka_unit_test_setup(test_first_entry, setup),
        cmocka_unit_test_setup(test_clean_bits, setup),
        cmocka_unit_test_setup(test_halt, setup),
        cmocka_unit_test_setup(test_seen, setup),
        cmocka_unit_test_setup(test_cr_write, setup),
        cmocka_unit_test_setup(test_no_clean_bits, setup),
        cmocka_unit_test_setup(test_dr4_clean_bit, setup),
        cmocka_unit_test_setup(test_dr6_while_trapped, setup),
        cmocka_unit_test_setup(test_dr9_debugctl, setup),
        cmocka_unit_test_setup(test_haxm9_dr7, setup),
        cmocka_unit_test_setup(test_whpx1_intercepts, setup),
        cmocka_unit_test_setup(test_bp28_interrupts_held, setup),
        cmocka_unit_test_setup(test_flush_by_asid, setup),
        cmocka_unit_test_setup(test_flush_all, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
