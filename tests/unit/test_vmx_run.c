/* vmx/vmx.c's way into the guest and out, with a model of VM entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/descriptors.h"
#include "tests/unit/fake_vmentry.h"

static int setup(void **state)
{
    (void)state;
    power_on();
    start();
    return 0;
}

static void test_cpu_on_off(void **state)
{
    (void)state;
    /* The VMCS in which it waits, then the guest's. */
    assert_string_equal(said, "vmxon vmclear vmptrld vmclear vmptrld ");
    assert_int_equal(reg("cr0")->value, 0x80000021);
    assert_int_equal(reg("cr4")->value, CR4_PAE | CR4_VMXE);
    assert_int_equal(reg("cr0")->writes, 1);
    assert_int_equal(vmcs[VMCS_HOST_CR0], 0x80000021);
    assert_int_equal(vmcs[VMCS_HOST_CR4], CR4_PAE | CR4_VMXE);
    assert_int_equal(vmcs[VMCS_HOST_EFER], 0x500);
    assert_int_equal(vmcs[VMCS_HOST_PAT], 0x0007040600070406);
    assert_int_equal(vmcs[VMCS_HOST_CS_SELECTOR], HOST_CS);
    assert_int_equal(vmcs[VMCS_HOST_TR_SELECTOR], 0x18);
    assert_int_equal(vmcs[VMCS_HOST_TR_BASE], HOST_TASK);
    assert_int_equal(vmcs[VMCS_HOST_GDTR_BASE], (uint64_t)host_gdt);
    assert_int_equal(vmcs[VMCS_HOST_RIP], (uint64_t)vmx_exit);
    vmx_backend.cpu_off(v);
    assert_string_equal(said, "vmxon vmclear vmptrld vmclear vmptrld vmclear vmclear vmxoff ");
    assert_int_equal(reg("cr4")->value, CR4_PAE);
}

/* IA32_FEATURE_CONTROL is enabled and locked where the firmware left it open, else not touched. */
static void test_feature_control(void **state)
{
    (void)state;
    power_on();
    *msr_value(MSR_FEATURE_CONTROL) = 0;
    start();
    assert_int_equal(*msr_value(MSR_FEATURE_CONTROL), 5);
    power_on();
    *msr_value(MSR_FEATURE_CONTROL) = 0x100005;
    start();
    assert_int_equal(*msr_value(MSR_FEATURE_CONTROL), 0x100005);
}

/* The state after reset reaches the VMCS whole; what cannot be so is owned and shadowed. */
static void test_first_entry(void **state)
{
    (void)state;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_RIP], 0xfff0);
    assert_int_equal(given[VMCS_GUEST_ES_BASE + 2 * SEG_CS], 0xffff0000);
    assert_int_equal(given[VMCS_GUEST_ES_SELECTOR + 2 * SEG_CS], 0xf000);
    assert_int_equal(given[VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS], 0x9b);
    assert_int_equal(given[VMCS_GUEST_ES_RIGHTS + 2 * SEG_TR], 0x8b);
    assert_int_equal(given[VMCS_GUEST_ES_LIMIT + 2 * SEG_SS], 0xffff);
    assert_int_equal(given[VMCS_GUEST_IDTR_LIMIT], 0xffff);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], 2);
    assert_int_equal(given[VMCS_GUEST_CR0], CR0_CD | CR0_NW | CR0_ET | CR0_NE);
    assert_int_equal(given[VMCS_CR0_SHADOW], CR0_CD | CR0_NW | CR0_ET);
    assert_int_equal(given[VMCS_CR0_MASK], CR0_NE);
    assert_int_equal(given[VMCS_GUEST_CR4], CR4_VMXE);
    assert_int_equal(given[VMCS_CR4_SHADOW], 0);
    assert_int_equal(given[VMCS_CR4_MASK], CR4_VMXE | CR4_SMXE);
    assert_int_equal(given[VMCS_GUEST_EFER], 0);
    assert_int_equal(given[VMCS_GUEST_PAT], 0x0007040600070406);
    assert_int_equal(given[VMCS_GUEST_DEBUGCTL], 0);
    assert_int_equal(given[VMCS_GUEST_DR7], DR7_RESET);
    assert_int_equal(given[VMCS_EPT_POINTER] & ~0xfffULL, stage2_root(0, STAGE2_NORMAL));
    assert_int_equal(given[VMCS_VPID], 1);
    assert_int_equal(given[VMCS_MSR_BITMAP] % 4096, 0);
    assert_int_equal(given[VMCS_IO_BITMAP_B] - given[VMCS_IO_BITMAP_A], 4096);
    assert_int_equal(out.kind, HV_EXIT_CPUID);
    assert_int_equal(out.insn_length, 2);
    assert_int_equal(v->exits[HV_EXIT_CPUID], 1);
    assert_int_equal(v->valid, 0);
    /* From then on by VMRESUME (the model looks); after VMCLEAR by VMLAUNCH again. */
    enter(RUN_FREE);
    vmx_backend.cpu_off(v);
    vmx_backend.cpu_on(v);
    enter(RUN_FREE);
    assert_int_equal(entries, 3);
}

