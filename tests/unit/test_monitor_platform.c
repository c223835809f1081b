/* debug/monitor_platform.c: memory map and types, ACPI, PCI, APICs, power, self-test. */
#include <stdio.h>

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/registers.h"
#include "lib/bytes.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/ask_monitor.h"

enum { RSDT = 0x200000, FADT = 0x201000, DSDT = 0x202000, APIC_PAGE = 0xfee00000 };

static struct vcpu *v;
static uint64_t apic_base, def_type, tsc;
static uint32_t apic[256], pci_address, pci_written;
static uint64_t syscfg; /* AMD's; ~0: another maker's processor has none */
static bool has_mtrrs, intact;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct cpuid_result){.edx = has_mtrrs ? 1U << 12 : 0};
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    *value = 0;
    if (msr == MSR_APIC_BASE)
        *value = apic_base;
    else if (msr == MSR_MTRRCAP)
        *value = 2;
    else if (msr == MSR_MTRR_DEF_TYPE)
        *value = def_type;
    else if (msr == MSR_MTRR_FIX64K)
        *value = 0x0606060606060606;
    else if (msr == MSR_MTRR_PHYSBASE0)
        *value = 0x80000000;
    else if (msr == MSR_MTRR_PHYSBASE0 + 1)
        *value = 0xff80000800;
    else if (msr == MSR_X2APIC_ID)
        *value = 0x1234;
    else if (msr == MSR_SYSCFG)
        *value = syscfg;
    else if (msr == MSR_TOM2)
        *value = 0xff00000240123456; /* only bits 23 to 47 are an address */
    return msr != MSR_SYSCFG || syscfg != UINT64_MAX;
}

/* 00:00.0 is a bridge, 00:1f.0 and .2 one device, 02:00.0 behind it. */
uint32_t model_inl(uint16_t port)
{
    if (port == 0xcf8)
        return pci_address;
    assert_int_equal(port, 0xcfc);
    switch (pci_address) {
    case 0x80000000:
        return 0x29c08086;
    case 0x80000008:
        return 0x06000000;
    case 0x8000f800:
        return 0x29188086;
    case 0x8000f808:
        return 0x06010002;
    case 0x8000f80c:
        return 0x00800000;
    case 0x8000fa00:
        return 0x29228086;
    case 0x8000fa08:
        return 0x01060102;
    case 0x80020000:
        return 0x10d38086;
    case 0x80020008:
        return 0x7f000000;
    case 0x8000000c:
    case 0x8002000c:
        return 0;
    default:
        return UINT32_MAX;
    }
}

void model_outl(uint16_t port, uint32_t value)
{
    assert_int_equal(port, 0xcf8);
    pci_address = value;
    pci_written++;
}

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    assert_int_equal(size, 4);
    assert_in_range(address, APIC_PAGE, APIC_PAGE + 0xfff);
    return apic[(address - APIC_PAGE) / 16];
}

uint64_t model_read_register(const char *name)
{
    assert_string_equal(name, "tsc");
    return tsc++;
}

static bool memory_map(unsigned index, struct debug_range *range)
{
    static const struct debug_range map[] = {
        {0, 0x9fc00, 1},           {0x9fc00, 0xa0000, 2},        {0x100000, 0x7fe0000, 1},
        {0x7fe0000, 0x8000000, 3}, {0xfffc0000, 0x100000000, 2}, {0xfd00000000, 0x10000000000, 12}};

    if (index >= sizeof(map) / sizeof(map[0]))
        return false;
    *range = map[index];
    return true;
}

static bool code_intact(void)
{
    return intact;
}

static struct debug_config config;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    memset(&debug, 0, sizeof(debug));
    config = (struct debug_config){.memory_map = memory_map, .code_intact = code_intact};
    debug.config = &config;
    debug.stub.thread_g = 1;
    syscfg = 0;
    has_mtrrs = intact = true;
    def_type = 0xc00;
    apic_base = APIC_PAGE | APIC_BASE_ENABLE | APIC_BASE_BOOTSTRAP;
    memset(apic, 0, sizeof(apic));
    return 0;
}

static void expect(const char *text)
{
    if (!strstr(out, text))
        fail_msg("no \"%s\" in:\n%s", text, out);
}

static void test_e820(void **state)
{
    (void)state;
    assert_string_equal(ask("e820"), "0000000000000-000000009fbff  RAM\n"
                                     "000000009fc00-000000009ffff  reserved\n"
                                     "0000000100000-0000007fdffff  RAM\n"
                                     "0000007fe0000-0000007ffffff  ACPI tables\n"
                                     "00000fffc0000-00000ffffffff  reserved\n"
                                     "000fd00000000-000ffffffffff  of another type\n");
}

static void test_mtrr(void **state)
{
    (void)state;
    ask("mtrr");
    expect("default: uncacheable; fixed ranges on; memory types on\n");
    expect("0000000000000-000000007ffff  write back\n");
    expect("0000000080000-00000000fffff  uncacheable\n");
    expect("0000080000000-00000ffffffff  uncacheable (0)\n");
    assert_null(strstr(out, "(1)"));
    /* AMD: on, and forced, or it does not count. */
    assert_null(strstr(out, "TOM2"));
    syscfg = 1 << 22;
    assert_null(strstr(ask("mtrr"), "TOM2"));
    syscfg = 3 << 21;
    ask("mtrr");
    expect("0000100000000-000023fffffff  write back (SYSCFG, up to TOM2)\n");
    syscfg = UINT64_MAX;
    assert_null(strstr(ask("mtrr"), "TOM2"));
    def_type = 0;
    expect(strstr(ask("mtrr"), "memory types off: all is uncacheable"));
    has_mtrrs = false;
    expect(strstr(ask("mtrr"), "default: write back"));
}

