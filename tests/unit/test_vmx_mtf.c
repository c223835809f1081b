/* Steps by the monitor trap flag: whether it is taken, and what it gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/step.h"
#include "tests/unit/fake_vmentry.h"
#include "vmx/mtf.h"

enum { CODE = 0x1000 };

static uint64_t trial_cpu, trial_cpu2;
static unsigned trials;

static void keep_trial(void)
{
    trials++;
    trial_cpu = given[VMCS_CPU_CONTROLS];
    trial_cpu2 = given[VMCS_CPU_CONTROLS2];
    assert_int_equal(given[VMCS_GUEST_RIP], (uint64_t)vmx_trial);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], RFLAGS_ONE);
    assert_int_equal(given[VMCS_GUEST_CR3], 0x7000);
    assert_int_equal(given[VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS], 0xa09b);
    assert_int_equal(given[VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS], 0xc093);
    assert_int_equal(given[VMCS_GUEST_ES_RIGHTS + 2 * SEG_TR], 0x8b);
    assert_int_equal(given[VMCS_GUEST_ES_BASE + 2 * SEG_TR], HOST_TASK);
}

/* One instruction is done, and the monitor trap flag fires. */
static void fires(void)
{
    vmcs[VMCS_GUEST_RIP]++;
    ends(VMX_REASON_MTF, 0, 0);
}

static void trial_fires(void)
{
    keep_trial();
    fires();
}

static void trial_runs_on(void)
{
    keep_trial();
    vmcs[VMCS_GUEST_RIP]++;
    ends(VMX_REASON_VMCALL, 0, 3);
}

static void trial_fires_too_late(void)
{
    keep_trial();
    vmcs[VMCS_GUEST_RIP] += 4;
    ends(VMX_REASON_MTF, 0, 0);
}

static void trial_refused(void)
{
    keep_trial();
    ends(VMX_REASON_NO_ENTRY | VMX_REASON_BAD_STATE, 0, 0);
}

static void trial_after_nmi(void)
{
    if (trials == 2) {
        trial_fires();
        return;
    }
    keep_trial();
    ends(VMX_REASON_EVENT, 0, 0);
    vmcs[VMCS_EXIT_EVENT] = VMX_EVENT_VALID | VMX_EVENT_NMI << 8 | VECTOR_NMI;
}

static void trial_only_nmis(void)
{
    keep_trial();
    ends(VMX_REASON_EVENT, 0, 0);
    vmcs[VMCS_EXIT_EVENT] = VMX_EVENT_VALID | VMX_EVENT_NMI << 8 | VECTOR_NMI;
}

/* A processor that offers the flag (or not), and what the trial does. The guest: flat 64-bit. */
static void begin(bool offered, void (*trial)(void))
{
    trials = 0;
    power_on();
    reg("cr3")->value = 0x7000;
    reg("cr4")->value = CR4_PAE;
    if (offered)
        *msr_value(MSR_VMX_TRUE_CPU) |= (uint64_t)VMX_CPU_MTF << 32;
    guest = trial;
    start();
    guest = NULL;
    vcpu_change(v, REGS_SEGMENTS);
    v->regs.seg[SEG_CS].base = 0;
    v->regs.rip = CODE;
}

static void step(void)
{
    vmx_backend.step(v, &out);
}

/* Bochs's "dead" models: the capability bit is there and nothing comes of it (BP-27). */
static void test_bp27_taken_only_when_it_fires(void **state)
{
    static const struct {
        bool offered, works;
        void (*trial)(void);
        unsigned trials;
    } cases[] = {{false, false, NULL, 0},          {true, true, trial_fires, 1},
                 {true, false, trial_runs_on, 1},  {true, false, trial_fires_too_late, 1},
                 {true, false, trial_refused, 1},  {true, true, trial_after_nmi, 3},
                 {true, false, trial_only_nmis, 8}};

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        begin(cases[i].offered, cases[i].trial);
        assert_int_equal(trials, cases[i].trials);
        if (trials) {
            assert_true(trial_cpu & VMX_CPU_MTF);
            assert_int_equal(trial_cpu2 & (VMX_CPU2_EPT | VMX_CPU2_UNRESTRICTED | VMX_CPU2_VPID),
                             0);
        }
        guest = fires;
        step();
        assert_int_equal((given[VMCS_CPU_CONTROLS] & VMX_CPU_MTF) != 0, cases[i].works);
        assert_int_equal((given[VMCS_GUEST_RFLAGS] & RFLAGS_TF) != 0, !cases[i].works);
        assert_true(given[VMCS_CPU_CONTROLS2] & VMX_CPU2_EPT);
    }
}

