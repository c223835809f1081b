/* The machine as the CPUs see it: features, MSRs, ports, physical memory. */
#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/guest_memory.h"
#include "core/io_policy.h"
#include "core/ipi.h"
#include "core/policy.h"
#include "debug/breakpoints.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* ---- cpu ---- */

static void print_cpu(struct vcpu *v)
{
    const char *paging = "no paging";

    if (ipi_waits(v->number)) {
        monitor_line("CPU %u: waits for its start-up interrupt", v->number);
        return;
    }
    vcpu_need(v, REGS_ALL);
    if (v->regs.cr0 & CR0_PG && v->regs.efer & EFER_LMA)
        paging = v->regs.cr4 & CR4_LA57 ? "5-level paging" : "4-level paging";
    else if (v->regs.cr0 & CR0_PG)
        paging = v->regs.cr4 & CR4_PAE ? "PAE paging" : "32-bit paging";
    monitor_line("CPU %u: %s, ring %u, %s, at %llx", v->number, vcpu_mode_name(v), vcpu_cpl(v),
                 paging, U(vcpu_linear_rip(v)));
}

bool monitor_cpu(const char *rest)
{
    struct cpuid_result vendor = cpuid(0, 0), model = cpuid(1, 0);
    char text[128];

    if (!monitor_at_end(rest))
        return false;
    hv_backend->describe(text, sizeof(text));
    monitor_line("%.4s%.4s%.4s, signature %x", (const char *)&vendor.ebx, (const char *)&vendor.edx,
                 (const char *)&vendor.ecx, (unsigned)model.eax);
    monitor_line("%s:", hv_backend->name);
    monitor_line("  %.76s", text);
    for (unsigned i = 0; i < vcpu_count(); i++)
        print_cpu(vcpu_get(i));
    return true;
}

/* ---- msr ---- */

/* The guest's value of these is in our hands while it stands. */
static uint64_t *kept_msr(struct vcpu *v, uint32_t msr, unsigned *group)
{
    *group = REGS_SYSCALL;
    switch (msr) {
    case MSR_STAR:
        return &v->regs.star;
    case MSR_LSTAR:
        return &v->regs.lstar;
    case MSR_CSTAR:
        return &v->regs.cstar;
    case MSR_SFMASK:
        return &v->regs.sfmask;
    case MSR_KERNEL_GS_BASE:
        return &v->regs.kernel_gs_base;
    case MSR_SYSENTER_CS:
        return &v->regs.sysenter_cs;
    case MSR_SYSENTER_ESP:
        return &v->regs.sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &v->regs.sysenter_eip;
    default:
        break;
    }
    *group = REGS_PAT;
    if (msr == MSR_PAT)
        return &v->regs.pat;
    *group = REGS_SEGMENTS;
    if (msr == MSR_FS_BASE)
        return &v->regs.seg[SEG_FS].base;
    return msr == MSR_GS_BASE ? &v->regs.seg[SEG_GS].base : NULL;
}

static bool read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    unsigned group;
    const uint64_t *kept = kept_msr(v, msr, &group);

    /* Where the processor does not switch it, the guest's is still in it. */
    *value = v->debug_regs.debugctl;
    if (msr == MSR_DEBUGCTL && (*value || v->number != cpu_current()))
        return true;
    if (!kept)
        return msr_policy_read(v, msr, value);
    vcpu_need(v, group);
    *value = *kept;
    return true;
}

static bool write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    unsigned group;
    uint64_t *kept = kept_msr(v, msr, &group);

    if (!kept)
        return msr_policy_write(v, msr, value);
    if (msr == MSR_PAT && !pat_is_valid(value))
        return false;
    vcpu_change(v, group);
    *kept = value;
    return true;
}

/* Why an MSR cannot be asked for; NULL: it can. */
static const char *msr_out_of_reach(struct vcpu *v, uint32_t msr, bool write)
{
    unsigned group;

    if (msr == MSR_DEBUGCTL)
        return write ? "it is only read, for single steps depend on it" : NULL;
    if (v->number != cpu_current() && msr != MSR_EFER && !kept_msr(v, msr, &group))
        return "only the CPU that stopped reads its own: choose its thread";
    return NULL;
}

