/* vmx/vmx.c: events on their way in and out, NMIs, control registers, what an exit carries out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/handle.h"
#include "core/run.h"
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
    enter(RUN_FREE);
    assert_int_equal(entries, 1);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000603);
    assert_int_equal(given[VMCS_GUEST_CR3], 0x5000);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT] & VMX_EVENT_VALID, 0);
    /* One that an exit took has been seen. */
    vmx_backend.take_nmi();
    assert_non_null(strstr(said, "unblock_nmis"));
    host_nmi();
    vmx_backend.take_nmi();
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

/* CR0.NE and CR4.VMXE are what VMX needs, and read back as the guest has them. */
static void test_control_shadows(void **state)
{
    enum { FROM_RBX = 3 << 8, CLTS = 2 << 4 };

    (void)state;
    enter(RUN_FREE);
    vcpu_need(v, REGS_CONTROL);
    assert_int_equal(v->regs.cr0 & CR0_NE, 0);
    assert_int_equal(v->regs.cr4, 0);
    exit_reason = VMX_REASON_CR; /* MOV CR0, RBX with NE: tried again, and then it does not exit */
    qualification = FROM_RBX;
    v->regs.gpr[GPR_RBX] = CR0_PE | CR0_ET | CR0_NE;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_NONE);
    assert_int_equal(v->regs.rip, RIP);
    assert_int_equal(vmcs[VMCS_CR0_SHADOW] & CR0_NE, CR0_NE);
    vcpu_need(v, REGS_CONTROL);
    assert_int_equal(v->regs.cr0 & CR0_NE, CR0_NE);
    uint64_t shadow = vmcs[VMCS_CR0_SHADOW];
    qualification = CLTS;
    enter(RUN_FREE);
    assert_int_equal(vmcs[VMCS_CR0_SHADOW], shadow);
    qualification = 4; /* MOV to CR4 with VMXE: #GP */
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_BAD_CR);
    assert_int_equal(core_handle(v, &out), CORE_RAISED);
    exit_reason = VMX_REASON_CPUID;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_EVENT], 0x80000b0d);
    assert_true(given[VMCS_GUEST_CR4] & CR4_VMXE);
    assert_int_equal(given[VMCS_CR4_SHADOW], 0);
}

/* Registers that were changed from outside reach the VMCS; long mode goes with its control. */
static void test_long_mode(void **state)
{
    (void)state;
    enter(RUN_FREE);
    vcpu_change(v, REGS_CONTROL | REGS_SYSCALL | REGS_TABLES);
    v->regs.cr0 = CR0_PE | CR0_PG | CR0_NE;
    v->regs.cr4 = CR4_PAE;
    v->regs.efer = EFER_LME | EFER_LMA;
    v->regs.cr2 = 0xdead;
    v->regs.cr8 = 5;
    v->regs.lstar = 0xffffffff81000000;
    v->regs.sysenter_eip = 0xc0100000;
    v->regs.gdtr = (struct hv_table){0xffff800000001000, 0x7f};
    enter(RUN_FREE);
    assert_true(given[VMCS_ENTRY_CONTROLS] & VMX_ENTRY_IA32E);
    assert_int_equal(given[VMCS_GUEST_CR4], CR4_PAE | CR4_VMXE);
    assert_int_equal(given[VMCS_GUEST_EFER], EFER_LME | EFER_LMA);
    assert_int_equal(given[VMCS_GUEST_GDTR_BASE], 0xffff800000001000);
    assert_int_equal(reg("cr2")->value, 0xdead);
    assert_int_equal(reg("cr8")->value, 5);
    assert_int_equal(*msr_value(MSR_LSTAR), 0xffffffff81000000);
    memset(&v->regs.seg, 0xa5, sizeof(struct hv_regs) - offsetof(struct hv_regs, seg));
    vcpu_need(v, REGS_ALL);
    assert_int_equal(v->regs.cr4, CR4_PAE);
    assert_int_equal(v->regs.cr0, CR0_PE | CR0_PG | CR0_NE);
    assert_int_equal(v->regs.cr2, 0xdead);
    assert_int_equal(v->regs.lstar, 0xffffffff81000000);
    assert_int_equal(v->regs.sysenter_eip, 0xc0100000);
    assert_int_equal(v->regs.gdtr.limit, 0x7f);
    assert_int_equal(v->regs.seg[SEG_TR].attributes, 0x8b);
    v->changed = REGS_ALL;
    v->regs.cr0 = CR0_PE;
    v->regs.efer = 0;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_ENTRY_CONTROLS] & VMX_ENTRY_IA32E, 0);
}