/* HAXM-2, WHPX-1, BP-1, USER-10, HAXM-11: what exits, with and without a debugger. */
static void test_whpx1_traps(void **state)
{
    const uint64_t windows = VMX_CPU_HLT | VMX_CPU_MWAIT;

    (void)state;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 0);
    assert_int_equal(given[VMCS_PIN_CONTROLS] & VMX_PIN_EXTERNAL, 0);
    assert_int_equal(given[VMCS_CPU_CONTROLS], 0x96806172);
    assert_true(given[VMCS_EXIT_CONTROLS] & VMX_EXIT_SAVE_DEBUG);
    assert_true(given[VMCS_ENTRY_CONTROLS] & VMX_ENTRY_LOAD_DEBUG);
    v->traps = TRAP_BREAKPOINT;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 1 << VECTOR_BP);
    v->traps = TRAP_DEBUG | TRAP_DR_READS;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 1 << VECTOR_DB);
    v->traps = 0;
    enter(RUN_STEP);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], ~(1U << VECTOR_NMI));
    assert_int_equal(given[VMCS_CPU_CONTROLS] & windows, windows);
    enter(RUN_TO_FETCH);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 0);
    assert_int_equal(given[VMCS_PIN_CONTROLS] & VMX_PIN_EXTERNAL, VMX_PIN_EXTERNAL);
    enter(RUN_TO_INTERRUPT);
    assert_int_equal(given[VMCS_PIN_CONTROLS] & VMX_PIN_EXTERNAL, 0);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 0);
    assert_int_equal(given[VMCS_CPU_CONTROLS], 0x96806172);
    assert_int_equal(given[VMCS_PIN_CONTROLS] & VMX_PIN_EXTERNAL, 0);
}

static unsigned address_writes(void)
{
    return reg("dr0")->writes + reg("dr1")->writes + reg("dr2")->writes + reg("dr3")->writes;
}

/*
 * HAXM-5, HAXM-6, DR-2: DR0-3 go by hand and when they changed. HAXM-9, DR-3: DR7 goes by the VMCS
 * alone, and each exit clears it: the host has nothing armed while it writes them (the model has no
 * DR7 to touch).
 */
static void test_haxm5_addresses(void **state)
{
    uint64_t value = 0xffff888000001230, control = 0x420;

    (void)state;
    enter(RUN_FREE);
    assert_int_equal(address_writes(), 4);
    for (unsigned i = 0; i < 100; i++)
        enter(RUN_FREE);
    assert_int_equal(address_writes(), 4);
    assert_true(debug_regs_move(v, 2, true, &value));
    enter(RUN_FREE);
    assert_int_equal(address_writes(), 8);
    assert_int_equal(reg("dr2")->value, value);
    assert_int_equal(given[VMCS_GUEST_DR7], DR7_RESET);
    assert_true(debug_regs_move(v, 7, true, &control));
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_DR7], 0x420);
    enter(RUN_STEP);
    assert_int_equal(given[VMCS_GUEST_DR7], 0x420);
}

/* HAXM-8: each its own value, over many exits. */
static void test_haxm8_distinct(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t address = 0x1000 * (i + 1);
        assert_true(debug_regs_move(v, i, true, &address));
    }
    v->debug_regs.dr6 = DR6_RESET | DR6_B(1);
    for (unsigned i = 0; i < 10000; i++)
        enter(RUN_FREE);
    assert_int_equal(reg("dr0")->value, 0x1000);
    assert_int_equal(reg("dr1")->value, 0x2000);
    assert_int_equal(reg("dr2")->value, 0x3000);
    assert_int_equal(reg("dr3")->value, 0x4000);
    assert_int_equal(reg("dr6")->value, DR6_RESET | DR6_B(1));
    assert_int_equal(given[VMCS_GUEST_DR7], DR7_RESET);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_B(1));
}

static void guest_gets_db(void)
{
    reg("dr6")->value = DR6_RESET | DR6_B(2);
}

