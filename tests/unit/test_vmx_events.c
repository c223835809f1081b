/* vmx/run.c: events on their way in and out, NMIs, steps, refused entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/run.h"
#include "core/step.h"
#include "hv/compiler.h"
#include "tests/unit/fake_vmentry.h"

enum { RIP = 0x1000 };

/* How the guest ends. */
static uint32_t exit_reason, exit_event, vectoring, vectoring_error, insn_length, blocked;
static uint64_t qualification;

static void end(void)
{
    ends(exit_reason, qualification, insn_length);
    vmcs[VMCS_EXIT_EVENT] = exit_event;
    vmcs[VMCS_VECTORING_EVENT] = vectoring;
    vmcs[VMCS_VECTORING_ERROR] = vectoring_error;
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] |= blocked;
}

static int setup(void **state)
{
    (void)state;
    power_on();
    start();
    guest = end;
    exit_reason = VMX_REASON_CPUID;
    exit_event = vectoring = vectoring_error = blocked = 0;
    insn_length = 2;
    qualification = 0;
    v->regs.rip = RIP;
    v->regs.rflags = 0x202;
    v->regs.cr0 |= CR0_PE;
    v->regs.seg[SEG_CS].base = 0;
    return 0;
}

static void soft(uint8_t vector, uint8_t length)
{
    v->event = (struct hv_event){.type = HV_EVENT_SOFT, .vector = vector, .insn_length = length};
}

static void test_exception(void **state)
{
    (void)state;
    vcpu_raise_error(v, VECTOR_GP, 0x18);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000b0d);
    assert_int_equal(given[VMCS_ENTRY_EVENT_ERROR], 0x18);
    assert_int_equal(given[VMCS_GUEST_RIP], RIP);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    enter(RUN_FREE); /* once */
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0);
    v->regs.cr0 &= ~CR0_PE;
    v->changed = REGS_CONTROL;
    v->valid = REGS_CONTROL;
    vcpu_raise_error(v, VECTOR_GP, 0x18);
    enter(RUN_FREE); /* real mode has no error codes */
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x8000030d);
}

/* BP-3, BP-5: INT3, INTO and INT1 by their own types with their length, INT n by its. */
static void test_bp3_soft(void **state)
{
    static const struct {
        uint8_t vector, length;
        uint32_t info;
    } cases[] = {{VECTOR_BP, 1, 0x80000603}, {VECTOR_BP, 2, 0x80000403},
                 {VECTOR_OF, 1, 0x80000604}, {VECTOR_DB, 1, 0x80000501},
                 {0x80, 3, 0x80000480},      {VECTOR_GP, 2, 0x8000040d}};

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        soft(cases[i].vector, cases[i].length);
        enter(RUN_FREE);
        assert_int_equal(given[VMCS_ENTRY_EVENT], cases[i].info);
        assert_int_equal(given[VMCS_ENTRY_INSN_LENGTH], cases[i].length);
        assert_int_equal(given[VMCS_GUEST_RIP], RIP);
    }
}

/* WHPX-12, GEN-3: the guest's INT1 is told from a debug exception, and goes back as what it was. */
static void test_gen3_int1(void **state)
{
    (void)state;
    v->traps = TRAP_DEBUG;
    exit_reason = VMX_REASON_EVENT;
    exit_event = 0x80000501;
    insn_length = 1;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_ICEBP);
    assert_int_equal(out.insn_length, 1);
    assert_int_equal(v->regs.rip, RIP);
    soft(VECTOR_DB, out.insn_length);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000501);
}

/* A delivery that an exit interrupted is done again at the next entry, and then no more. */
static void test_delivery_interrupted(void **state)
{
    static const struct {
        uint32_t info, length;
    } cases[] = {{0x80000b0e, 0}, {0x80000041, 0}, {0x80000603, 1}, {0x80000480, 2},
                 {0x80000501, 1}, {0x80000306, 0}, {0x80000202, 0}};

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        setup(NULL);
        exit_reason = VMX_REASON_EPT_VIOLATION;
        insn_length = cases[i].length;
        vectoring = cases[i].info;
        vectoring_error = 0x15;
        enter(RUN_FREE);
        assert_int_equal(out.kind, HV_EXIT_STAGE2);
        assert_int_not_equal(v->event.type, HV_EVENT_NONE);
        enter(RUN_FREE); /* interrupted again */
        assert_int_equal(given[VMCS_ENTRY_EVENT], cases[i].info);
        vectoring = 0;
        enter(RUN_FREE);
        assert_int_equal(given[VMCS_ENTRY_EVENT], cases[i].info);
        if (cases[i].info & VMX_EVENT_ERROR)
            assert_int_equal(given[VMCS_ENTRY_EVENT_ERROR], 0x15);
        if (cases[i].length)
            assert_int_equal(given[VMCS_ENTRY_INSN_LENGTH], cases[i].length);
        assert_int_equal(v->event.type, HV_EVENT_NONE);
        enter(RUN_FREE);
        assert_int_equal(given[VMCS_ENTRY_EVENT] & VMX_EVENT_VALID, 0);
    }
}

