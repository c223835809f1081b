/* vmx/check_guest.c, check_activity.c: each check of the guest's state, broken alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/compiler.h"
#include "tests/unit/vmx_states.h"

static void test_valid_states(void **state)
{
    struct vmx_faults faults;

    (void)state;
    for (enum state s = REAL16; s < STATES; s++) {
        struct vmx_fields f = valid(s);
        vmx_check_entry(&faults, &f, &haswell);
        assert_int_equal(faults.count, 0);
    }
}

static void test_control_registers(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(guest.cr0, 0x11)},
         "guest CR0 11: bits that VMX wants set on this processor (20)"},
        {RESTRICTED,
         {SET(guest.cr0, 0x80000011)},
         "guest CR0 80000011: bits that VMX wants set on this processor (20)"},
        {FLAT32,
         {SET(guest.cr0, 0x100000031)},
         "guest CR0 100000031: bits this processor does not allow (100000000)"},
        {FLAT32, {SET(guest.cr0, 0x60000031)}, NULL},
        {REAL16,
         {SET(guest.cr0, 0x80000030)},
         "guest CR0 80000030: paging (PG) without protected mode (PE)"},
        {FLAT32,
         {SET(guest.cr4, 0)},
         "guest CR4 0: bits that VMX wants set on this processor (2000)"},
        {FLAT32,
         {SET(guest.cr4, 0x202000)},
         "guest CR4 202000: bits this processor does not allow (200000)"},
        {LONG64, {SET(guest.cr0, 0x50033)}, "guest CR0 50033: no paging (PG) in IA-32e mode"},
        {LONG64, {SET(guest.cr4, 0x2000)}, "guest CR4 2000: no PAE in IA-32e mode"},
        {LONG64, {SET(guest.cr4, 0x22020)}, NULL},
        {PAE32, {SET(guest.cr4, 0x22020)}, "guest CR4 22020: PCIDE outside IA-32e mode"},
        {LONG64,
         {SET(guest.cr3, 0x10000001000)},
         "guest CR3 10000001000: bits beyond the physical-address width (10000000000)"},
        {LONG64, {SET(guest.debugctl, 0x18)}, "guest DEBUGCTL 18: reserved bits (18)"},
        {LONG64, {SET(guest.debugctl, 2)}, NULL},
        {LONG64, {SET(guest.dr7, 0x100000400)}, "guest DR7 100000400: more than 32 bits"},
        {LONG64,
         {SET(guest.sysenter_esp, 0x800000000000)},
         "guest SYSENTER_ESP 800000000000: is not canonical"},
        {LONG64,
         {SET(guest.sysenter_eip, 0x7fff000000000000)},
         "guest SYSENTER_EIP 7fff000000000000: is not canonical"},
        {LONG64,
         {SET(guest.pat, 0x0007040600070206)},
         "guest PAT 7040600070206: a byte of it is no memory type"},
        {LONG64,
         {SET(guest.pat, 0x0807040600070406)},
         "guest PAT 807040600070406: a byte of it is no memory type"},
        {LONG64, {SET(guest.efer, 0x1501)}, "guest EFER 1501: reserved bits (1000)"},
        {REAL16,
         {SET(guest.efer, 0x400)},
         "guest EFER 400: LMA is not what the entry control \"IA-32e mode guest\" is"},
        {PAE32, {SET(guest.efer, 0x100)}, "guest EFER 100: LMA is not LME, with paging on"},
        {FLAT32, {SET(guest.efer, 0x100)}, NULL},
    };
    struct vmx_features can = haswell;
    struct vmx_fields f = valid(LONG64);
    struct vmx_faults faults;

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
    can.cr4_fixed1 |= CR4_CET | CR4_LAM_SUP;
    f.guest.cr4 |= CR4_CET;
    f.guest.cr3 |= HV_BIT(61);
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 0);
    f.guest.cr0 &= ~CR0_WP;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.fault[0].rule, "CET without CR0.WP");
}

/* What the entry does not load it does not check. */
static void test_not_loaded(void **state)
{
    struct vmx_fields f = valid(LONG64);
    struct vmx_faults faults;

    (void)state;
    f.guest.pat = f.guest.dr7 = f.guest.debugctl = f.guest.efer = UINT64_MAX;
    f.control.entry &= ~(VMX_ENTRY_LOAD_PAT | VMX_ENTRY_LOAD_EFER);
    memset(&faults, 0, sizeof(faults));
    vmx_check_guest(&faults, &f, &haswell);
    assert_int_equal(faults.count, 2);
    f.control.entry &= ~VMX_ENTRY_LOAD_DEBUG;
    f.guest.debugctl = 0; /* its BTF counts for pending debug exceptions all the same */
    memset(&faults, 0, sizeof(faults));
    vmx_check_guest(&faults, &f, &haswell);
    assert_int_equal(faults.count, 0);
}

