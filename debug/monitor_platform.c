/* What the firmware and the chipset have: memory map, memory types, ACPI tables, PCI, APICs, power.
 */
#include "arch/x86/acpi_power.h"
#include "arch/x86/apic.h"
#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/ioapic_guard.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "hv/compiler.h"

/* ---- e820 ---- */

static const char *range_name(uint32_t type)
{
    static const char *const names[] = {"?", "RAM", "reserved", "ACPI tables", "ACPI NVS", "bad"};

    return type < HV_ARRAY_SIZE(names) ? names[type] : "of another type";
}

bool monitor_e820(const char *rest)
{
    struct debug_range range;

    if (!monitor_at_end(rest))
        return false;
    for (unsigned i = 0; debug.config->memory_map(i, &range); i++)
        monitor_line("%013llx-%013llx  %s", U(range.start), U(range.end - 1),
                     range_name(range.type));
    return true;
}

/* ---- mtrr ---- */

static const char *type_name(uint64_t type)
{
    static const char *const names[] = {"uncacheable",   "write combining", "?",         "?",
                                        "write through", "write protected", "write back"};

    return type < HV_ARRAY_SIZE(names) ? names[type] : "?";
}

static void print_first_mib(const struct mtrr_values *values)
{
    enum { MIB = 0x100000, PAGE = 0x1000 };

    for (hpa_t start = 0, at = PAGE; at <= MIB; at += PAGE) {
        if (at < MIB && mtrr_type(values, at) == mtrr_type(values, start))
            continue;
        monitor_line("%013llx-%013llx  %s", U(start), U(at - 1),
                     type_name(mtrr_type(values, start)));
        start = at;
    }
}

bool monitor_mtrr(const char *rest)
{
    enum { VALID = 1 << 11, FIXED = 1 << 10 };
    static struct mtrr_values values;
    unsigned phys_bits = guest_paging(monitor_vcpu()).phys_bits;
    uint64_t mask = (HV_BIT(phys_bits) - 1) & ~0xfffULL;

    if (!monitor_at_end(rest))
        return false;
    mtrr_read(&values, phys_bits);
    monitor_line("default: %s; fixed ranges %s; memory types %s", type_name(values.def_type & 0xff),
                 values.def_type & FIXED ? "on" : "off",
                 values.def_type & VALID ? "on" : "off: all is uncacheable");
    print_first_mib(&values);
    if (values.wb_top > HV_BIT(32))
        monitor_line("%013llx-%013llx  write back (SYSCFG, up to TOM2)", HV_BIT(32),
                     U(values.wb_top - 1));
    for (unsigned i = 0; i < values.variable_count; i++) {
        const struct mtrr_variable *r = &values.variable[i];
        uint64_t size = (~r->mask & mask) + 0x1000; /* of one piece, as firmwares set them */

        if (r->mask & VALID)
            monitor_line("%013llx-%013llx  %s (%u)", U(r->base & mask),
                         U((r->base & mask) + size - 1), type_name(r->base & 0xff), i);
    }
    return true;
}

/* ---- acpi ---- */

/* Firmwares have their tables where their maps say anything but RAM: read like RAM all the same. */
static bool read_table(uint64_t address, void *buf, size_t size)
{
    uint64_t end = HV_BIT(guest_paging(monitor_vcpu()).phys_bits);

    if (size > end || address > end - size || guest_memory_is_self(address))
        return false;
    physmem_read(address, buf, size);
    return true;
}

bool monitor_acpi(const char *rest)
{
    enum { MOST = 256 };
    const struct acpi_root *root = &debug.config->acpi;
    struct acpi_table table;
    char name[5];

    if (!monitor_at_end(rest))
        return false;
    if (!root->rsdt && !root->xsdt) {
        monitor_line("there are no ACPI tables");
        return true;
    }
    monitor_line("RSDT at %llx, XSDT at %llx", U(root->rsdt), U(root->xsdt));
    for (unsigned i = 0; i < MOST; i++) {
        enum hv_status status = acpi_list_table(root, i, read_table, name, &table);

        if (status == HV_ENOENT)
            return true;
        if (!table.address) {
            monitor_line("the list itself cannot be read, or its checksum is wrong");
            return true;
        }
        for (char *c = name; *c; c++)
            *c = *c >= ' ' && *c <= '~' ? *c : '?';
        if (status == HV_OK)
            monitor_line("%s  at %llx, %u bytes", name, U(table.address), (unsigned)table.length);
        else
            monitor_line("%-4s  at %llx, not in memory or of a senseless length", name,
                         U(table.address));
    }
    return true;
}

/* ---- pci ---- */

enum { PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc };

static uint32_t pci_read(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
    outl(PCI_ADDRESS, HV_BIT(31) | bus << 16 | device << 11 | function << 8 | offset);
    return inl(PCI_DATA);
}

/* PCI Code and ID Assignment Specification, "Class Codes". */
static const char *class_name(uint32_t class)
{
    static const char *const names[] = {
        "unclassified", "storage",  "network",         "display",   "multimedia", "memory",
        "bridge",       "serial",   "system",          "input",     "docking",    "processor",
        "serial bus",   "wireless", "intelligent I/O", "satellite", "encryption", "signals"};

    return class < HV_ARRAY_SIZE(names) ? names[class] : "other";
}

static void print_device(unsigned bus, unsigned device)
{
    enum { MULTIFUNCTION = 1 << 23 };
    unsigned functions = 1;

    for (unsigned f = 0; f < functions; f++) {
        uint32_t id = pci_read(bus, device, f, 0);

        if (id == UINT32_MAX || id == 0)
            continue;
        if (f == 0 && pci_read(bus, device, 0, 0xc) & MULTIFUNCTION)
            functions = 8;
        uint32_t class = pci_read(bus, device, f, 8);
        monitor_line("%02x:%02x.%u  %04x:%04x  class %06x  %s", bus, device, f,
                     (unsigned)(id & 0xffff), (unsigned)(id >> 16), (unsigned)(class >> 8),
                     class_name(class >> 24));
    }
}