/* A device's interrupt that is delivered again finds no shadow: the entry would be refused. */
static void test_event_ends_the_shadow(void **state)
{
    (void)state;
    blocked = VMX_BLOCKED_STI;
    enter(RUN_FREE);
    assert_true(v->interrupt_shadow);
    v->event = (struct hv_event){.type = HV_EVENT_EXTERNAL, .vector = 0x30};
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000030);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
}

/* An NMI that came to the host meanwhile: nothing ran, and nothing is lost or done twice. */
static void test_abandoned(void **state)
{
    (void)state;
    soft(VECTOR_BP, 1);
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr3 = 0x5000;
    host_nmi();
    enter(RUN_FREE);
    assert_int_equal(entries, 0);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(v->exits[HV_EXIT_NMI], 1);
    assert_int_equal(v->event.type, HV_EVENT_SOFT);
    assert_int_equal(vmx_backend.take_nmi(), 1);
    enter(RUN_FREE);
    assert_int_equal(entries, 1);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000603);
    assert_int_equal(given[VMCS_GUEST_CR3], 0x5000);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT] & VMX_EVENT_VALID, 0);
    /* Each is counted, and only once: the guest's and a kick may both be there. */
    assert_int_equal(vmx_backend.take_nmi(), 0);
    assert_non_null(strstr(said, "unblock_nmis"));
    host_nmi();
    host_nmi();
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(vmx_backend.take_nmi(), 2);
    enter(RUN_FREE);
    assert_int_equal(entries, 3);
}

/* USER-3, BP-30: an NMI of the host's says nothing of the guest's handler (Bochs 2.7 mixes them).
 */
static void test_user3_host_nmi(void **state)
{
    (void)state;
    exit_reason = VMX_REASON_EVENT;
    exit_event = 0x80000202;
    blocked = VMX_BLOCKED_NMI;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_false(v->nmi_blocked);
    host_nmi(); /* one more behind the exit's */
    assert_int_equal(vmx_backend.take_nmi(), 2);
    v->nmi_blocked = true; /* it is in its handler */
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_NMI);
    assert_true(v->nmi_blocked);
}

static void iret(void)
{
    end();
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] &= ~(uint64_t)VMX_BLOCKED_NMI;
}

/*
 * BP-30: the guest's NMIs, one at a time. The next waits for the IRET by the NMI window, and an
 * entry that puts one in is never blocked by it (the model looks).
 */
static void test_bp30_nmis(void **state)
{
    struct hv_exit exit;

    (void)state;
    core_forward_nmi(v);
    exit_reason = VMX_REASON_TRIPLE_FAULT; /* core_run() ends with it */
    core_run(v, &exit);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000202);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
    assert_true(v->nmi_blocked);
    assert_false(v->nmi_pending);
    core_forward_nmi(v);
    core_run(v, &exit);
    assert_int_equal(given[VMCS_ENTRY_EVENT] & VMX_EVENT_VALID, 0);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_NMI);
    assert_true(given[VMCS_CPU_CONTROLS] & VMX_CPU_NMI_WINDOW);
    assert_true(v->nmi_pending);
    guest = iret;
    exit_reason = VMX_REASON_NMI_WINDOW;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_NONE);
    assert_false(v->nmi_blocked);
    guest = end;
    exit_reason = VMX_REASON_TRIPLE_FAULT;
    core_run(v, &exit);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000202);
    assert_int_equal(given[VMCS_CPU_CONTROLS] & VMX_CPU_NMI_WINDOW, 0);
    assert_false(v->nmi_pending);
}

/* An NMI that was not delivered after all does not block; an IRET that faulted has not unblocked.
 */