static void table(uint32_t at, const char *signature, uint32_t size)
{
    uint8_t *bytes = model_memory(at);

    memcpy(bytes, signature, 4);
    memcpy(bytes + 4, &size, 4);
    bytes[9] = 0;
    bytes[9] = (uint8_t)-sum_bytes(bytes, size);
}

static void make_tables(void)
{
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0};

    model_memory_put(RSDT + 36, FADT | (uint64_t)DSDT << 32);
    model_memory_put(RSDT + 44, 0x300000ULL << 32);
    table(RSDT, "RSDT", 52);
    model_memory_put(FADT + 40, DSDT);
    model_memory_put(FADT + 64, 0x604);
    table(FADT, "FACP", 116);
    memcpy(model_memory(DSDT + 64), s5, sizeof(s5));
    table(DSDT, "\1SD\xff", 128);
    config.acpi.rsdt = RSDT;
}

static void test_acpi(void **state)
{
    (void)state;
    assert_string_equal(ask("acpi"), "there are no ACPI tables\n");
    make_tables();
    ask("acpi");
    expect("RSDT at 200000, XSDT at 0\n");
    expect("FACP  at 201000, 116 bytes\n");
    expect("?SD?  at 202000, 128 bytes\n");
    expect("at 300000, not in memory or of a senseless length\n");
    *model_memory(RSDT + 40) += 1;
    ask("acpi");
    expect("the list itself cannot be read, or its checksum is wrong\n");
}

static void test_pci(void **state)
{
    (void)state;
    pci_address = 0x80001234; /* what the guest has written there */
    assert_string_equal(ask("pci"), "00:00.0  8086:29c0  class 060000  bridge\n"
                                    "00:1f.0  8086:2918  class 060100  bridge\n"
                                    "00:1f.2  8086:2922  class 010601  storage\n"
                                    "02:00.0  8086:10d3  class 7f0000  other\n");
    assert_int_equal(pci_address, 0x80001234);
}

static void test_apic(void **state)
{
    (void)state;
    apic[APIC_LVT_TIMER / 16] = 0x200ec;
    apic[APIC_LVT_LINT0 / 16] = 0x10700;
    apic[APIC_LVT_LINT1 / 16] = 0x400;
    apic[APIC_ISR / 16 + 7] = 1U << 12;
    apic[APIC_SVR / 16] = 0x1ff;
    ask("apic");
    expect("local APIC of CPU 0 at fee00000, xAPIC mode\n");
    expect("svr 000001ff\n");
    expect("timer    vector ec  fixed \n");
    expect("LINT0    vector 00  ExtINT  masked\n");
    expect("LINT1    vector 00  NMI   \n");
    expect("in service: vector ec\n");
    assert_null(strstr(out, "requested"));
    expect("I/O APIC: gdbvisor knows of none\n");
    apic_base |= APIC_BASE_X2APIC;
    ask("apic");
    expect("x2APIC mode\n");
    expect("id 00001234");
    apic_base = APIC_PAGE;
    ask("apic");
    expect("fee00000, off\n");
    assert_null(strstr(out, "svr"));
}

static void test_poweroff(void **state)
{
    (void)state;
    expect(strstr(ask("poweroff"), "ACPI does not say how"));
    assert_false(debug.power_off_asked);
    make_tables();
    memcpy(model_memory(DSDT), "DSDT", 4);
    assert_string_equal(ask("poweroff"), "the machine is switched off\n");
    assert_true(debug.power_off_asked);
    assert_int_equal(debug.power.pm1a, 0x604);
    assert_int_equal(debug.power.type_a, 5);
}

static void test_selftest(void **state)
{
    (void)state;
    ask("selftest");
    expect("gdbvisor's code is as it was loaded          ok\n");
    expect("selftest: ok\n");
    intact = false;
    ask("selftest");
    expect("gdbvisor's code is as it was loaded          FAILED\n");
    expect("selftest: FAILED\n");
    intact = true;
    v->regs.rip = 0xfee00000;
    ask("selftest");
    expect("what stands there is memory                  FAILED\n");
    expect("selftest: FAILED\n");
}

static void test_usage(void **state)
{
    static const char *const names[] = {"e820", "mtrr",     "acpi",    "pci",
                                        "apic", "selftest", "poweroff"};
    char command[32], answer[48];

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(command, sizeof(command), "%s now", names[i]);
        snprintf(answer, sizeof(answer), "usage: monitor %s\n", names[i]);
        assert_string_equal(ask(command), answer);
    }
    assert_false(debug.power_off_asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_e820, setup),     cmocka_unit_test_setup(test_mtrr, setup),
        cmocka_unit_test_setup(test_acpi, setup),     cmocka_unit_test_setup(test_pci, setup),
        cmocka_unit_test_setup(test_apic, setup),     cmocka_unit_test_setup(test_poweroff, setup),
        cmocka_unit_test_setup(test_selftest, setup), cmocka_unit_test_setup(test_usage, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
