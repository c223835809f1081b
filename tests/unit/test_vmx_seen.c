/* vmx/traps.c: what debug wants to see before it is carried out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/io_policy.h"
#include "core/policy.h"
#include "tests/unit/fake_vmentry.h"

static int setup(void **state)
{
    (void)state;
    power_on();
    start();
    return 0;
}

static void cr_access(unsigned number, unsigned type)
{
    ends(VMX_REASON_CR, number | type << 4, 3);
}

static void writes_cr0(void)
{
    cr_access(0, 0);
}

static void writes_cr3(void)
{
    cr_access(3, 0);
}

static void clears_ts(void)
{
    cr_access(0, 2);
}

/* Control registers that debug wants to see: all of CR0 and CR4 is shadowed while it does. */
static void test_seen_control_registers(void **state)
{
    (void)state;
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 = CR0_PE | CR0_ET | CR0_TS;
    v->regs.cr4 = CR4_PAE;
    v->traps = TRAP_CR0_WRITES | TRAP_CR3_WRITES;
    guest = writes_cr0;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_CR_WRITE);
    assert_int_equal(out.cr.number, 0);
    assert_int_equal(given[VMCS_CR0_MASK], UINT64_MAX);
    assert_int_equal(given[VMCS_CR0_SHADOW], CR0_PE | CR0_ET | CR0_TS);
    assert_int_equal(given[VMCS_CR4_MASK], CR4_VMXE | CR4_SMXE);
    assert_true(given[VMCS_CPU_CONTROLS] & VMX_CPU_CR3_LOAD);
    guest = clears_ts;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_CR_WRITE);
    guest = writes_cr3;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_CR_WRITE);
    assert_int_equal(out.cr.number, 3);

    /* The instruction itself: the guest's own bits are in the register, not in the shadow. */
    v->passing = true;
    enter(RUN_STEP);
    assert_int_equal(given[VMCS_CR0_MASK], CR0_NE);
    assert_false(given[VMCS_CPU_CONTROLS] & VMX_CPU_CR3_LOAD);
    vmcs[VMCS_GUEST_CR0] = CR0_PE | CR0_ET | CR0_NE | CR0_WP;
    v->passing = false;
    guest = writes_cr0;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_CR0_SHADOW], CR0_PE | CR0_ET | CR0_WP);
    vcpu_need(v, REGS_CONTROL);
    assert_int_equal(v->regs.cr0, CR0_PE | CR0_ET | CR0_WP);
    v->traps = 0;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_CR0_MASK], CR0_NE);
    assert_int_equal(out.kind, HV_EXIT_NONE); /* a change of NE: as ever */
}

static bool bit_of(uint64_t map, unsigned bit)
{
    return ((const uint8_t *)map)[bit / 8] >> bit % 8 & 1;
}

/* MSRs and ports that debug watches, EFER too; core's own stay trapped. */
static void test_seen_maps(void **state)
{
    static const struct msr_row rows[] = {{MSR_EFER, MSR_EFER, MSR_TRAP_WRITE}};
    static const struct port_row ports[] = {{0x80, 0x80}, {0xffff, 0xffff}};

    (void)state;
    msr_policy_watch(rows, 1);
    io_policy_watch(ports, 2);
    vmx_backend.remap();
    enter(RUN_FREE);
    uint64_t plain = given[VMCS_MSR_BITMAP], plain_io = given[VMCS_IO_BITMAP_A];
    assert_false(bit_of(plain + 3072, 0x80));
    assert_false(bit_of(plain_io, 0x80));
    v->traps = TRAP_WATCHED;
    enter(RUN_FREE);
    assert_true(bit_of(given[VMCS_MSR_BITMAP] + 3072, 0x80));
    assert_false(bit_of(given[VMCS_MSR_BITMAP] + 1024, 0x80));
    assert_true(bit_of(given[VMCS_MSR_BITMAP], MSR_VMX_BASIC));
    assert_true(bit_of(given[VMCS_IO_BITMAP_A], 0x80));
    assert_true(bit_of(given[VMCS_IO_BITMAP_B], 0x7fff));
    v->passing = true;
    enter(RUN_FREE);
    assert_int_equal(given[VMCS_MSR_BITMAP], plain);
    assert_int_equal(given[VMCS_IO_BITMAP_A], plain_io);
    msr_policy_watch(NULL, 0);
    io_policy_watch(NULL, 0);
}

/* A halt that was seen: HLT is the guest's, and the interrupt that ends it exits untaken. */
static void test_halt(void **state)
{
    (void)state;
    v->traps = TRAP_HLT;
    enter(RUN_FREE);
    assert_true(given[VMCS_CPU_CONTROLS] & VMX_CPU_HLT);
    assert_false(given[VMCS_PIN_CONTROLS] & VMX_PIN_EXTERNAL);
    v->interrupt_shadow = true; /* STI stands in front of it */
    v->regs.rflags |= RFLAGS_IF;
    enter(RUN_HALTED);
    assert_false(given[VMCS_CPU_CONTROLS] & VMX_CPU_HLT);
    assert_true(given[VMCS_PIN_CONTROLS] & VMX_PIN_EXTERNAL);
    assert_true(given[VMCS_GUEST_INTERRUPTIBILITY] & (VMX_BLOCKED_STI | VMX_BLOCKED_MOV_SS));
    v->traps = 0;
    enter(RUN_FREE);
    assert_false(given[VMCS_CPU_CONTROLS] & VMX_CPU_HLT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_seen_control_registers, setup),
        cmocka_unit_test_setup(test_seen_maps, setup),
        cmocka_unit_test_setup(test_halt, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