static void test_nmi_undone(void **state)
{
    (void)state;
    v->event = (struct hv_event){.type = HV_EVENT_NMI, .vector = 2};
    exit_reason = VMX_REASON_EPT_VIOLATION;
    vectoring = 0x80000202;
    enter(RUN_FREE);
    assert_int_equal(v->event.type, HV_EVENT_NMI);
    assert_false(v->nmi_blocked);
    vectoring = 0;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000202);
    assert_true(v->nmi_blocked);
    guest = iret;
    qualification = VMX_EPT_NMI_UNBLOCK;
    enter(RUN_FREE);
    assert_true(v->nmi_blocked);
    qualification = 0;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], VMX_BLOCKED_NMI);
    assert_false(v->nmi_blocked);
}

/* WHPX-6: RUN_TO_FETCH ends where the next instruction would be fetched, and only there. */
static void test_whpx6_fetch(void **state)
{
    (void)state;
    vcpu_raise(v, VECTOR_UD);
    exit_reason = VMX_REASON_EPT_VIOLATION;
    qualification = VMX_EPT_FETCH;
    enter(RUN_TO_FETCH);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000306);
    assert_int_equal(out.kind, HV_EXIT_FETCH);
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    vcpu_raise(v, VECTOR_UD);
    exit_reason = VMX_REASON_EXTERNAL; /* waits at the same place */
    enter(RUN_TO_FETCH);
    assert_int_equal(out.kind, HV_EXIT_FETCH);
    exit_reason = VMX_REASON_EPT_VIOLATION;
    vectoring = 0x80000306;
    enter(RUN_TO_FETCH); /* not delivered: the gate cannot be read */
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    vectoring = 0;
    qualification = VMX_EPT_WRITE; /* the delivery's own stack */
    enter(RUN_TO_FETCH);
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    assert_true(out.stage2.write);
}

static void page_fault_then_handler(void)
{
    if (entries == 1) {
        exit_reason = VMX_REASON_EVENT;
        exit_event = 0x80000b0e;
        qualification = 0xdeadb000;
    } else {
        exit_reason = VMX_REASON_EPT_VIOLATION;
        exit_event = 0;
        qualification = VMX_EPT_FETCH;
        vmcs[VMCS_GUEST_RIP] = 0x8000;
        vmcs[VMCS_GUEST_RFLAGS] = RFLAGS_ONE;
    }
    end();
}

/* WHPX-6, GEN-4, HAXM-18: a step of what faults is the delivery, and nobody has seen our TF. */
static void test_whpx6_step_into_handler(void **state)
{
    struct hv_exit exit;

    (void)state;
    guest = page_fault_then_handler;
    core_step(v, &exit);
    assert_int_equal(exit.kind, HV_EXIT_STEP);
    assert_int_equal(entries, 2);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000b0e);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], 0x10202);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_int_equal(given[VMCS_GUEST_INTERRUPTIBILITY], 0);
    assert_int_equal(given[VMCS_EXCEPTION_BITMAP], 0);
    assert_int_equal(reg("cr2")->value, 0xdeadb000);
    assert_int_equal(v->regs.rip, 0x8000);
    assert_int_equal(v->regs.rflags, RFLAGS_ONE);
}

static void step_trap(void)
{
    exit_reason = VMX_REASON_EVENT;
    exit_event = 0x80000301;
    qualification = DR6_BS;
    end();
    vmcs[VMCS_GUEST_RIP] = RIP + 1;
}

/* WHPX-10, WHPX-11: TF is in the one entry, and out of what is left of it. */
static void test_whpx10_step(void **state)
{
    struct hv_exit exit;

    (void)state;
    *model_memory(RIP) = 0x90; /* NOP */
    guest = step_trap;
    core_step(v, &exit);
    assert_int_equal(exit.kind, HV_EXIT_STEP);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], 0x302);
    assert_int_equal(v->regs.rflags, 0x202);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET);
    guest = end;
    exit_reason = VMX_REASON_CPUID;
    exit_event = 0;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_RFLAGS], 0x202);
    assert_int_equal(given[VMCS_GUEST_PENDING_DEBUG], 0);
    assert_int_equal(reg("dr6")->value, DR6_RESET);
}

