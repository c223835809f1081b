/* core/policy.c: what of the guest's world is not passed through (USER-10, USER-11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/io_policy.h"
#include "core/policy.h"
#include "tests/model/backend.h"

/* The processor: two MSRs, ports that answer their own number, and a log of writes. */
enum { MSR_THERE = 0x1a0, MSR_GONE = 0x1a1 };
static uint64_t msr_value;
static bool has_feature_control;
static uint32_t icr_writes;
static struct {
    uint16_t port;
    uint8_t value;
} port_writes[8];
static unsigned port_write_count, port_reads;
static uint32_t ext_edx = 1U << 20 | 1U << 25, max_leaf = 0x80000021, leaf_21 = 1 << 8;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 0x80000000:
        return (struct cpuid_result){max_leaf, 0, 0, 0};
    case 0x80000001:
        return (struct cpuid_result){0, 0, 0, ext_edx};
    case 0x80000021:
        return (struct cpuid_result){leaf_21, 0, 0, 0};
    default:
        fail();
        return (struct cpuid_result){0, 0, 0, 0};
    }
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    *value = msr == MSR_APIC_BASE ? 0xfee00d00 : msr_value; /* in x2APIC mode */
    return msr == MSR_THERE || (msr == MSR_FEATURE_CONTROL && has_feature_control);
}

bool model_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_X2APIC_ICR) {
        icr_writes++;
        return true;
    }
    msr_value = value;
    return msr == MSR_THERE;
}

uint8_t model_inb(uint16_t port)
{
    port_reads++;
    return (uint8_t)port;
}

void model_outb(uint16_t port, uint8_t value)
{
    port_writes[port_write_count].port = port;
    port_writes[port_write_count++].value = value;
}

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    port_write_count = port_reads = 0;
    return 0;
}

static void test_hidden_msrs(void **state)
{
    static const uint32_t hidden[] = {MSR_VM_CR,    MSR_VM_HSAVE_PA, MSR_SVM_KEY,  MSR_VMX_BASIC,
                                      MSR_VMX_LAST, MSR_RTIT_FIRST,  MSR_RTIT_LAST};
    uint64_t value;

    (void)state;
    msr_value = 0x1234;
    for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        assert_false(msr_policy_read(v, hidden[i], &value));
        assert_false(msr_policy_write(v, hidden[i], 0));
    }
    assert_int_equal(msr_value, 0x1234); /* not touched */
}

/* IA32_FEATURE_CONTROL, where there is one: locked, without VMX and SMX, the rest as it is. */
static void test_feature_control(void **state)
{
    uint64_t value;

    (void)state;
    assert_false(msr_policy_read(v, MSR_FEATURE_CONTROL, &value));
    has_feature_control = true;
    msr_value = 0x14ff07;
    assert_true(msr_policy_read(v, MSR_FEATURE_CONTROL, &value));
    assert_int_equal(value, 0x140001);
    msr_value = 0;
    assert_true(msr_policy_read(v, MSR_FEATURE_CONTROL, &value));
    assert_int_equal(value, 1);
    assert_false(msr_policy_write(v, MSR_FEATURE_CONTROL, 5));
    has_feature_control = false;
}

static void test_other_msrs(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_true(msr_policy_write(v, MSR_THERE, 0xfeedULL << 32));
    assert_true(msr_policy_read(v, MSR_THERE, &value));
    assert_int_equal(value, 0xfeedULL << 32);
    assert_false(msr_policy_read(v, MSR_GONE, &value)); /* #GP, as the processor said */
    assert_false(msr_policy_write(v, MSR_GONE, 1));
}

/* INIT and start-up IPIs go nowhere; all other IPIs do. */
static void test_x2apic_icr(void **state)
{
    static const uint32_t sent[] = {0x0, 0x4, 0x100, 0x400, 0x40000, 0xc0000 | 0xfd};
    static const uint32_t dropped[] = {0x500, 0x600, 0x4500, 0xc4500, 0xc4608, 0x699};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        icr_writes = 0;
        assert_true(msr_policy_write(v, MSR_X2APIC_ICR, 1ULL << 32 | sent[i]));
        assert_int_equal(icr_writes, 1);
        assert_true(msr_policy_write(v, MSR_X2APIC_ICR, 1ULL << 32 | dropped[i]));
        assert_int_equal(icr_writes, 1);
    }
}

static void set_efer(uint64_t efer, uint64_t cr0)
{
    vcpu_change(v, REGS_CONTROL);
    v->regs.efer = efer;
    v->regs.cr0 = cr0;
    v->changed = 0;
}