/* HAXM-6, DR-1: a #DB that the guest takes itself changes DR6, which is ours to keep for it. */
static void test_dr6_of_the_guest(void **state)
{
    (void)state;
    enter(RUN_FREE);
    unsigned writes = reg("dr6")->writes;
    guest = guest_gets_db;
    enter(RUN_FREE);
    guest = NULL;
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_B(2));
    enter(RUN_FREE);
    assert_int_equal(reg("dr6")->writes, writes); /* it is there already */
    uint64_t value = DR6_RESET;
    assert_true(debug_regs_move(v, 6, true, &value));
    enter(RUN_FREE);
    assert_int_equal(reg("dr6")->value, DR6_RESET);
    /* The host's own use of DR6 (there is none) would not reach the guest by a step, either. */
    reg("dr6")->value = 0xffff4ff0;
    enter(RUN_STEP);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET);
}

static void guest_hits(void)
{
    reg("dr6")->value = 0xffff0ff0 | DR6_B(3); /* stale: an exit does not write DR6 */
    vmcs[VMCS_EXIT_EVENT] = 0x80000301;
    ends(VMX_REASON_EVENT, DR6_BS | DR6_B(1), 0);
}

static void guest_leaves_flags(void)
{
    guest_hits();
    ends(VMX_REASON_EVENT, DR6_BD | 0x1000f, 0);
}

/*
 * HAXM-7, HAXM-23, GEN-2: all the causes of a #DB are in its qualification; the guest's DR6 keeps
 * the guest's value.
 */
static void test_haxm7_cause(void **state)
{
    (void)state;
    v->traps = TRAP_DEBUG;
    v->debug_regs.dr6 = DR6_RESET | DR6_B(0);
    guest = guest_hits;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(out.debug.dr6, DR6_BS | DR6_B(1));
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_B(0));
    guest = guest_leaves_flags;
    enter(RUN_STEP);
    assert_int_equal(out.debug.dr6, DR6_RTM | DR6_BD | 0xf);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_B(0));
}

/* GEN-1: the #DB that the guest is owed finds its cause in DR6: injection does not put it there. */
static void test_gen1_cause_first(void **state)
{
    (void)state;
    enter(RUN_FREE);
    vcpu_raise_step(v);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000301);
    assert_int_equal(reg("dr6")->value, DR6_RESET | DR6_BS);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
}

static void leave_in_shadow(void)
{
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKED_STI;
    vmcs[VMCS_GUEST_RIP] = 0x7001;
    vmcs[VMCS_GUEST_RSP] = 0x8000;
    vmcs[VMCS_GUEST_RFLAGS] = 0x246;
}

static void leave_behind_mov_ss(void)
{
    leave_in_shadow();
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKED_MOV_SS;
    vmcs[VMCS_GUEST_PENDING_DEBUG] = 0x1001;
}

/* HAXM-20, HAXM-23: a shadow goes in as it came out, with what is pending behind a MOV SS. */
static void test_haxm20_shadow_kept(void **state)
{
    (void)state;
    guest = leave_in_shadow;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
    assert_true(v->interrupt_shadow);
    assert_int_equal(v->regs.rip, 0x7001);
    assert_int_equal(v->regs.gpr[GPR_RSP], 0x8000);
    assert_int_equal(v->regs.rflags, 0x246);
    guest = leave_behind_mov_ss;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_STI);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    v->regs.rflags |= RFLAGS_TF;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_MOV_SS);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], VMX_PENDING_BS | 0x1001);
    v->interrupt_shadow = false; /* core skipped the instruction */
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    v->regs.rflags = 0; /* bit 1 is always set for an entry */
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], RFLAGS_ONE);
}

static void page_fault_of_stage2(void)
{
    ends(VMX_REASON_EPT_VIOLATION, VMX_EPT_WRITE, 3);
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKED_MOV_SS;
    vmcs[VMCS_GUEST_PENDING_DEBUG] = VMX_PENDING_BS; /* Bochs 2.7 leaves it */
    vmcs[VMCS_GUEST_PHYSICAL_ADDRESS] = 0xfec00000;
}

/*
 * BP-28, BP-29, WHPX-9, HAXM-18, HAXM-20: a step holds device interrupts without touching IF, and
 * has its trap pending at every entry; none of that is left when it is over.
 */
static void test_bp28_step(void **state)
{
    (void)state;
    enter(RUN_FREE);
    v->regs.rflags = 0x302;
    guest = page_fault_of_stage2;
    for (unsigned i = 0; i < 3; i++) {
        enter(RUN_STEP);
        assert_int_equal(out.kind, HV_EXIT_STAGE2);
        assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_MOV_SS);
        assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], VMX_PENDING_BS);
        assert_int_equal(given[VMCS_GUEST_RFLAGS], 0x302);
        assert_false(v->interrupt_shadow); /* ours, not the guest's */
    }
    guest = guest_hits;
    enter(RUN_STEP);
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], VMX_PENDING_BS);
    guest = NULL;
    v->regs.rflags = 0x202;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], 0x202);
}