static void test_tables_rip_rflags(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(guest.gdtr.base, 0x800000000000)},
         "guest GDTR base 800000000000: is not canonical"},
        {FLAT32,
         {SET(guest.idtr.base, 0xff7f800000000000)},
         "guest IDTR base ff7f800000000000: is not canonical"},
        {FLAT32, {SET(guest.gdtr.limit, 0x10000)}, "guest GDTR limit 10000: more than 16 bits"},
        {FLAT32,
         {SET(guest.idtr.limit, 0x80000000)},
         "guest IDTR limit 80000000: more than 16 bits"},
        {FLAT32,
         {SET(guest.rip, 0x100000000)},
         "guest RIP 100000000: more than 32 bits outside 64-bit mode"},
        {LONG64,
         {SET(guest.seg[SEG_CS].rights, 0xc09b)},
         "guest RIP ffffffff81000000: more than 32 bits outside 64-bit mode"},
        {LONG64, {SET(guest.rip, 0x1000000000000)}, "guest RIP 1000000000000: is not canonical"},
        {LONG64, {SET(guest.rip, 0x800000000000)}, NULL}, /* the fetch raises #GP */
        {FLAT32, {SET(guest.rflags, 0x40002a)}, "guest RFLAGS 40002a: reserved bits (400028)"},
        {FLAT32, {SET(guest.rflags, 0x8002)}, "guest RFLAGS 8002: reserved bits (8000)"},
        {FLAT32, {SET(guest.rflags, 0)}, "guest RFLAGS 0: bit 1 has to be set"},
        {FLAT32,
         {SET(guest.rflags, 2), SET(control.event, 0x80000020)},
         "guest RFLAGS 2: IF is 0 with an external interrupt to deliver"},
        {FLAT32, {SET(guest.rflags, 0x202), SET(control.event, 0x80000020)}, NULL},
        {V8086, {SET(guest.cr0, 0x30)}, "guest RFLAGS 20202: VM without protected mode"},
        {PAE32, {SET(guest.pdpte[0], 0x5003)}, "guest PDPTE0 5003: reserved bits (2)"},
        {PAE32, {SET(guest.pdpte[1], 0x21)}, "guest PDPTE1 21: reserved bits (20)"},
        {PAE32,
         {SET(guest.pdpte[2], 0x10000000001)},
         "guest PDPTE2 10000000001: reserved bits (10000000000)"},
        {PAE32, {SET(guest.pdpte[3], 0x101)}, "guest PDPTE3 101: reserved bits (100)"},
        {LONG64, {SET(guest.pdpte[3], 0x101)}, NULL},
    };
    struct vmx_fields f = valid(V8086);
    struct vmx_faults faults;
    bool found = false;

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
    f.control.entry |= VMX_ENTRY_IA32E; /* breaks more than one */
    vmx_check_entry(&faults, &f, &haswell);
    for (unsigned i = 0; i < faults.count; i++)
        found |= !strcmp(faults.fault[i].rule, "VM in IA-32e mode");
    assert_true(found);
}

