/* debug/monitor_machine.c: cpu, msr, in, out, phys; and gdb's memory commands made physical. */
#include <stdio.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/io_policy.h"
#include "core/ipi.h"
#include "debug/breakpoints.h"
#include "lib/string.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/ask_monitor.h"

static struct vcpu *v;
static struct {
    uint32_t msr;
    uint64_t value;
    unsigned reads, writes;
} msr;
static uint8_t ports[0x10000];
static const char *features;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = {.eax = 0x306c3};

    (void)subleaf;
    if (leaf == 0) {
        memcpy(&r.ebx, "Auth", 4);
        memcpy(&r.edx, "enti", 4);
        memcpy(&r.ecx, "cAMD", 4);
    }
    return r;
}

bool model_rdmsr(uint32_t number, uint64_t *value)
{
    *value = msr.value;
    msr.reads++;
    return number == msr.msr;
}

bool model_wrmsr(uint32_t number, uint64_t value)
{
    if (number != msr.msr || value >> 63)
        return false;
    msr.value = value;
    msr.writes++;
    return true;
}

uint8_t model_inb(uint16_t port)
{
    return ports[port];
}

uint16_t model_inw(uint16_t port)
{
    return (uint16_t)(ports[port] | ports[port + 1] << 8);
}

uint32_t model_inl(uint16_t port)
{
    return model_inw(port) | (uint32_t)model_inw((uint16_t)(port + 2)) << 16;
}

void model_outb(uint16_t port, uint8_t value)
{
    ports[port] = value;
}

void model_outw(uint16_t port, uint16_t value)
{
    memcpy(ports + port, &value, 2);
}

void model_outl(uint16_t port, uint32_t value)
{
    memcpy(ports + port, &value, 4);
}

static size_t describe(char *text, size_t size)
{
    return str_copy(text, size, features);
}

static int setup(void **state)
{
    static struct hv_backend backend;

    (void)state;
    v = model_backend_reset();
    backend = *hv_backend;
    backend.describe = describe;
    hv_backend = &backend;
    features = "NPT, 64 ASIDs";
    memset(&debug, 0, sizeof(debug));
    memset(&msr, 0, sizeof(msr));
    memset(ports, 0, sizeof(ports));
    debug.stub.thread_g = 1;
    return 0;
}

static void expect(const char *text)
{
    if (!strstr(out, text))
        fail_msg("no \"%s\" in:\n%s", text, out);
}

static void test_cpu(void **state)
{
    (void)state;
    ask("cpu");
    expect("AuthenticAMD, signature 306c3\n");
    expect("  NPT, 64 ASIDs\n");
    expect("CPU 0: 64-bit mode, ring 0, no paging, at 1000\n");
    vcpu_change(v, REGS_ALL);
    v->regs.cr0 |= CR0_PG;
    v->regs.cr4 |= CR4_PAE | CR4_LA57;
    v->regs.rip = 0xffffffff81a17a0b;
    features =
        "EPT, 1 GiB pages, accessed and dirty bits, VPID, and more than fits in a line of 80 "
        "characters of a terminal";
    ask("cpu");
    expect("5-level paging, at ffffffff81a17a0b\n");
}

/* What there is not faults, and only says so. */
static void test_msr(void **state)
{
    (void)state;
    msr.msr = 0xc0010015;
    msr.value = 0x11;
    assert_string_equal(ask("msr 0xc0010015"), "msr c0010015 = 0000000000000011\n");
    assert_string_equal(ask("msr 0xc0010015 0x8"), "msr c0010015 = 0000000000000008\n");
    assert_int_equal(msr.writes, 1);
    assert_string_equal(ask("msr 0x1234"), "msr 1234: there is none\n");
    assert_string_equal(ask("msr 0xc0010015 0x8000000000000000"),
                        "msr c0010015: it does not take that value, or there is none\n");
    /* Hidden, as for the guest. */
    msr.msr = MSR_VM_HSAVE_PA;
    expect(strstr(ask("msr 0xc0010117"), "there is none"));
}

/* The guest's, not those of the host. */
static void test_msr_kept(void **state)
{
    static const uint32_t kept[] = {
        MSR_STAR,         MSR_LSTAR,   MSR_CSTAR,        MSR_SFMASK,  MSR_SYSENTER_CS,
        MSR_SYSENTER_ESP, MSR_FS_BASE, MSR_SYSENTER_EIP, MSR_GS_BASE, MSR_KERNEL_GS_BASE};
    char command[64], answer[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        snprintf(command, sizeof(command), "msr 0x%x %u", kept[i], 1000 + i);
        snprintf(answer, sizeof(answer), "msr %x = %016x\n", kept[i], 1000 + i);
        assert_string_equal(ask(command), answer);
    }
    for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        snprintf(command, sizeof(command), "msr 0x%x", kept[i]);
        snprintf(answer, sizeof(answer), "msr %x = %016x\n", kept[i], 1000 + i);
        assert_string_equal(ask(command), answer);
    }
    assert_int_equal(msr.reads + msr.writes, 0);
    assert_int_equal(v->changed & (REGS_SYSCALL | REGS_SEGMENTS), REGS_SYSCALL | REGS_SEGMENTS);
    vcpu_change(v, REGS_CONTROL);
    v->regs.efer = 0xd01;
    assert_string_equal(ask("msr 0xc0000080"), "msr c0000080 = 0000000000000d01\n");
}

