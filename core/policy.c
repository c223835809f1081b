#include "core/policy.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/a20_guard.h"
#include "core/ipi.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* Every MSR row that exits, and why. */
static const struct msr_row msr_rows[] = {
    {MSR_APIC_BASE, MSR_APIC_BASE, MSR_TRAP_WRITE}, /* a guarded page stays where it is */
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, MSR_TRAP_READ | MSR_TRAP_WRITE}, /* VMX is off */
    {MSR_VMX_BASIC, MSR_VMX_LAST, MSR_TRAP_READ | MSR_TRAP_WRITE},      /* no VMX: no such MSRs */
    {MSR_RTIT_FIRST, MSR_RTIT_LAST, MSR_TRAP_READ | MSR_TRAP_WRITE},    /* Intel PT is hidden */
    {MSR_EFER, MSR_EFER, MSR_TRAP_READ | MSR_TRAP_WRITE},               /* SVME is ours, hidden */
    {MSR_VM_CR, MSR_VM_CR, MSR_TRAP_READ | MSR_TRAP_WRITE},             /* no SVM: no such MSR */
    {MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, MSR_TRAP_READ | MSR_TRAP_WRITE}, /* ours */
    {MSR_SVM_KEY, MSR_SVM_KEY, MSR_TRAP_READ | MSR_TRAP_WRITE},         /* no SVM: no such MSR */
    /* INIT, start-up and NMI are ours; the last row, not there when they are exits instead. */
    {MSR_X2APIC_ICR, MSR_X2APIC_ICR, MSR_TRAP_WRITE},
};

static struct {
    const struct msr_row *msrs;
    const struct port_row *ports;
    unsigned msr_count, port_count;
} watched;

void policy_watch(const struct msr_row *msrs, unsigned msr_count, const struct port_row *ports,
                  unsigned port_count)
{
    watched.msrs = msrs;
    watched.msr_count = msr_count;
    watched.ports = ports;
    watched.port_count = port_count;
}

void msr_policy_build(uint8_t *maps, size_t size, msr_map_fn add)
{
    memset(maps, 0, POLICY_MAPS * size);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(msr_rows) - ipi_by_exits(); i++) {
        add(maps + POLICY_OWN * size, &msr_rows[i], true);
        add(maps + POLICY_WATCHED * size, &msr_rows[i], true);
    }
    for (unsigned i = 0; i < watched.msr_count; i++)
        add(maps + POLICY_WATCHED * size, &watched.msrs[i], false);
}

bool msr_policy_wants(uint32_t msr)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(msr_rows); i++) {
        if (msr >= msr_rows[i].first && msr <= msr_rows[i].last)
            return true;
    }
    return false;
}

/* The EFER bits this processor knows, without the hidden ones. APM vol. 2, "EFER". */
static uint64_t efer_known(void)
{
    struct cpuid_result ext = cpuid(0x80000001, 0);
    uint64_t known = EFER_SCE | EFER_LME | EFER_LMA | EFER_LMSLE | EFER_TCE;

    if (ext.edx & HV_BIT(20))
        known |= EFER_NXE;
    if (ext.edx & HV_BIT(25))
        known |= EFER_FFXSR;
    if (cpuid(0x80000000, 0).eax >= 0x80000021)
        known |= cpuid(0x80000021, 0).eax & HV_BIT(8) ? HV_BIT(21) : 0; /* AutomaticIBRS */
    return known;
}

/* Of what is hidden there are no MSRs; IA32_FEATURE_CONTROL, which has more in it, is locked. */
static bool is_hidden(uint32_t msr)
{
    return msr == MSR_FEATURE_CONTROL || (msr >= MSR_VMX_BASIC && msr <= MSR_VMX_LAST) ||
           (msr >= MSR_RTIT_FIRST && msr <= MSR_RTIT_LAST) || msr == MSR_VM_CR ||
           msr == MSR_VM_HSAVE_PA || msr == MSR_SVM_KEY;
}

static bool write_efer(struct vcpu *v, uint64_t value)
{
    vcpu_change(v, REGS_CONTROL);
    uint64_t old = v->regs.efer;

    if (value & ~efer_known())
        return false;
    if ((v->regs.cr0 & CR0_PG) && ((value ^ old) & EFER_LME))
        return false; /* "Activating Long Mode": LME changes only while paging is off */
    v->regs.efer = (value & ~EFER_LMA) | (old & EFER_LMA);
    return true;
}

