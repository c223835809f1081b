/* vmx/check_controls.c, check_host.c: each check broken alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/compiler.h"
#include "tests/unit/vmx_states.h"

static void test_words(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(control.pin, 0x3c)},
         "control pin-based 3c: bits that VMX wants set on this processor (2)"},
        {FLAT32,
         {SET(control.pin, 0xbe)},
         "control pin-based be: bits this processor does not allow (80)"},
        {FLAT32,
         {SET(control.cpu, 0x92806172)},
         "control processor-based 92806172: bits that VMX wants set on this processor (4000000)"},
        {FLAT32,
         {SET(control.cpu, 0x9e806172)},
         "control processor-based 9e806172: bits this processor does not allow (8000000)"},
        {FLAT32,
         {SET(control.cpu2, 0x1010aa)},
         "control secondary 1010aa: bits this processor does not allow (100000)"},
        {FLAT32,
         {SET(control.exit, 0x3f6ffe)},
         "control VM-exit 3f6ffe: bits that VMX wants set on this processor (1)"},
        {FLAT32,
         {SET(control.exit, 0x803f6fff)},
         "control VM-exit 803f6fff: bits this processor does not allow (80000000)"},
        {FLAT32,
         {SET(control.entry, 0xd1fe)},
         "control VM-entry d1fe: bits that VMX wants set on this processor (1)"},
        {FLAT32,
         {SET(control.entry, 0x1d1ff)},
         "control VM-entry 1d1ff: bits this processor does not allow (10000)"},
        {FLAT32,
         {SET(control.entry, 0xd9ff)},
         "control VM-entry d9ff: only for an SMM monitor (800)"},
        {FLAT32,
         {SET(control.entry, 0xd5ff), SET(guest.interruptibility, 4)},
         "control VM-entry d5ff: only for an SMM monitor (400)"},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

static void test_exit_entry(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(control.exit, 0x7f6fff)},
         "control VM-exit 7f6fff: saves the preemption timer, which is off"},
        {FLAT32, {SET(control.exit, 0x7f6fff), SET(control.pin, 0x7e)}, NULL},
        {FLAT32, {SET(control.exit_store.address, 8)}, NULL},
        {FLAT32,
         {SET(control.exit_store.address, 8), SET(control.exit_store.count, 1)},
         "control VM-exit MSR-store address 8: is not the address of such a table"},
        {FLAT32,
         {SET(control.exit_load.address, 0xfffffffff0), SET(control.exit_load.count, 1)},
         NULL},
        {FLAT32,
         {SET(control.exit_load.address, 0xfffffffff0), SET(control.exit_load.count, 2)},
         "control VM-exit MSR-load address fffffffff0: is not the address of such a table"},
        {FLAT32,
         {SET(control.entry_load.address, 0x10000000000), SET(control.entry_load.count, 1)},
         "control VM-entry MSR-load address 10000000000: is not the address of such a table"},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

static void test_execution(void **state)
{
    static const struct broken rows[] = {
        {FLAT32, {SET(control.cr3_targets, 4)}, NULL},
        {FLAT32,
         {SET(control.cr3_targets, 5)},
         "control CR3-target count 5: more than this processor has"},
        {FLAT32,
         {SET(control.io_bitmap_a, 0x10010)},
         "control I/O bitmap A 10010: is not the address of a page (10)"},
        {FLAT32,
         {SET(control.io_bitmap_b, 0x10000000000)},
         "control I/O bitmap B 10000000000: is not the address of a page (10000000000)"},
        {FLAT32,
         {SET(control.msr_bitmap, 0x12800)},
         "control MSR bitmap 12800: is not the address of a page (800)"},
        {FLAT32,
         {SET(control.io_bitmap_a, 1), SET(control.msr_bitmap, 1), SET(control.cpu, 0x84806172)},
         NULL},
        {FLAT32,
         {SET(control.pin, 0x36)},
         "control pin-based 36: virtual NMIs without NMI exiting"},
        {FLAT32,
         {SET(control.pin, 0x1e), SET(control.cpu, 0x96c06172)},
         "control processor-based 96c06172: NMI-window exiting without virtual NMIs"},
        {FLAT32, {SET(control.cpu, 0x96c06172)}, NULL},
        {FLAT32, {SET(control.vpid, 0)}, "control VPID 0: is the host's"},
        {FLAT32, {SET(control.vpid, 0), SET(control.cpu2, 0x108a)}, NULL},
        {FLAT32,
         {SET(control.ept_pointer, 0x1305c)},
         "control EPT pointer 1305c: its memory type is not allowed here"},
        {FLAT32, {SET(control.ept_pointer, 0x13058)}, NULL},
        {FLAT32,
         {SET(control.ept_pointer, 0x13066)},
         "control EPT pointer 13066: its number of levels is not allowed here"},
        {FLAT32,
         {SET(control.ept_pointer, 0x1385e)},
         "control EPT pointer 1385e: reserved bits (800)"},
        {FLAT32,
         {SET(control.ept_pointer, 0x1000001305e)},
         "control EPT pointer 1000001305e: reserved bits (10000000000)"},
        {FLAT32,
         {SET(control.cpu2, 0x10a8)},
         "control secondary 10a8: unrestricted guest without EPT"},
    };
    struct vmx_features can = haswell;
    struct vmx_fields f = valid(FLAT32);
    struct vmx_faults faults;

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
    can.ept_vpid &= ~VMX_EPT_ACCESSED;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.fault[0].rule, "accessed bits, which this processor does not have");
    can.ept_vpid = haswell.ept_vpid & ~VMX_EPT_WB;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 1);
    can.ept_vpid = haswell.ept_vpid | HV_BIT(7);
    f.control.ept_pointer = 0x13066;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 0);
}

static void test_event(void **state)
{
    static const struct broken rows[] = {
        {FLAT32, {SET(control.event, 0x7ffff7ff)}, NULL}, /* none to deliver */
        {FLAT32,
         {SET(control.event, 0x80000120)},
         "control event 80000120: there is no such type on this processor"},
        {FLAT32,
         {SET(control.event, 0x80000700)},
         "control event 80000700: there is no such type on this processor"},
        {FLAT32,
         {SET(control.event, 0x80000203)},
         "control event 80000203: its vector is not one of its type"},
        {FLAT32,
         {SET(control.event, 0x80000320)},
         "control event 80000320: its vector is not one of its type"},
        {FLAT32,
         {SET(control.event, 0x80000a02)},
         "control event 80000a02: an error code with no exception"},
        {REAL16,
         {SET(control.event, 0x80000b0d)},
         "control event 80000b0d: an error code in real mode"},
        {REAL16, {SET(control.event, 0x8000030d)}, NULL},
        {FLAT32, {SET(control.event, 0x80000b0d)}, NULL},
        {FLAT32,
         {SET(control.event, 0x8000030d)},
         "control event 8000030d: the exception's error code is missing"},
        {FLAT32,
         {SET(control.event, 0x80000b06)},
         "control event 80000b06: an error code that the exception does not have"},
        {FLAT32,
         {SET(control.event, 0x80000b0e), SET(control.event_error, 0x10002)},
         "control event's error code 10002: reserved bits (10000)"},
        {FLAT32, {SET(control.event, 0x80000306), SET(control.event_error, 0x10002)}, NULL},
        {FLAT32, {SET(control.event, 0x80001306)}, "control event 80001306: reserved bits (1000)"},
        {FLAT32, {SET(control.event, 0x80000603), SET(control.event_length, 1)}, NULL},
        {FLAT32,
         {SET(control.event, 0x80000603)},
         "control event's instruction length 0: has to be 1 to 15"},
        {FLAT32,
         {SET(control.event, 0x80000480), SET(control.event_length, 16)},
         "control event's instruction length 10: has to be 1 to 15"},
        {FLAT32,
         {SET(control.event, 0x80000501)},
         "control event's instruction length 0: has to be 1 to 15"},
    };
    struct vmx_features can = haswell;
    struct vmx_fields f = valid(FLAT32);
    struct vmx_faults faults;

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);

    can.misc |= HV_BIT(30); /* a length of 0 is allowed */
    f.control.event = 0x80000603;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 0);
    can.cpu |= (uint64_t)VMX_CPU_MTF << 32;
    f.control.event = 0x80000700;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 0);
    f.control.event = 0x80000701;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 1);
    can.basic |= HV_BIT(56); /* any exception with or without */
    f.control.event = 0x80000b06;
    vmx_check_entry(&faults, &f, &can);
    assert_int_equal(faults.count, 0);
}