/* APM vol. 2, "Activating Long Mode". */
static void test_efer_writes(void **state)
{
    uint64_t value;

    (void)state;
    set_efer(0, CR0_PE);
    assert_true(msr_policy_write(v, MSR_EFER, EFER_LME | EFER_SCE | EFER_NXE | EFER_FFXSR));
    assert_true(v->changed & REGS_CONTROL);
    assert_true(msr_policy_read(v, MSR_EFER, &value));
    assert_int_equal(value, EFER_LME | EFER_SCE | EFER_NXE | EFER_FFXSR);
    /* LMA is not for writing, either way. */
    assert_true(msr_policy_write(v, MSR_EFER, EFER_LME | EFER_LMA));
    assert_int_equal(v->regs.efer, EFER_LME);
    set_efer(EFER_LME | EFER_LMA, CR0_PE | CR0_PG);
    assert_true(msr_policy_write(v, MSR_EFER, EFER_LME | EFER_SCE));
    assert_int_equal(v->regs.efer, EFER_LME | EFER_LMA | EFER_SCE);
    /* LME only while paging is off. */
    assert_false(msr_policy_write(v, MSR_EFER, EFER_SCE));
    assert_int_equal(v->regs.efer, EFER_LME | EFER_LMA | EFER_SCE);
    set_efer(0, CR0_PE | CR0_PG);
    assert_false(msr_policy_write(v, MSR_EFER, EFER_LME));
    assert_true(msr_policy_write(v, MSR_EFER, EFER_NXE));
}

/* SVME is hidden; so is what the processor has not. */
static void test_efer_unknown_bits(void **state)
{
    (void)state;
    set_efer(0, CR0_PE);
    assert_false(msr_policy_write(v, MSR_EFER, EFER_SVME));
    assert_false(msr_policy_write(v, MSR_EFER, 1ULL << 63));
    assert_false(msr_policy_write(v, MSR_EFER, 1 << 1));
    assert_false(msr_policy_write(v, MSR_EFER, 1 << 16));
    assert_true(msr_policy_write(v, MSR_EFER, 1 << 21)); /* AutomaticIBRS */
    leaf_21 = 0;
    assert_false(msr_policy_write(v, MSR_EFER, 1 << 21));
    max_leaf = 0x8000001f;
    leaf_21 = 1 << 8;
    assert_false(msr_policy_write(v, MSR_EFER, 1 << 21));
    ext_edx = 1U << 25;
    assert_false(msr_policy_write(v, MSR_EFER, EFER_NXE));
    ext_edx = 1U << 20;
    assert_false(msr_policy_write(v, MSR_EFER, EFER_FFXSR));
    assert_true(msr_policy_write(v, MSR_EFER, EFER_NXE));
}

/* USER-11: an absent device, whatever the size and alignment. 0x3f8-0x3ff are hidden. */
static void test_user11_hidden_ports(void **state)
{
    uint32_t value = 0;

    (void)state;
    assert_int_equal(io_policy_hide(0x3f8, 8, NULL), HV_OK);
    for (uint32_t port = 0; port < 0x10000; port++)
        assert_int_equal(io_policy_is_hidden((uint16_t)port), port >= 0x3f8 && port <= 0x3ff);
    io_policy_access(0x3f8, 1, true, &value);
    assert_int_equal(value, 0xff);
    io_policy_access(0x3fe, 2, true, &value);
    assert_int_equal(value, 0xffff);
    io_policy_access(0x3fc, 4, true, &value);
    assert_int_equal(value, 0xffffffff);
    value = 0x12345678;
    io_policy_access(0x3fc, 4, false, &value);
    assert_int_equal(port_write_count, 0);
    assert_int_equal(port_reads, 0);
}

/* Of an access over the edge, what is not hidden is done. */
static void test_user11_straddling(void **state)
{
    uint32_t value = 0;

    (void)state;
    io_policy_access(0x3f7, 2, true, &value);
    assert_int_equal(value, 0xfff7);
    io_policy_access(0x3ff, 2, true, &value);
    assert_int_equal(value, 0x00ff);
    io_policy_access(0x3f6, 4, true, &value);
    assert_int_equal(value, 0xfffff7f6);
    io_policy_access(0x3fe, 4, true, &value);
    assert_int_equal(value, 0x0100ffff);
    assert_int_equal(port_reads, 1 + 1 + 2 + 2);
    value = 0x44332211;
    io_policy_access(0x3f6, 4, false, &value);
    assert_int_equal(port_write_count, 2);
    assert_int_equal(port_writes[0].port, 0x3f6);
    assert_int_equal(port_writes[0].value, 0x11);
    assert_int_equal(port_writes[1].port, 0x3f7);
    assert_int_equal(port_writes[1].value, 0x22);
    io_policy_access(0x3fe, 4, false, &value);
    assert_int_equal(port_write_count, 4);
    assert_int_equal(port_writes[2].port, 0x400);
    assert_int_equal(port_writes[2].value, 0x33);
}