/* A PAE guest's PDPTEs: from memory when CR3 is changed from outside, else the guest's own. */
static void test_pdptes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        model_memory_put(0x4020 + 8 * i, 0x10001 + 0x1000 * i);
    enter(RUN_FREE);
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 |= CR0_PE | CR0_PG;
    v->regs.cr4 = CR4_PAE;
    v->regs.cr3 = 0x4028; /* its low bits have no part */
    enter(RUN_FREE);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(given[VMCS_GUEST_PDPTE0 + 2 * i], 0x10001 + 0x1000 * i);
    vmcs[VMCS_GUEST_PDPTE0] = 0x77001; /* memory changed since, its registers did not */
    vcpu_change(v, REGS_CONTROL);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_PDPTE0], 0x77001);
}

/* XSETBV: what the processor would take, and #GP for what it would not. SDM vol. 2, "XSETBV". */
static void test_xsetbv(void **state)
{
    static const struct {
        uint32_t index;
        uint64_t value;
        bool good;
    } cases[] = {
        {0, 0x1, true},
        {0, 0x3, true},
        {0, 0x7, true},
        {0, 0x1f, true},
        {0, 0xe7, true},
        {0, 0x2e7, true},
        {0, 0x60003, true},
        {1, 0x3, false},
        {0, 0x0, false},
        {0, 0x2, false},
        {0, 0x5, false},
        {0, 0xb, false},
        {0, 0x13, false},
        {0, 0x27, false},
        {0, 0xe3, false},
        {0, 0xa7, false},
        {0, 0x103, false},
        {0, 0x20003, false},
        {0, 1ULL << 63 | 3, false},
    };

    (void)state;
    xcr0_known = 0x602ff;
    exit_reason = VMX_REASON_XSETBV;
    insn_length = 3;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        reg("xcr0")->value = 1;
        v->regs.rip = RIP;
        v->regs.gpr[GPR_RCX] = 0x700000000 | cases[i].index; /* the high halves do not count */
        v->regs.gpr[GPR_RAX] = 0xabc00000000 | (uint32_t)cases[i].value;
        v->regs.gpr[GPR_RDX] = 0xabc00000000 | cases[i].value >> 32;
        enter(RUN_FREE);
        assert_int_equal(out.kind, cases[i].good ? HV_EXIT_DONE : HV_EXIT_BAD_CR);
        assert_int_equal(reg("xcr0")->value, cases[i].good ? cases[i].value : 1);
        assert_int_equal(v->regs.rip, cases[i].good ? RIP + 3 : RIP);
    }
}

/* INVD would lose what the host has written; it is carried out as WBINVD. */
static void test_invd(void **state)
{
    (void)state;
    exit_reason = VMX_REASON_INVD;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_DONE);
    assert_int_equal(v->regs.rip, RIP + 2);
    assert_non_null(strstr(said, "wbinvd"));
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
    memset(vmcs, 0xff, sizeof(vmcs));
    vmx_backend.dump(v, line);
    assert_int_equal(lines, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_exception, setup),
        cmocka_unit_test_setup(test_bp3_soft, setup),
        cmocka_unit_test_setup(test_delivery_interrupted, setup),
        cmocka_unit_test_setup(test_event_ends_the_shadow, setup),
        cmocka_unit_test_setup(test_abandoned, setup),
        cmocka_unit_test_setup(test_user3_host_nmi, setup),
        cmocka_unit_test_setup(test_bp30_nmis, setup),
        cmocka_unit_test_setup(test_nmi_undone, setup),
        cmocka_unit_test_setup(test_whpx6_fetch, setup),
        cmocka_unit_test_setup(test_user11_refused, setup),
        cmocka_unit_test_setup(test_control_shadows, setup),
        cmocka_unit_test_setup(test_long_mode, setup),
        cmocka_unit_test_setup(test_pdptes, setup),
        cmocka_unit_test_setup(test_xsetbv, setup),
        cmocka_unit_test_setup(test_invd, setup),
        cmocka_unit_test_setup(test_dump, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