static void guest_sets_btf(void)
{
    vmcs[VMCS_GUEST_DEBUGCTL] = DEBUGCTL_BTF;
}

/* DR-9: with DEBUGCTL.BTF, TF is no single-step trap, and BS must not be pending (the model looks).
 */
static void test_dr9_branch_trap(void **state)
{
    (void)state;
    guest = guest_sets_btf;
    enter(RUN_FREE);
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_BTF);
    guest = NULL;
    v->regs.rflags = 0x302;
    v->interrupt_shadow = true;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_int_equal(given[VMCS_GUEST_DEBUGCTL], DEBUGCTL_BTF); /* the guest's, kept */
    vcpu_raise_step(v);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_DEBUGCTL], 0); /* ends with #DB */
}

static void behind_sti(void)
{
    guest_hits();
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKED_STI;
}

/* A stepped STI's shadow is the guest's: it is there behind the step. */
static void test_shadow_of_the_stepped(void **state)
{
    (void)state;
    v->regs.rflags = 0x302;
    guest = behind_sti;
    enter(RUN_STEP);
    assert_true(v->interrupt_shadow);
    guest = guest_hits;
    enter(RUN_STEP);
    assert_false(v->interrupt_shadow);
}

static void code(const char *bytes, size_t size)
{
    memcpy(model_memory(0x1000), bytes, size);
    v->regs.seg[SEG_CS].base = 0;
    v->regs.rip = 0x1000;
}

/* BP-31, WHPX-4: INT n in a step does not run under TF at all; INT3 does, and exits. */
static void test_bp31_int_n(void **state)
{
    (void)state;
    code("\xcd\x80", 2);
    enter(RUN_STEP);
    assert_int_equal(entries, 0);
    assert_int_equal(out.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(out.soft_int.vector, 0x80);
    assert_int_equal(out.insn_length, 2);
    assert_int_equal(v->exits[HV_EXIT_SOFT_INT], 1);
    code("\xf2\xcd\x03", 3);
    enter(RUN_STEP);
    assert_int_equal(out.soft_int.vector, 3);
    assert_int_equal(out.insn_length, 3);
    enter(RUN_FREE); /* the processor's business */
    assert_int_equal(entries, 1);
    code("\xcc", 1);
    enter(RUN_STEP);
    code("\x0f\xcd", 2); /* BSWAP */
    enter(RUN_STEP);
    assert_int_equal(entries, 3);
}

/* Translations are forgotten when they are old, and only then. */
static void test_flush(void **state)
{
    (void)state;
    enter(RUN_FREE);
    assert_int_equal(invepts, 1);
    assert_int_equal(invept_type, 2);
    enter(RUN_STEP);
    enter(RUN_TO_INTERRUPT);
    assert_int_equal(given[VMCS_EPT_POINTER] & ~0xfffULL, stage2_root(0, STAGE2_NO_EXECUTE));
    enter(RUN_TO_FETCH); /* another root, another tag */
    assert_int_equal(given[VMCS_EPT_POINTER] & ~0xfffULL, stage2_root(0, STAGE2_NO_EXECUTE));
    assert_int_equal(invepts, 1);
    vmx_backend.flush(v);
    enter(RUN_FREE);
    assert_int_equal(invepts, 2);
    vcpu_change(v, REGS_SEGMENTS);
    enter(RUN_FREE);
    assert_int_equal(invepts, 2);
    vcpu_change(v, REGS_CONTROL);
    enter(RUN_FREE);
    assert_int_equal(invepts, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cpu_on_off, setup),
        cmocka_unit_test_setup(test_feature_control, setup),
        cmocka_unit_test_setup(test_first_entry, setup),
        cmocka_unit_test_setup(test_whpx1_traps, setup),
        cmocka_unit_test_setup(test_haxm5_addresses, setup),
        cmocka_unit_test_setup(test_haxm8_distinct, setup),
        cmocka_unit_test_setup(test_dr6_of_the_guest, setup),
        cmocka_unit_test_setup(test_haxm7_cause, setup),
        cmocka_unit_test_setup(test_gen1_cause_first, setup),
        cmocka_unit_test_setup(test_haxm20_shadow_kept, setup),
        cmocka_unit_test_setup(test_bp28_step, setup),
        cmocka_unit_test_setup(test_dr9_branch_trap, setup),
        cmocka_unit_test_setup(test_shadow_of_the_stepped, setup),
        cmocka_unit_test_setup(test_bp31_int_n, setup),
        cmocka_unit_test_setup(test_flush, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