bool monitor_pci(const char *rest)
{
    uint32_t guests;

    if (!monitor_at_end(rest))
        return false;
    guests = inl(PCI_ADDRESS); /* it may be between its address and its data */
    for (unsigned bus = 0; bus < 256; bus++) {
        for (unsigned device = 0; device < 32; device++)
            print_device(bus, device);
    }
    outl(PCI_ADDRESS, guests);
    return true;
}

/* ---- apic ---- */

enum {
    ENTRY_MASKED = 1 << 16,
    ENTRY_LEVEL = 1 << 15,
    ENTRY_LOW = 1 << 13,
    ENTRY_LOGICAL = 1 << 11
};

static const char *delivery_name(uint64_t entry)
{
    static const char *const names[] = {"fixed", "lowest", "SMI", "?",
                                        "NMI",   "INIT",   "?",   "ExtINT"};

    return names[entry >> 8 & 7];
}

static void print_local_entries(void)
{
    static const struct {
        const char *name;
        uint32_t offset;
    } entries[] = {
        {"timer", APIC_LVT_TIMER}, {"thermal", APIC_LVT_THERMAL}, {"counter", APIC_LVT_COUNTER},
        {"LINT0", APIC_LVT_LINT0}, {"LINT1", APIC_LVT_LINT1},     {"error", APIC_LVT_ERROR},
    };

    for (unsigned i = 0; i < HV_ARRAY_SIZE(entries); i++) {
        uint32_t value = apic_read(entries[i].offset);
        monitor_line("%-8s vector %02x  %-6s%s", entries[i].name, (unsigned)(value & 0xff),
                     delivery_name(value), value & ENTRY_MASKED ? "  masked" : "");
    }
}

/* The vectors whose bit is set in eight registers. */
static void print_vectors(const char *what, uint32_t offset)
{
    for (unsigned i = 0; i < 256; i++) {
        if (apic_read(offset + 16 * (i / 32)) & 1U << (i % 32))
            monitor_line("%s: vector %02x", what, i);
    }
}

static void print_ioapic(void)
{
    uint64_t entry;
    bool ours;

    if (!ioapic_guard_entry(0, &entry, &ours))
        monitor_line("I/O APIC: gdbvisor knows of none");
    for (unsigned i = 0; ioapic_guard_entry(i, &entry, &ours); i++) {
        if (!ours && entry & ENTRY_MASKED)
            continue;
        monitor_line("pin %-3u  vector %02x  %-6s  %-5s  %-4s  to %s %02x%s%s", i,
                     (unsigned)(entry & 0xff), delivery_name(entry),
                     entry & ENTRY_LEVEL ? "level" : "edge", entry & ENTRY_LOW ? "low" : "high",
                     entry & ENTRY_LOGICAL ? "set" : "id", (unsigned)(entry >> 56),
                     entry & ENTRY_MASKED ? "  masked" : "", ours ? "  (the line to gdb)" : "");
    }
}

bool monitor_apic(const char *rest)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if (!monitor_at_end(rest))
        return false;
    monitor_line("local APIC of CPU %u at %llx, %s", cpu_current(), U(base & APIC_BASE_MASK),
                 !(base & APIC_BASE_ENABLE) ? "off"
                 : base & APIC_BASE_X2APIC  ? "x2APIC mode"
                                            : "xAPIC mode");
    if (base & APIC_BASE_ENABLE) {
        monitor_line("id %08x  version %08x  tpr %02x  svr %08x", (unsigned)apic_read(APIC_ID),
                     (unsigned)apic_read(APIC_VERSION), (unsigned)apic_read(APIC_TPR),
                     (unsigned)apic_read(APIC_SVR));
        monitor_line("ldr %08x  timer %08x of %08x, divide %x", (unsigned)apic_read(APIC_LDR),
                     (unsigned)apic_read(APIC_TIMER_CURRENT), (unsigned)apic_read(APIC_TIMER_COUNT),
                     (unsigned)apic_read(APIC_TIMER_DIVIDE));
        print_local_entries();
        print_vectors("requested", APIC_IRR);
        print_vectors("in service", APIC_ISR);
    }
    print_ioapic();
    return true;
}

/* ---- poweroff, selftest ---- */

bool monitor_poweroff(const char *rest)
{
    if (!monitor_at_end(rest))
        return false;
    if (acpi_power_find(&debug.config->acpi, read_table, &debug.power) != HV_OK) {
        monitor_line("ACPI does not say how; press the machine's button");
        return true;
    }
    debug.power_off_asked = true; /* gdb gets its answer first */
    monitor_line("the machine is switched off");
    return true;
}

static bool check(const char *what, bool good)
{
    monitor_line("%-44s %s", what, good ? "ok" : "FAILED");
    return good;
}

bool monitor_selftest(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    struct x86_translation t;
    uint64_t before = rdtsc();
    uint8_t byte;
    bool good;

    if (!monitor_at_end(rest))
        return false;
    good = check("gdbvisor's code is as it was loaded", debug.config->code_intact());
    good &= check("the time stamp counter counts", rdtsc() > before);
    good &= check("the CPU's pc is mapped", guest_translate(v, vcpu_linear_rip(v), &t));
    good &= check("what stands there is memory",
                  guest_linear_read(v, vcpu_linear_rip(v), &byte, 1) == 1);
    monitor_line(good ? "selftest: ok" : "selftest: FAILED");
    return true;
}