static void test_activity(void **state)
{
    static const struct broken rows[] = {
        {FLAT32, {SET(guest.activity, 1)}, NULL},
        {FLAT32, {SET(guest.activity, 2)}, NULL},
        {FLAT32, {SET(guest.activity, 3)}, NULL},
        {FLAT32,
         {SET(guest.activity, 4)},
         "guest activity state 4: this processor does not have it"},
        {FLAT32,
         {SET(guest.activity, 1), SET(guest.interruptibility, 2)},
         "guest activity state 1: not active while STI or MOV SS blocks"},
        {USER64, {SET(guest.activity, 1)}, "guest activity state 1: halted outside ring 0"},
        {USER64, {SET(guest.activity, 2)}, NULL},
        {FLAT32,
         {SET(guest.activity, 1), SET(control.event, 0x80000306)},
         "guest activity state 1: the event to deliver cannot come to it"},
        {FLAT32, {SET(guest.activity, 1), SET(control.event, 0x80000202)}, NULL},
        {FLAT32, {SET(guest.activity, 1), SET(control.event, 0x80000301)}, NULL},
        {FLAT32, {SET(guest.activity, 1), SET(control.event, 0x80000312)}, NULL},
        {FLAT32,
         {SET(guest.activity, 1), SET(control.event, 0x80000020), SET(guest.rflags, 0x202)},
         NULL},
        {FLAT32,
         {SET(guest.activity, 2), SET(control.event, 0x80000301)},
         "guest activity state 2: the event to deliver cannot come to it"},
        {FLAT32, {SET(guest.activity, 2), SET(control.event, 0x80000202)}, NULL},
        {FLAT32, {SET(guest.activity, 2), SET(control.event, 0x80000312)}, NULL},
        {FLAT32,
         {SET(guest.activity, 3), SET(control.event, 0x80000202)},
         "guest activity state 3: the event to deliver cannot come to it"},
    };
    struct vmx_features can = haswell;
    struct vmx_fields f = valid(FLAT32);
    struct vmx_faults faults;

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);

    /* Halted is a capability. */
    f.guest.activity = VMX_HALTED;
    can.misc &= ~HV_BIT(6);
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.fault[0].value, VMX_HALTED);
}

static void test_interruptibility(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(guest.interruptibility, 0x20)},
         "guest interruptibility 20: reserved bits (20)"},
        {FLAT32,
         {SET(guest.interruptibility, 3), SET(guest.rflags, 0x202)},
         "guest interruptibility 3: both STI and MOV SS block"},
        {FLAT32,
         {SET(guest.interruptibility, 1)},
         "guest interruptibility 1: STI blocks, and IF is 0"},
        {FLAT32, {SET(guest.interruptibility, 1), SET(guest.rflags, 0x202)}, NULL},
        {FLAT32,
         {SET(guest.interruptibility, 1), SET(guest.rflags, 0x202), SET(control.event, 0x80000020)},
         "guest interruptibility 1: STI or MOV SS blocks the external interrupt to deliver"},
        {FLAT32,
         {SET(guest.interruptibility, 2), SET(guest.rflags, 0x202), SET(control.event, 0x80000020)},
         "guest interruptibility 2: STI or MOV SS blocks the external interrupt to deliver"},
        {FLAT32,
         {SET(guest.interruptibility, 2), SET(control.event, 0x80000202)},
         "guest interruptibility 2: MOV SS blocks the NMI to deliver"},
        {FLAT32,
         {SET(guest.interruptibility, 1), SET(guest.rflags, 0x202), SET(control.event, 0x80000202)},
         "guest interruptibility 1: STI blocks the NMI to deliver, which some processors refuse"},
        {FLAT32,
         {SET(guest.interruptibility, 8), SET(control.event, 0x80000202)},
         "guest interruptibility 8: NMIs are blocked, and one is to be delivered"},
        {FLAT32, {SET(guest.interruptibility, 8)}, NULL},
        {FLAT32,
         {SET(guest.interruptibility, 4)},
         "guest interruptibility 4: SMIs are blocked in SMM, and nowhere else"},
        {FLAT32,
         {SET(guest.interruptibility, 0x12)},
         "guest interruptibility 12: MOV SS blocks behind an enclave's interruption"},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