bool monitor_msr(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    uint64_t number, value;
    bool write;

    if (!monitor_take_number(&rest, &number) || number > UINT32_MAX)
        return false;
    write = monitor_take_number(&rest, &value);
    if (!monitor_at_end(rest))
        return false;
    uint32_t msr = (uint32_t)number;
    const char *why = msr_out_of_reach(v, msr, write);
    if (why)
        monitor_line("msr %x: %s", (unsigned)msr, why);
    else if (write && !write_msr(v, msr, value))
        monitor_line("msr %x: it does not take that value, or there is none", (unsigned)msr);
    else if (!read_msr(v, msr, &value))
        monitor_line("msr %x: there is none", (unsigned)msr);
    else
        monitor_line("msr %x = %016llx", (unsigned)msr, U(value));
    return true;
}

/* ---- ports ---- */

static unsigned take_size(const char **rest)
{
    if (monitor_take(rest, "l"))
        return 4;
    if (monitor_take(rest, "w"))
        return 2;
    monitor_take(rest, "b");
    return 1;
}

/* False, with a sentence: some of it belongs to gdbvisor. */
static bool port_is_free(uint64_t port, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        if (io_policy_is_hidden((uint16_t)(port + i))) {
            monitor_line("port %llx is the debug UART's", U(port + i));
            return false;
        }
    }
    return true;
}

bool monitor_in(const char *rest)
{
    unsigned size = take_size(&rest);
    uint32_t value = 0;
    uint64_t port;

    if (!monitor_take_number(&rest, &port) || !monitor_at_end(rest) || port > 0x10000U - size)
        return false;
    if (!port_is_free(port, size))
        return true;
    io_policy_access((uint16_t)port, size, true, &value);
    if (size == 1)
        monitor_line("port %llx: %02x", U(port), (unsigned)value);
    else if (size == 2)
        monitor_line("port %llx: %04x", U(port), (unsigned)value);
    else
        monitor_line("port %llx: %08x", U(port), (unsigned)value);
    return true;
}

bool monitor_out(const char *rest)
{
    unsigned size = take_size(&rest);
    uint64_t port, value;
    uint32_t bits;

    if (!monitor_take_number(&rest, &port) || !monitor_take_number(&rest, &value) ||
        !monitor_at_end(rest) || port > 0x10000U - size || value >> (8 * size))
        return false;
    if (!port_is_free(port, size))
        return true;
    bits = (uint32_t)value;
    io_policy_access((uint16_t)port, size, false, &bits);
    monitor_line("port %llx: written", U(port));
    return true;
}

/* ---- physical memory ---- */

enum { DUMP_WIDTH = 16, DUMP_DEFAULT = 64, DUMP_MOST = 4096 };

static void dump_line(gpa_t address, const uint8_t *bytes, size_t size)
{
    char text[3 * DUMP_WIDTH + 1], letters[DUMP_WIDTH + 1];
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        length += fmt_print(text + length, sizeof(text) - length, " %02x", (unsigned)bytes[i]);
        letters[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '.';
    }
    letters[size] = 0;
    monitor_line("%10llx:%-48s  %s", U(address), text, letters);
}

static bool dump(uint64_t address, uint64_t size)
{
    uint8_t bytes[DUMP_WIDTH];

    for (uint64_t at = 0; at < size; at += DUMP_WIDTH) {
        size_t wanted = HV_MIN(size - at, (uint64_t)DUMP_WIDTH);
        size_t done = breakpoints_read_phys(address + at, bytes, wanted);

        if (done)
            dump_line(address + at, bytes, done);
        if (done < wanted) {
            monitor_line("%10llx: no memory%s", U(address + at + done),
                         guest_memory_devices_allowed()
                             ? ""
                             : ", or a device's, which `monitor mmio on` lets be read");
            break;
        }
    }
    return true;
}

bool monitor_phys(const char *rest)
{
    uint64_t address, size = DUMP_DEFAULT;
    bool physical = debug.physical;

    if (monitor_take_number(&rest, &address)) {
        monitor_take_number(&rest, &size);
        return monitor_at_end(rest) && size && size <= DUMP_MOST && dump(address, size);
    }
    monitor_take_switch(&rest, &physical);
    if (!monitor_at_end(rest))
        return false;
    debug.physical = physical;
    monitor_line("gdb's memory commands take %s addresses", physical ? "physical" : "linear");
    return true;
}