/* The guest's, which the processor switches; not the host's. */
static void test_msr_switched(void **state)
{
    (void)state;
    model_processor.pat = 0x0007040600070406;
    v->valid &= ~(unsigned)REGS_PAT;
    assert_string_equal(ask("msr 0x277"), "msr 277 = 0007040600070406\n");
    assert_string_equal(ask("msr 0x277 0x0007010600070106"), "msr 277 = 0007010600070106\n");
    assert_int_equal(v->changed & REGS_PAT, REGS_PAT);
    /* A byte that is no memory type would keep the processor from entering the guest. */
    assert_string_equal(ask("msr 0x277 0x0007010600070102"),
                        "msr 277: it does not take that value, or there is none\n");
    assert_string_equal(ask("msr 0x277"), "msr 277 = 0007010600070106\n");
    v->debug_regs.debugctl = 3;
    msr.msr = MSR_DEBUGCTL;
    msr.value = 0x40;
    assert_string_equal(ask("msr 0x1d9"), "msr 1d9 = 0000000000000003\n");
    assert_int_equal(msr.reads, 0);
    assert_string_equal(ask("msr 0x1d9 0"),
                        "msr 1d9: it is only read, for single steps depend on it\n");
    assert_int_equal(v->debug_regs.debugctl, 3);
    /* Not switched: what is in the processor. */
    v->debug_regs.debugctl = 0;
    assert_string_equal(ask("msr 0x1d9"), "msr 1d9 = 0000000000000040\n");
}

static void test_ports(void **state)
{
    (void)state;
    memcpy(ports + 0x70, "\x12\x34\x56\x78", 4);
    assert_string_equal(ask("in 0x70"), "port 70: 12\n");
    assert_string_equal(ask("in b 0x70"), "port 70: 12\n");
    assert_string_equal(ask("in w 0x70"), "port 70: 3412\n");
    assert_string_equal(ask("in l 0x70"), "port 70: 78563412\n");
    assert_string_equal(ask("out 0x80 0xab"), "port 80: written\n");
    assert_string_equal(ask("out l 0x84 0x12345678"), "port 84: written\n");
    assert_memory_equal(ports + 0x80, "\xab\0\0\0\x78\x56\x34\x12", 8);
    assert_string_equal(ask("in 65535"), "port ffff: 00\n");
    /* USER-11: the line to gdb is nobody else's. */
    assert_int_equal(io_policy_hide(0x3f8, 8, NULL), HV_OK);
    ports[0x3fc] = 7;
    assert_string_equal(ask("out w 0x3fb 0"), "port 3fb is the debug UART's\n");
    assert_string_equal(ask("in l 0x3f5"), "port 3f8 is the debug UART's\n");
    assert_int_equal(ports[0x3fc], 7);
}

static void test_phys(void **state)
{
    (void)state;
    memcpy(model_memory(0x5000), "Hello, world!\n\xff", 15);
    ask("phys 0x5000 20");
    assert_string_equal(out, "      5000: 48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21 0a ff 00  "
                             "Hello, world!...\n"
                             "      5010: 00 00 00 00                                      ....\n");
    ask("phys 0xffffff0 32");
    expect("   ffffff0: no memory, or a device's, which `monitor mmio on` lets be read\n");
    guest_memory_allow_devices(true);
    ask("phys 0xffffffffffff0"); /* no processor's address is so wide */
    expect("ffffffffffff0: no memory\n");
    guest_memory_allow_devices(false);
    /* Under a breakpoint of ours stands the true byte. */
    assert_int_equal(breakpoints_insert(v, 0x5001), HV_OK);
    expect(strstr(ask("phys 0x5000 2"), "48 65"));
    breakpoints_remove_all();
}

/* gdb's own commands: linear again for the next gdb. */
static void test_phys_mode(void **state)
{
    uint8_t byte = 0;

    (void)state;
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 |= CR0_PG | CR0_PE; /* with tables that map nothing */
    v->regs.cr3 = 0x100000;
    *model_memory(0x5000) = 0x42;
    expect(strstr(ask("phys"), "take linear addresses"));
    assert_int_equal(debug_target.mem_read(1, 0x5000, &byte, 1), 0);
    expect(strstr(ask("phys on"), "take physical addresses"));
    assert_true(debug_target.is_physical());
    assert_int_equal(debug_target.mem_read(1, 0x5000, &byte, 1), 1);
    assert_int_equal(byte, 0x42);
    byte = 0x43;
    assert_int_equal(debug_target.mem_write(1, 0x5000, &byte, 1), 1);
    assert_int_equal(*model_memory(0x5000), 0x43);
    static const struct debug_config config;
    debug.config = &config;
    guest_memory_allow_devices(true);
    debug_target.attached(); /* the one before has vanished */
    assert_false(debug_target.is_physical());
    assert_false(guest_memory_devices_allowed());
    debug_target.set_physical(true);
    assert_true(debug_target.is_physical());
    debug_target.detach();
    assert_false(debug_target.is_physical());
    assert_int_equal(debug_target.mem_read(1, 0x5000, &byte, 1), 0);
}

static void test_usage(void **state)
{
    static const char *const wrong[] = {"cpu 0",      "msr",         "msr x",      "msr 1 2 3",
                                        "in",         "in q 5",      "in 0x10000", "in w 0xffff",
                                        "in l 65533", "out 5",       "out 5 256",  "out w 5 65536",
                                        "phys 1 2 3", "phys 0 4097", "phys 0 0",   "phys on off"};

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (strncmp(ask(wrong[i]), "usage: monitor ", 15) != 0)
            fail_msg("%s: %s", wrong[i], out);
    }
    assert_false(debug.physical);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cpu, setup),
        cmocka_unit_test_setup(test_msr, setup),
        cmocka_unit_test_setup(test_msr_kept, setup),
        cmocka_unit_test_setup(test_msr_switched, setup),
        cmocka_unit_test_setup(test_ports, setup),
        cmocka_unit_test_setup(test_phys, setup),
        cmocka_unit_test_setup(test_usage, setup),
        cmocka_unit_test_setup(test_phys_mode, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