/* HAXM-20: the single step that STI, MOV SS and HLT delay; and where the VMCS links to. */
static void test_haxm20_pending_debug(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(guest.pending_debug, 0x2010)},
         "guest pending debug exceptions 2010: reserved bits (2010)"},
        {FLAT32, {SET(guest.pending_debug, 0x500f)}, NULL},
        {FLAT32,
         {SET(guest.interruptibility, 2), SET(guest.rflags, 0x102)},
         "guest pending debug exceptions 0: BS has to be set: blocked or halted, with TF and "
         "without BTF"},
        {FLAT32,
         {SET(guest.interruptibility, 1), SET(guest.rflags, 0x302)},
         "guest pending debug exceptions 0: BS has to be set: blocked or halted, with TF and "
         "without BTF"},
        {FLAT32,
         {SET(guest.activity, 1), SET(guest.rflags, 0x102)},
         "guest pending debug exceptions 0: BS has to be set: blocked or halted, with TF and "
         "without BTF"},
        {FLAT32,
         {SET(guest.interruptibility, 2), SET(guest.rflags, 0x102),
          SET(guest.pending_debug, 0x4000)},
         NULL},
        {FLAT32,
         {SET(guest.interruptibility, 2), SET(guest.pending_debug, 0x4000)},
         "guest pending debug exceptions 4000: BS has to be 0: blocked or halted, without TF or "
         "with BTF"},
        {FLAT32, {SET(guest.pending_debug, 0x11000)}, NULL},
        {FLAT32,
         {SET(guest.pending_debug, 0x11001)},
         "guest pending debug exceptions 11001: RTM together with what it excludes"},
        {FLAT32,
         {SET(guest.pending_debug, 0x11000), SET(guest.interruptibility, 2)},
         "guest pending debug exceptions 11000: RTM together with what it excludes"},
        {FLAT32,
         {SET(guest.link_pointer, 0x12340)},
         "guest VMCS link pointer 12340: neither all ones nor the address of a page (340)"},
        {FLAT32,
         {SET(guest.link_pointer, 0x10000000000)},
         "guest VMCS link pointer 10000000000: neither all ones nor the address of a page "
         "(10000000000)"},
        {FLAT32, {SET(guest.link_pointer, 0x12000)}, NULL},
    };
    struct vmx_fields f = valid(FLAT32);
    struct vmx_faults faults;

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);

    /* With BTF it is the other way around. */
    f.guest.debugctl = DEBUGCTL_BTF;
    f.guest.rflags |= RFLAGS_TF;
    f.guest.interruptibility = VMX_BLOCKED_MOV_SS;
    vmx_check_entry(&faults, &f, &haswell);
    assert_int_equal(faults.count, 0);
    f.guest.pending_debug = VMX_PENDING_BS;
    vmx_check_entry(&faults, &f, &haswell);
    assert_int_equal(faults.count, 1);
}

/* In an entry to SMM the activity and the blocking have rules of their own. */
static void test_smm(void **state)
{
    struct vmx_fields f = valid(FLAT32);
    struct vmx_faults faults = {.count = 0};

    (void)state;
    f.control.entry |= VMX_ENTRY_SMM;
    f.guest.interruptibility = VMX_BLOCKED_SMI;
    vmx_check_guest(&faults, &f, &haswell);
    assert_int_equal(faults.count, 0);
    f.guest.activity = VMX_WAITS_FOR_SIPI;
    vmx_check_guest(&faults, &f, &haswell);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.fault[0].rule, "waits for a SIPI in an entry to SMM");
}

/* More than are kept: they are counted, and nothing is written behind the last. */
static void test_many(void **state)
{
    struct vmx_fields f;
    struct vmx_faults faults;

    (void)state;
    memset(&f, 0xff, sizeof(f));
    vmx_check_entry(&faults, &f, &haswell);
    assert_true(faults.count > VMX_FAULTS_KEPT);
    memset(&f, 0, sizeof(f));
    vmx_check_entry(&faults, &f, &haswell);
    assert_true(faults.count > VMX_FAULTS_KEPT);
    assert_string_equal(faults.fault[0].group, "control");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_states),
        cmocka_unit_test(test_control_registers),
        cmocka_unit_test(test_not_loaded),
        cmocka_unit_test(test_tables_rip_rflags),
        cmocka_unit_test(test_activity),
        cmocka_unit_test(test_interruptibility),
        cmocka_unit_test(test_haxm20_pending_debug),
        cmocka_unit_test(test_smm),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