static void test_host(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(host.cr0, 0x80050013)},
         "host CR0 80050013: bits that VMX wants set on this processor (20)"},
        {FLAT32,
         {SET(host.cr4, 0x20)},
         "host CR4 20: bits that VMX wants set on this processor (2000)"},
        {FLAT32, {SET(host.cr4, 0x2000)}, "host CR4 2000: no PAE, of a 64-bit host"},
        {FLAT32,
         {SET(host.cr3, 0x10000000000)},
         "host CR3 10000000000: bits beyond the physical-address width (10000000000)"},
        {FLAT32,
         {SET(host.sysenter_esp, 0x800000000000)},
         "host SYSENTER_ESP 800000000000: is not canonical"},
        {FLAT32,
         {SET(host.sysenter_eip, 0x800000000000)},
         "host SYSENTER_EIP 800000000000: is not canonical"},
        {FLAT32, {SET(host.pat, 2)}, "host PAT 2: a byte of it is no memory type"},
        {FLAT32, {SET(host.efer, 0x1500)}, "host EFER 1500: reserved bits (1000)"},
        {FLAT32,
         {SET(host.efer, 0x100)},
         "host EFER 100: LMA and LME have to be set for a 64-bit host"},
        {FLAT32,
         {SET(host.efer, 0x400)},
         "host EFER 400: LMA and LME have to be set for a 64-bit host"},
        {FLAT32,
         {SET(host.selector[SEG_ES], 3)},
         "host ES selector 3: its RPL and TI have to be 0 (3)"},
        {FLAT32,
         {SET(host.selector[SEG_TR], 0x1c)},
         "host TR selector 1c: its RPL and TI have to be 0 (4)"},
        {FLAT32, {SET(host.selector[SEG_CS], 0)}, "host CS selector 0: may not be 0"},
        {FLAT32, {SET(host.selector[SEG_TR], 0)}, "host TR selector 0: may not be 0"},
        {FLAT32,
         {SET(host.fs_base, 0x800000000000)},
         "host FS base 800000000000: is not canonical"},
        {FLAT32,
         {SET(host.gs_base, 0x800000000000)},
         "host GS base 800000000000: is not canonical"},
        {FLAT32,
         {SET(host.tr_base, 0x800000000000)},
         "host TR base 800000000000: is not canonical"},
        {FLAT32,
         {SET(host.gdtr_base, 0x800000000000)},
         "host GDTR base 800000000000: is not canonical"},
        {FLAT32,
         {SET(host.idtr_base, 0x800000000000)},
         "host IDTR base 800000000000: is not canonical"},
        {FLAT32, {SET(host.rip, 0x800000000000)}, "host RIP 800000000000: is not canonical"},
        {FLAT32,
         {SET(control.exit, 0x3f6dff)},
         "host VM-exit controls 3f6dff: no \"host address-space size\", of a 64-bit host"},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),      cmocka_unit_test(test_execution),
        cmocka_unit_test(test_exit_entry), cmocka_unit_test(test_event),
        cmocka_unit_test(test_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