bool msr_policy_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_EFER:
        vcpu_need(v, REGS_CONTROL);
        *value = v->regs.efer;
        return true;
    case MSR_FEATURE_CONTROL:
        if (!rdmsr_safe(msr, value))
            return false;
        *value = (*value & ~FEATURE_CONTROL_VIRT) | FEATURE_CONTROL_LOCK;
        return true;
    default:
        return !is_hidden(msr) && rdmsr_safe(msr, value);
    }
}

bool msr_policy_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_EFER:
        return write_efer(v, value);
    case MSR_APIC_BASE:
        return ipi_write_base(v, value);
    case MSR_X2APIC_ICR:
        return ipi_deliver(v, value) || wrmsr_safe(msr, value);
    default:
        return !is_hidden(msr) && wrmsr_safe(msr, value);
    }
}

struct hidden_ports {
    uint16_t first, count;
    const uint8_t *reads; /* NULL: all ones */
    io_device_fn access;  /* NULL: nothing is there */
};

static struct hidden_ports hidden_ports[8];
static unsigned hidden_count;

static enum hv_status add_hidden(const struct hidden_ports *ports)
{
    if (hidden_count == HV_ARRAY_SIZE(hidden_ports))
        return HV_ENOSPC;
    hidden_ports[hidden_count++] = *ports;
    return HV_OK;
}

enum hv_status io_policy_hide(uint16_t first, uint16_t count, const uint8_t *reads)
{
    struct hidden_ports ports = {.first = first, .count = count, .reads = reads};

    return add_hidden(&ports);
}

enum hv_status io_policy_device(uint16_t first, uint16_t count, io_device_fn access)
{
    struct hidden_ports ports = {.first = first, .count = count, .access = access};

    return add_hidden(&ports);
}

static const struct hidden_ports *find_hidden(uint16_t port)
{
    for (unsigned i = 0; i < hidden_count; i++) {
        unsigned offset = (unsigned)port - hidden_ports[i].first;

        if (port >= hidden_ports[i].first && offset < hidden_ports[i].count)
            return &hidden_ports[i];
    }
    return NULL;
}

static struct {
    uint16_t port;
    io_tap_fn tell; /* NULL: free */
} taps[4];

enum hv_status io_policy_tap(uint16_t port, io_tap_fn tell)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(taps); i++) {
        if (taps[i].tell && taps[i].port == port) {
            taps[i].tell = tell;
            return HV_OK;
        }
    }
    for (unsigned i = 0; tell && i < HV_ARRAY_SIZE(taps); i++) {
        if (!taps[i].tell) {
            taps[i].port = port;
            taps[i].tell = tell;
            return HV_OK;
        }
    }
    return tell ? HV_ENOSPC : HV_OK;
}

static io_tap_fn find_tap(uint16_t port)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(taps); i++) {
        if (taps[i].tell && taps[i].port == port)
            return taps[i].tell;
    }
    return NULL;
}

bool io_policy_is_hidden(uint16_t port)
{
    return find_hidden(port) != NULL;
}

bool io_policy_wants(uint16_t port, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint16_t p = (uint16_t)(port + i);

        if (io_policy_is_hidden(p) || a20_guard_wants(p) || find_tap(p))
            return true;
    }
    return false;
}

static uint8_t io_maps[POLICY_MAPS][IO_MAP_SIZE] HV_ALIGNED(4096);

static void add_port(enum policy_map map, uint32_t port)
{
    io_maps[map][port / 8] |= (uint8_t)HV_BIT(port % 8);
}

void io_policy_build(void)
{
    memset(io_maps, 0, sizeof(io_maps));
    for (uint32_t port = 0; port < 0x10000; port++) {
        if (io_policy_wants((uint16_t)port, 1)) {
            add_port(POLICY_OWN, port);
            add_port(POLICY_WATCHED, port);
        }
    }
    for (unsigned i = 0; i < watched.port_count; i++) {
        for (uint32_t port = watched.ports[i].first; port <= watched.ports[i].last; port++)
            add_port(POLICY_WATCHED, port);
    }
}

const uint8_t *io_policy_map(enum policy_map map)
{
    return io_maps[map];
}