/* A device that is there and idle: each port has its own byte. */
static void test_hidden_ports_with_values(void **state)
{
    static const uint8_t reads[4] = {1, 0x60, 0, 0xff};
    uint32_t value = 0;

    (void)state;
    assert_int_equal(io_policy_hide(0xfff8, 4, reads), HV_OK);
    io_policy_access(0xfff9, 1, true, &value);
    assert_int_equal(value, 0x60);
    io_policy_access(0xfff8, 4, true, &value);
    assert_int_equal(value, 0xff006001);
    assert_int_equal(port_reads, 0);
    value = 0;
    io_policy_access(0xfff9, 1, false, &value);
    assert_int_equal(port_write_count, 0);
}

static uint8_t device[4];

static bool access_device(unsigned offset, bool in, uint8_t *value)
{
    assert_true(offset < 4);
    if (in)
        *value = device[offset];
    else
        device[offset] = *value;
    return offset == 3;
}

/* USER-7: a device of ours gets each byte, and its wish to be looked at is passed on. */
static void test_user7_device(void **state)
{
    uint32_t value = 0x44332211;

    (void)state;
    assert_int_equal(io_policy_device(0x2f8, 4, access_device), HV_OK);
    assert_true(io_policy_is_hidden(0x2fb));
    assert_true(io_policy_access(0x2f8, 4, false, &value));
    assert_memory_equal(device, "\x11\x22\x33\x44", 4);
    value = 0;
    assert_false(io_policy_access(0x2f8, 2, true, &value));
    assert_int_equal(value, 0x2211);
    assert_true(io_policy_access(0x2fb, 2, true, &value)); /* the last one, and a port behind it */
    assert_int_equal(value & 0xff, 0x44);
    assert_int_equal(port_reads, 1);
    assert_false(io_policy_access(0x3f8, 1, true, &value));
}

static unsigned told;

static bool tell(uint16_t port, uint8_t value)
{
    told = told << 16 | (unsigned)(port & 0xff) << 8 | value;
    return value == 0xff;
}

/* A tapped port's writes go on; reads and all others are as ever. */
static void test_user7_tap(void **state)
{
    const uint8_t *map = io_policy_map(POLICY_OWN);
    uint32_t value = 0xff12;

    (void)state;
    assert_int_equal(io_policy_tap(0x80, tell), HV_OK);
    assert_int_equal(io_policy_tap(0x81, tell), HV_OK);
    io_policy_build();
    assert_int_equal(map[0x80 / 8], 3);
    assert_true(io_policy_access(0x80, 2, false, &value));
    assert_int_equal(told, 0x801281ff);
    assert_int_equal(port_write_count, 2);
    assert_int_equal(port_writes[1].port, 0x81);
    assert_int_equal(port_writes[1].value, 0xff);
    assert_false(io_policy_access(0x80, 1, true, &value));
    assert_int_equal(port_reads, 1);
    assert_int_equal(io_policy_tap(0x81, NULL), HV_OK);
    assert_int_equal(io_policy_tap(0x82, NULL), HV_OK); /* there was none */
    value = 0xffff;
    assert_true(io_policy_access(0x80, 2, false, &value));
    assert_int_equal(told, 0x81ff80ff);
    for (uint16_t port = 0xe0; port < 0xe3; port++)
        assert_int_equal(io_policy_tap(port, tell), HV_OK);
    assert_int_equal(io_policy_tap(0xe3, tell), HV_ENOSPC);
    assert_int_equal(io_policy_tap(0x80, NULL), HV_OK);
    assert_int_equal(io_policy_tap(0xe3, tell), HV_OK);
    for (uint16_t port = 0xe0; port < 0xe4; port++)
        assert_int_equal(io_policy_tap(port, NULL), HV_OK);
    io_policy_build();
    assert_int_equal(map[0x80 / 8] | map[0xe0 / 8], 0);
}

static void test_hide_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(io_policy_hide(0xfffc, 4, NULL), HV_OK);
    assert_true(io_policy_is_hidden(0xffff));
    assert_false(io_policy_is_hidden(0));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(io_policy_hide(0, 0, NULL), HV_OK);
    assert_false(io_policy_is_hidden(0));
    assert_int_equal(io_policy_hide(0, 1, NULL), HV_ENOSPC);
    assert_false(io_policy_is_hidden(0));
}

static struct cpuid_words filter(uint32_t leaf, uint32_t ecx, uint64_t cr4)
{
    return cpuid_policy(leaf, 0, (struct cpuid_words){0xa, 0xb, ecx, 0xd}, cr4);
}