/* VMLAUNCH itself fails: no reason to give up, steps go by TF. */
static void test_failing_launch(void **state)
{
    (void)state;
    trials = 0;
    power_on();
    reg("cr4")->value = CR4_PAE;
    *msr_value(MSR_VMX_TRUE_CPU) |= (uint64_t)VMX_CPU_MTF << 32;
    entry_error = 7;
    start();
    entry_error = 0;
    v->regs.rip = CODE;
    step();
    assert_true(given[VMCS_GUEST_RFLAGS] & RFLAGS_TF);
}

/* The guest's flags and the exception bitmap stay as they are; interrupts are held; HLT exits. */
static void test_step(void **state)
{
    (void)state;
    begin(true, trial_fires);
    v->regs.rflags = RFLAGS_ONE | RFLAGS_IF;
    guest = fires;
    step();
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(out.debug.dr6, 0);
    assert_int_equal(v->regs.rip, CODE + 1);
    assert_int_equal(v->regs.rflags, RFLAGS_ONE | RFLAGS_IF);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], RFLAGS_ONE | RFLAGS_IF);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 0);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_MOV_SS);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_int_equal(given[VMCS_CPU_CONTROLS] & (VMX_CPU_HLT | VMX_CPU_MWAIT),
                     VMX_CPU_HLT | VMX_CPU_MWAIT);
    guest = NULL;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_CPU_CONTROLS] & (VMX_CPU_MTF | VMX_CPU_HLT | VMX_CPU_MWAIT), 0);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
}

static uint64_t pending;
static uint32_t blocked;

static void fires_with_pending(void)
{
    fires();
    vmcs[VMCS_GUEST_PENDING_DEBUG] = pending;
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] = blocked;
}

/* GEN-7: debug traps are pending behind the instruction: watchpoints are told, the guest's TF is
 * raised.
 */
static void test_pending_traps(void **state)
{
    (void)state;
    begin(true, trial_fires);
    v->regs.rflags = RFLAGS_ONE | RFLAGS_TF;
    v->live_dr7 = DR7_RESET | DR7_G(1);
    pending = DR6_B(1) | DR6_B(2) | 1 << 12 | VMX_PENDING_BLD | VMX_PENDING_BS;
    blocked = 0;
    guest = fires_with_pending;
    step();
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], VMX_PENDING_BS); /* HAXM-20 */
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(out.debug.dr6, DR6_B(1) | DR6_BLD); /* 2 is not armed */
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_true(v->debug_regs.dr6 & DR6_BS);
    guest = NULL;
    enter(RUN_FREE); /* and it goes in once, by injection */
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_int_equal(given[VMCS_ENTRY_EVENT] & 0xff, VECTOR_DB);
}

/* Behind MOV SS they stay pending, for the instruction behind it. */
static void test_pending_behind_mov_ss(void **state)
{
    (void)state;
    begin(true, trial_fires);
    v->live_dr7 = DR7_RESET | DR7_G(0);
    pending = DR6_B(0) | 1 << 12;
    blocked = VMX_BLOCKED_MOV_SS;
    guest = fires_with_pending;
    step();
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(out.debug.dr6, 0);
    assert_true(v->interrupt_shadow);
    guest = NULL;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_MOV_SS);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], DR6_B(0) | 1 << 12);
}

static void cpuid_exits(void)
{
    ends(VMX_REASON_CPUID, 0, 2);
}

static void touches_a_hole(void)
{
    ends(VMX_REASON_EPT_VIOLATION, VMX_EPT_WRITE, 0);
    vmcs[VMCS_GUEST_PHYSICAL_ADDRESS] = 0x5000;
}

/* GEN-7: what exits by itself is not a step of the backend's; the entry's shadow was ours. */
static void test_other_exits(void **state)
{
    (void)state;
    begin(true, trial_fires);
    guest = cpuid_exits;
    step();
    assert_int_equal(out.kind, HV_EXIT_CPUID);
    assert_int_equal(v->regs.rip, CODE);
    guest = touches_a_hole;
    step();
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    assert_false(v->interrupt_shadow);
    guest = cpuid_exits;
    core_step(v, &out);
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(v->regs.rip, CODE + 2);
}

/* GEN-7: INT n needs no help: the processor delivers it and stops in front of the handler. */
static void test_int_n_runs(void **state)
{
    (void)state;
    begin(true, trial_fires);
    model_memory_put(CODE, 0x80cd);
    entries = 0;
    guest = fires;
    step();
    assert_int_equal(entries, 1);
    assert_int_equal(out.kind, HV_EXIT_STEP);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(vmx_mtf_text(VMX_MTF_WORKS), "monitor trap flag");
    assert_non_null(strstr(vmx_mtf_text(VMX_MTF_NONE), "has no monitor trap flag"));
    assert_non_null(strstr(vmx_mtf_text(VMX_MTF_DEAD), "does not fire"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bp27_taken_only_when_it_fires),
        cmocka_unit_test(test_failing_launch),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_pending_traps),
        cmocka_unit_test(test_pending_behind_mov_ss),
        cmocka_unit_test(test_other_exits),
        cmocka_unit_test(test_int_n_runs),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
