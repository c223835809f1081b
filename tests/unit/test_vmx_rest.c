/*
 * vmx/rest.c: a CPU waits in a VMCS of its own, halted or for a start-up, and INIT and start-ups
 * that come there are noted. The rules of VM entry are checked at each (fake_vmentry.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ipi.h"
#include "core/park.h"
#include "tests/unit/fake_vmentry.h"
#include "vmx/rest.h"

/* What comes, one at each entry; STALE: an INIT that the processor has kept. */
enum event { NMI, INIT, STALE, STARTUP, WINDOW };
static const enum event *coming;
static enum vmx_activity activities[8];
static unsigned waits; /* entries */

static void nmi_exits(void)
{
    ends(VMX_REASON_EVENT, 0, 0);
    vmcs[VMCS_EXIT_EVENT] = VMX_EVENT_VALID | VMX_EVENT_NMI << 8 | VECTOR_NMI;
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] = VMX_BLOCKED_NMI;
}

static void event_comes(void)
{
    assert_int_equal(given[VMCS_GUEST_RFLAGS], RFLAGS_ONE); /* no device interrupt wakes it */
    assert_int_equal(given[VMCS_CPU_CONTROLS2] & VMX_CPU2_EPT, 0);
    assert_int_equal(given[VMCS_GUEST_RIP], (uint64_t)vmx_trial);
    activities[waits++] = (enum vmx_activity)given[VMCS_GUEST_ACTIVITY];
    if (given[VMCS_GUEST_ACTIVITY] == VMX_ACTIVE) /* it must not come to the first instruction */
        assert_true(given[VMCS_CPU_CONTROLS] & VMX_CPU_NMI_WINDOW);
    switch (*coming++) {
    case NMI:
        assert_int_not_equal(given[VMCS_GUEST_ACTIVITY], VMX_WAITS_FOR_SIPI);
        nmi_exits();
        return;
    case INIT:
        assert_int_equal(given[VMCS_GUEST_ACTIVITY], VMX_HALTED);
        ends(VMX_REASON_INIT, 0, 0);
        return;
    case STALE:
        assert_int_equal(given[VMCS_GUEST_ACTIVITY], VMX_ACTIVE);
        ends(VMX_REASON_INIT, 0, 0);
        return;
    case STARTUP:
        assert_int_equal(given[VMCS_GUEST_ACTIVITY], VMX_WAITS_FOR_SIPI);
        ends(VMX_REASON_STARTUP, 0x9a, 0);
        return;
    case WINDOW:
        assert_int_equal(given[VMCS_GUEST_ACTIVITY], VMX_ACTIVE);
        ends(VMX_REASON_NMI_WINDOW, 0, 0);
        return;
    }
}

/* Who needs the local APIC: nobody here; its base is asked for. */
uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    (void)address;
    (void)size;
    return 0;
}

static void begin(bool waiting)
{
    power_on();
    start();
    ipi_add_cpu(v, waiting ? AP_WAITS : AP_BOOTSTRAP);
    ipi_init_by_exits();
    guest = event_comes;
    waits = 0;
}

static unsigned wait(const enum event *events, unsigned count)
{
    unsigned before = waits;

    coming = events;
    unsigned nmis = vmx_backend.wait(v);
    assert_int_equal(waits - before, count);
    return nmis;
}

#define WAIT(...)                                                                                  \
    wait((const enum event[]){__VA_ARGS__}, HV_ARRAY_SIZE(((const enum event[]){__VA_ARGS__})))

static enum ap_action take(uint8_t *vector)
{
    return ipi_take(v, vector);
}

/* One that the guest has started and gdb holds: INIT is seen at once, then it waits otherwise. */
static void test_held(void **state)
{
    uint8_t vector = 0;

    (void)state;
    begin(true);
    assert_int_equal(WAIT(STARTUP, WINDOW), 0);
    assert_int_equal(take(&vector), AP_START);
    assert_int_equal(vector, 0x9a);
    assert_int_equal(WAIT(NMI), 1);
    assert_int_equal(activities[2], VMX_HALTED);
    assert_int_equal(WAIT(INIT), 0);
    /* Before it has taken the INIT, too: the start-up may come soon. */
    assert_int_equal(WAIT(STARTUP, WINDOW), 0);
    /* And after that it is not slept over. */
    assert_int_equal(WAIT(NMI), 1);
    assert_int_equal(activities[waits - 1], VMX_HALTED);
    assert_int_equal(take(&vector), AP_RESET);
    assert_int_equal(take(&vector), AP_START);
    assert_int_equal(take(&vector), AP_NOTHING);
}