static void test_cpuid(void **state)
{
    struct cpuid_words w;

    (void)state;
    assert_int_equal(filter(0x80000001, UINT32_MAX, 0).ecx, 0xffffeffb); /* SVM, SKINIT */
    w = filter(0x8000000a, 5, 0);
    assert_int_equal(w.eax | w.ebx | w.ecx | w.edx, 0);
    /* OSXSAVE and OSPKE mirror the guest's CR4, not ours. */
    assert_int_equal(filter(1, UINT32_MAX, 0).ecx, ~(1U << 27 | 1U << 5 | 1U << 6)); /* VMX, SMX */
    assert_int_equal(filter(1, 0, CR4_OSXSAVE).ecx, 1U << 27);
    assert_int_equal(filter(7, UINT32_MAX, CR4_OSXSAVE).ecx, ~(1U << 4));
    assert_int_equal(filter(7, 0, 1 << 22).ecx, 1U << 4);
    w = (struct cpuid_words){0, 0, 0x10, 0};
    assert_int_equal(cpuid_policy(7, 1, w, 0).ecx, 0x10); /* not of other subleaves */
    /* All else is the processor's. */
    static const uint32_t leaves[] = {0, 2, 0xd, 0x40000000, 0x80000000, 0x80000008, 0x8000001f};
    for (unsigned i = 0; i < 7; i++) {
        w = filter(leaves[i], 0x99, UINT64_MAX);
        assert_true(w.eax == 0xa && w.ebx == 0xb && w.ecx == 0x99 && w.edx == 0xd);
    }
    w = filter(0x80000001, 0x99, 0);
    assert_true(w.eax == 0xa && w.ebx == 0xb && w.ecx == 0x99 && w.edx == 0xd);
}

/* SDM vol. 2, "XSETBV": its #GP conditions, one by one. */
static void test_xcr0(void **state)
{
    enum { ALL = 0x602e7 | 3 << 3 };
    static const uint64_t good[] = {1, 3, 7, 0x1f, 0xe7, 0x203, 0x60003, 0x602ff};
    static const uint64_t bad[] = {0,    2,    6,       5,       0xb,     0x13,
                                   0x27, 0xe3, 0x20003, 0x40003, 0x10003, 1ULL << 63 | 3};

    (void)state;
    for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(xcr0_policy(good[i], ALL));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(xcr0_policy(bad[i], bad[i] == 0x10003 || bad[i] >> 63 ? ALL : UINT64_MAX));
    assert_false(xcr0_policy(7, 3)); /* no AVX in this processor */
}

/* A backend's rows: by leaf and subleaf, besides core's own. */
static void test_cpuid_of_a_backend(void **state)
{
    static const struct cpuid_row rows[] = {{7, 1, {.eax = 2}},
                                            {0xd, CPUID_ANY_SUBLEAF, {.ebx = 1, .edx = 4}},
                                            {0x80000001, CPUID_ANY_SUBLEAF, {.ecx = 0x80}}};
    static const struct cpuid_words real = {0xf, 0xf, 0xff, 0xf};
    struct cpuid_words w;

    (void)state;
    cpuid_policy_hide(rows, 3);
    assert_int_equal(cpuid_policy(7, 1, real, 0).eax, 0xd);
    assert_int_equal(cpuid_policy(7, 0, real, 0).eax, 0xf);
    w = cpuid_policy(0xd, 5, real, 0);
    assert_true(w.eax == 0xf && w.ebx == 0xe && w.ecx == 0xff && w.edx == 0xb);
    assert_int_equal(cpuid_policy(0x80000001, 9, real, 0).ecx, 0x7b); /* and SVM */
    cpuid_policy_hide(NULL, 0);
    assert_int_equal(cpuid_policy(7, 1, real, 0).eax, 0xf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_hidden_msrs, setup),
        cmocka_unit_test_setup(test_feature_control, setup),
        cmocka_unit_test_setup(test_other_msrs, setup),
        cmocka_unit_test_setup(test_x2apic_icr, setup),
        cmocka_unit_test_setup(test_efer_writes, setup),
        cmocka_unit_test_setup(test_efer_unknown_bits, setup),
        cmocka_unit_test_setup(test_user11_hidden_ports, setup),
        cmocka_unit_test_setup(test_user11_straddling, setup),
        cmocka_unit_test_setup(test_hidden_ports_with_values, setup),
        cmocka_unit_test_setup(test_user7_device, setup),
        cmocka_unit_test_setup(test_user7_tap, setup),
        cmocka_unit_test_setup(test_hide_is_bounded, setup),
        cmocka_unit_test_setup(test_cpuid, setup),
        cmocka_unit_test(test_xcr0),
        cmocka_unit_test_setup(test_cpuid_of_a_backend, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