static bool access_hidden(const struct hidden_ports *ports, uint16_t port, bool in, uint8_t *value)
{
    unsigned offset = (unsigned)port - ports->first;

    if (ports->access)
        return ports->access(offset, in, value);
    if (in)
        *value = ports->reads ? ports->reads[offset] : 0xff;
    return false;
}

static bool write_port(uint16_t port, uint8_t value)
{
    io_tap_fn tell = find_tap(port);

    outb(port, a20_guard_write(port, value));
    return tell && tell(port, value);
}

bool io_policy_access(uint16_t port, unsigned size, bool in, uint32_t *value)
{
    uint32_t result = 0;
    bool noticed = false;

    for (unsigned i = 0; i < size; i++) {
        uint16_t p = (uint16_t)(port + i);
        uint8_t byte = (uint8_t)(*value >> (8 * i));
        const struct hidden_ports *hidden = find_hidden(p);

        if (hidden)
            noticed |= access_hidden(hidden, p, in, &byte);
        else if (in)
            byte = inb(p);
        else
            noticed |= write_port(p, byte);
        result |= (uint32_t)byte << (8 * i);
    }
    if (in)
        *value = result;
    return noticed;
}

/* SDM vol. 2 and APM vol. 3, "CPUID". */
static const struct cpuid_row cpuid_rows[] = {
    {1, CPUID_ANY_SUBLEAF, {.ecx = HV_BIT(5) | HV_BIT(6)}},           /* VMX, SMX */
    {0x80000001, CPUID_ANY_SUBLEAF, {.ecx = HV_BIT(2) | HV_BIT(12)}}, /* SVM, SKINIT */
    {0x8000000a, CPUID_ANY_SUBLEAF, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
};
static const struct cpuid_row *backend_rows;
static unsigned backend_row_count;

void cpuid_policy_hide(const struct cpuid_row *rows, unsigned count)
{
    backend_rows = rows;
    backend_row_count = count;
}

static void hide(const struct cpuid_row *rows, unsigned count, uint32_t leaf, uint32_t subleaf,
                 struct cpuid_words *seen)
{
    for (unsigned i = 0; i < count; i++) {
        const struct cpuid_words *bits = &rows[i].bits;

        if (rows[i].leaf != leaf ||
            (rows[i].subleaf != subleaf && rows[i].subleaf != CPUID_ANY_SUBLEAF))
            continue;
        seen->eax &= ~bits->eax;
        seen->ebx &= ~bits->ebx;
        seen->ecx &= ~bits->ecx;
        seen->edx &= ~bits->edx;
    }
}

/* A bit that mirrors the guest's CR4: the instruction ran with ours. */
static void mirror(uint32_t *word, unsigned bit, uint64_t on)
{
    *word = (*word & ~(uint32_t)HV_BIT(bit)) | (on ? (uint32_t)HV_BIT(bit) : 0);
}

struct cpuid_words cpuid_policy(uint32_t leaf, uint32_t subleaf, struct cpuid_words real,
                                uint64_t guest_cr4)
{
    enum { OSXSAVE = 27, OSPKE = 4 };
    struct cpuid_words seen = real;

    hide(cpuid_rows, HV_ARRAY_SIZE(cpuid_rows), leaf, subleaf, &seen);
    hide(backend_rows, backend_row_count, leaf, subleaf, &seen);
    if (leaf == 1)
        mirror(&seen.ecx, OSXSAVE, guest_cr4 & CR4_OSXSAVE);
    if (leaf == 7 && subleaf == 0)
        mirror(&seen.ecx, OSPKE, guest_cr4 & CR4_PKE);
    return seen;
}

bool xcr0_policy(uint64_t value, uint64_t known)
{
    enum { X87 = 1, SSE = 2, AVX = 4, BOUND = 3 << 3, AVX512 = 7 << 5, TILE = 3 << 17 };

    if ((value & ~known) || !(value & X87))
        return false;
    if ((value & AVX) && !(value & SSE))
        return false;
    if ((value & BOUND) != 0 && (value & BOUND) != BOUND)
        return false;
    if ((value & TILE) != 0 && (value & TILE) != TILE)
        return false;
    return (value & AVX512) == 0 || ((value & AVX512) == AVX512 && (value & AVX));
}