/* USER-11: a state the processor refuses, and an instruction that fails: all is as it was. */
static void test_user11_refused(void **state)
{
    (void)state;
    vcpu_raise(v, VECTOR_UD);
    exit_reason = VMX_REASON_NO_ENTRY | VMX_REASON_BAD_STATE;
    qualification = 4;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_INVALID);
    assert_int_equal(out.raw.code, 0x80000021);
    assert_int_equal(out.raw.info1, 4);
    assert_int_equal(v->regs.rip, RIP);
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    entry_error = 7;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_INVALID);
    assert_int_equal(out.raw.info1, 7);
    entry_error = 0;
    exit_reason = VMX_REASON_CPUID;
    enter(RUN_FREE); /* by VMLAUNCH still: the model looks */
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000306);
    assert_int_equal(entries, 2);
}

static uint32_t random_state = 1;

static bool toss(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 31;
}

/* An event that core may have for this CPU. */
static struct hv_event any_event(void)
{
    static const uint8_t exceptions[] = {VECTOR_DB, VECTOR_UD, VECTOR_DF, VECTOR_GP, VECTOR_PF};
    struct hv_event event = {.type = HV_EVENT_NONE};

    if (toss()) {
        event.type = HV_EVENT_EXCEPTION;
        event.vector = exceptions[(toss() << 1 | toss()) + toss()];
        event.has_error = event.vector == VECTOR_GP || event.vector == VECTOR_PF;
        event.error = event.has_error ? 0x18 : 0;
    } else if (toss()) {
        event = (struct hv_event){.type = HV_EVENT_SOFT, .vector = VECTOR_BP, .insn_length = 1};
    } else if (toss() && (v->regs.rflags & RFLAGS_IF)) {
        event = (struct hv_event){.type = HV_EVENT_EXTERNAL, .vector = 0x30};
    } else if (toss()) {
        event = (struct hv_event){.type = HV_EVENT_NMI, .vector = 2};
    }
    return event;
}

/* HAXM-20, USER-11: whatever comes together, no entry is one that a processor refuses. */
static void test_haxm20_no_entry_refused(void **state)
{
    static const uint32_t shadows[] = {0, VMX_BLOCKED_STI, VMX_BLOCKED_MOV_SS};

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        bool step = toss();
        vmcs[VMCS_GUEST_DEBUGCTL] = toss() ? DEBUGCTL_BTF : 0;
        blocked = shadows[toss() + toss()] | (toss() ? VMX_BLOCKED_NMI : 0);
        enter(RUN_FREE);
        v->regs.rflags = (toss() ? RFLAGS_IF : 0) | (toss() ? RFLAGS_TF : 0) | RFLAGS_ONE;
        vcpu_change(v, REGS_CONTROL);
        v->regs.cr0 = toss() ? CR0_PE : 0;
        v->event = any_event();
        if (v->event.type == HV_EVENT_NMI)
            v->nmi_blocked = true; /* as core does before it goes in */
        if (toss())
            v->interrupt_shadow = false;
        enter(v->event.type != HV_EVENT_NONE ? (step ? RUN_TO_FETCH : RUN_FREE)
                                             : (step ? RUN_STEP : RUN_FREE));
        assert_int_not_equal(out.kind, HV_EXIT_INVALID);
    }
}

static unsigned lines;

static void line(const char *text)
{
    assert_in_range(strlen(text), 10, 158); /* none is cut */
    lines++;
}

/* USER-4's evidence. */
static void test_dump(void **state)
{
    (void)state;
    memset(vmcs, 0xff, sizeof(current->fields));
    vmx_backend.dump(v, line);
    assert_int_equal(lines, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_exception, setup),
        cmocka_unit_test_setup(test_bp3_soft, setup),
        cmocka_unit_test_setup(test_gen3_int1, setup),
        cmocka_unit_test_setup(test_delivery_interrupted, setup),
        cmocka_unit_test_setup(test_event_ends_the_shadow, setup),
        cmocka_unit_test_setup(test_abandoned, setup),
        cmocka_unit_test_setup(test_user3_host_nmi, setup),
        cmocka_unit_test_setup(test_bp30_nmis, setup),
        cmocka_unit_test_setup(test_nmi_undone, setup),
        cmocka_unit_test_setup(test_whpx6_fetch, setup),
        cmocka_unit_test_setup(test_whpx6_step_into_handler, setup),
        cmocka_unit_test_setup(test_whpx10_step, setup),
        cmocka_unit_test_setup(test_user11_refused, setup),
        cmocka_unit_test_setup(test_haxm20_no_entry_refused, setup),
        cmocka_unit_test_setup(test_dump, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