/* An INIT while it waits already: dropped when the processor keeps it, once. */
static void test_stale_init(void **state)
{
    uint8_t vector;

    (void)state;
    begin(true);
    assert_int_equal(WAIT(STARTUP, STALE, WINDOW), 0);
    assert_int_equal(take(&vector), AP_START);
    assert_int_equal(take(&vector), AP_NOTHING);
    /* The controls are as before: a next wait ends by an NMI, not by the window. */
    assert_int_equal(WAIT(NMI), 1);
    assert_int_equal(given[VMCS_CPU_CONTROLS] & VMX_CPU_NMI_WINDOW, 0);
}

/* A kick that could not come to it comes with the start-up, and is told. */
static void test_kick_behind_startup(void **state)
{
    uint8_t vector;

    (void)state;
    begin(true);
    assert_int_equal(WAIT(STARTUP, NMI, WINDOW), 1);
    assert_int_equal(take(&vector), AP_START);
    /* One that the host took itself is told by the next wait or entry. */
    begin(true);
    host_nmi();
    assert_int_equal(wait(NULL, 0), 1);
    assert_int_equal(WAIT(STARTUP, WINDOW), 0);
    /* Each is counted: those the host took, and those that exits did. */
    begin(true);
    assert_int_equal(WAIT(STARTUP, NMI, NMI, WINDOW), 2);
    host_nmi();
    host_nmi();
    assert_int_equal(wait(NULL, 0), 2);
}

/* A processor that never lets an INIT go does not hang us. */
static void test_init_for_ever(void **state)
{
    uint8_t vector;

    (void)state;
    begin(true);
    assert_int_equal(WAIT(STARTUP, STALE, STALE, STALE, STALE), 0);
    assert_int_equal(take(&vector), AP_START);
}

/* The guest's own VMCS is the current one behind it, and runs on as before. */
static void test_guest_behind(void **state)
{
    const struct model_vmcs *guests;

    (void)state;
    begin(false);
    guests = current;
    guest = NULL;
    enter(RUN_FREE);
    guest = event_comes;
    assert_int_equal(WAIT(NMI), 1);
    assert_ptr_equal(current, guests);
    guest = NULL;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_CPUID);
}

/* INIT ends the guest's running as well, and is not an instruction's exit. */
static void init_comes(void)
{
    ends(VMX_REASON_INIT, 0, 7);
}

static void test_init_in_the_guest(void **state)
{
    (void)state;
    begin(false);
    guest = init_comes;
    enter(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_INIT);
    assert_int_equal(out.insn_length, 0);
}

/* IA32_VMX_MISC: both states are needed. */
static void test_offered(void **state)
{
    struct vmx_features f = {.misc = VMX_MISC_HALTED | VMX_MISC_WAITS_FOR_SIPI};

    (void)state;
    assert_true(vmx_rest_offered(&f));
    f.misc = VMX_MISC_HALTED;
    assert_false(vmx_rest_offered(&f));
    f.misc = ~VMX_MISC_HALTED;
    assert_false(vmx_rest_offered(&f));
    /* Without, there is no VMCS for it. */
    power_on();
    *msr_value(MSR_VMX_MISC) = 0;
    start();
    assert_false(vmx_backend.init_exits());
    assert_string_equal(said, "vmxon vmclear vmptrld ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),          cmocka_unit_test(test_stale_init),
        cmocka_unit_test(test_guest_behind),  cmocka_unit_test(test_kick_behind_startup),
        cmocka_unit_test(test_init_for_ever), cmocka_unit_test(test_init_in_the_guest),
        cmocka_unit_test(test_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
