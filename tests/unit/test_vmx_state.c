/* vmx/vmx.c and state.c: the guest's control registers, and what an exit carries out for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/handle.h"
#include "hv/compiler.h"
#include "tests/unit/fake_vmentry.h"

enum { RIP = 0x1000 };

/* How the guest ends. */
static uint32_t reason, insn_length;
static uint64_t qualification;

static void end(void)
{
    ends(reason, qualification, insn_length);
}

static int setup(void **state)
{
    (void)state;
    power_on();
    start();
    guest = end;
    reason = VMX_REASON_CPUID;
    insn_length = 2;
    qualification = 0;
    v->regs.rip = RIP;
    v->regs.cr0 |= CR0_PE;
    v->regs.seg[SEG_CS].base = 0;
    return 0;
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
    reason = VMX_REASON_CR; /* MOV CR0, RBX with NE: tried again, and then it does not exit */
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
    reason = VMX_REASON_CPUID;
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

/* It is kept through a reset of the CPU, and given anew only when it changes. */
static void test_pat(void **state)
{
    (void)state;
    vmcs[VMCS_GUEST_PAT] = 0x0007040600070406;
    enter(RUN_FREE);
    vcpu_need(v, REGS_ALL | REGS_PAT);
    assert_int_equal(v->regs.pat, 0x0007040600070406);
    vcpu_reset(v);
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_PAT], 0x0007040600070406);
    vcpu_change(v, REGS_PAT);
    assert_int_equal(v->regs.pat, 0x0007040600070406);
    v->regs.pat = 0x0007010600070106;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_PAT], 0x0007010600070106);
}

/* A PAE guest's PDPTEs: from memory when PAE paging or CR3 comes from outside, else its own. */
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
    /* CR3 was there before; paging begins. */
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 &= ~CR0_PG;
    enter(RUN_FREE);
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 |= CR0_PG;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_GUEST_PDPTE0], 0x10001);
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
    reason = VMX_REASON_XSETBV;
    insn_length = 3;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        reg("xcr0")->value = 1;
        v->regs.rip = RIP;
        v->regs.gpr[GPR_RCX] = 0x700000000 | cases[i].index; /* the high halves do not count */
        v->regs.gpr[GPR_RAX] = 0xabc00000000 | (uint32_t)cases[i].value;
        v->regs.gpr[GPR_RDX] = 0xabc00000000 | cases[i].value >> 32;
        enter(RUN_FREE);
        assert_int_equal(core_handle(v, &out), cases[i].good ? CORE_DONE : CORE_RAISED);
        assert_int_equal(reg("xcr0")->value, cases[i].good ? cases[i].value : 1);
        assert_int_equal(v->regs.rip, cases[i].good ? RIP + 3 : RIP);
    }
}

/* INVD would lose what the host has written; it is carried out as WBINVD. */
static void test_invd(void **state)
{
    (void)state;
    reason = VMX_REASON_INVD;
    enter(RUN_FREE);
    assert_int_equal(core_handle(v, &out), CORE_DONE);
    assert_int_equal(v->regs.rip, RIP + 2);
    assert_non_null(strstr(said, "wbinvd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_control_shadows, setup),
        cmocka_unit_test_setup(test_long_mode, setup),
        cmocka_unit_test_setup(test_pat, setup),
        cmocka_unit_test_setup(test_pdptes, setup),
        cmocka_unit_test_setup(test_xsetbv, setup),
        cmocka_unit_test_setup(test_invd, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
