#include "boot/platform.h"

#include "arch/x86/acpi.h"
#include "arch/x86/insn.h"
#include "arch/x86/mptable.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "lib/log.h"
#include "lib/string.h"

enum {
    EBDA_SEGMENT = 0x40e, /* BIOS data area: where the EBDA begins, / 16 */
    BIOS_AREA = 0xe0000,
    BIOS_END = 0x100000,
    VIDEO_START = 0xa0000,
    VIDEO_END = 0xc0000,
    DEFAULT_IOAPIC = (int)0xfec00000,
};
#define FIRMWARE_START 0xff000000ULL /* the last 16 MiB below 4 GiB: the firmware's flash */

static struct acpi_madt madt;
static struct acpi_table madt_table;
static hpa_t mp_table;
static uint16_t mp_length;

unsigned platform_phys_bits(void)
{
    if (cpuid(0x80000000, 0).eax < 0x80000008)
        return 36;
    return cpuid(0x80000008, 0).eax & 0xff;
}

uint32_t platform_apic_id(void)
{
    return cpuid(1, 0).ebx >> 24;
}

static bool read_physical(uint64_t address, void *buf, size_t size)
{
    if (address + size < address || (address + size - 1) >> platform_phys_bits())
        return false;
    physmem_read(address, buf, size);
    return true;
}

static bool find_rsdp(hpa_t start, size_t size, struct boot_info *info)
{
    const uint8_t *area = physmem_map(start);
    size_t offset;

    if (acpi_rsdp_find(area, size, &offset) != HV_OK)
        return false;
    info->rsdp_size = HV_MIN(sizeof(info->rsdp), size - offset);
    memcpy(info->rsdp, area + offset, info->rsdp_size);
    return true;
}

static hpa_t ebda(void)
{
    uint16_t segment;

    physmem_read(EBDA_SEGMENT, &segment, sizeof(segment));
    hpa_t start = (hpa_t)segment << 4;
    return start >= 0x80000 && start < VIDEO_START ? start : 0;
}

struct acpi_root platform_acpi_root(const struct boot_info *info)
{
    struct acpi_root root = {0};

    if (info->rsdp_size && acpi_rsdp_parse(info->rsdp, info->rsdp_size, &root) != HV_OK)
        root = (struct acpi_root){0};
    return root;
}

static void find_madt(const struct boot_info *info)
{
    struct acpi_root root = platform_acpi_root(info);

    if (acpi_find_table(&root, "APIC", read_physical, &madt_table) != HV_OK)
        return;
    /* The table may straddle a window: those above 4 GiB are not looked at in place. */
    if (madt_table.address + madt_table.length > 1ULL << 32 ||
        acpi_madt_parse(physmem_map(madt_table.address), madt_table.length, &madt) != HV_OK)
        madt_table.length = 0;
}

struct acpi_fadt platform_fadt(const struct boot_info *info)
{
    struct acpi_root root;
    struct acpi_table table;
    struct acpi_fadt fadt = {0};

    if (info->rsdp_size && acpi_rsdp_parse(info->rsdp, info->rsdp_size, &root) == HV_OK &&
        acpi_find_table(&root, "FACP", read_physical, &table) == HV_OK &&
        table.address + table.length <= 1ULL << 32)
        acpi_fadt_parse(physmem_map(table.address), table.length, &fadt);
    return fadt;
}

static void find_mp(hpa_t start, size_t size)
{
    struct mp_pointer pointer;
    size_t offset;

    if (mp_table || mp_find(physmem_map(start), size, &offset, &pointer) != HV_OK ||
        !pointer.table || pointer.table >= 1ULL << 32)
        return;
    if (mp_table_check(physmem_map(pointer.table), 65536, &mp_length) == HV_OK)
        mp_table = pointer.table;
}

void platform_find_tables(struct boot_info *info)
{
    if (!info->rsdp_size && !(ebda() && find_rsdp(ebda(), 1024, info)))
        find_rsdp(BIOS_AREA, BIOS_END - BIOS_AREA, info);
    find_madt(info);
    if (ebda())
        find_mp(ebda(), 1024);
    find_mp(0xf0000, BIOS_END - 0xf0000);
}

struct irq_route platform_route(uint8_t irq)
{
    struct irq_route route;

    if (madt_table.length && acpi_irq_route(&madt, irq, &route) == HV_OK)
        return route;
    if (mp_table && mp_irq_route(physmem_map(mp_table), mp_length, irq, &route) == HV_OK)
        return route;
    return (struct irq_route){.ioapic = (uint32_t)DEFAULT_IOAPIC, .pin = irq};
}

/* This CPU goes to the front; it counts also where no table names it. */
static unsigned own_first(uint32_t *ids, unsigned count)
{
    uint32_t own = platform_apic_id();

    for (unsigned i = 0; i < count; i++) {
        if (ids[i] != own)
            continue;
        ids[i] = ids[0];
        ids[0] = own;
        return count;
    }
    ids[0] = own;
    return 1;
}

unsigned platform_cpus(uint32_t *ids, unsigned *all)
{
    unsigned count = 0;

    *all = 0;
    for (unsigned i = 0; madt_table.length && i < madt.cpu_count; i++) {
        if (madt.cpus[i].enabled)
            ids[count++] = madt.cpus[i].apic_id;
    }
    if (count)
        *all = count + madt.cpus_left;
    else if (mp_table &&
             mp_table_cpus(physmem_map(mp_table), mp_length, ids, HV_MAX_CPUS, all) == HV_OK)
        count = HV_MIN(*all, (unsigned)HV_MAX_CPUS);
    *all = HV_MAX(*all, 1U);
    return own_first(ids, count);
}

void platform_hide_cpus(const uint32_t *keep, unsigned count)
{
    if (madt_table.length) {
        uint8_t *bytes = physmem_map(madt_table.address);
        if (acpi_madt_hide_cpus(bytes, madt_table.length, keep, count) != HV_OK)
            log_print("gdbvisor: the other CPUs could not be hidden in the ACPI tables");
    }
    if (mp_table)
        mp_table_hide_cpus(physmem_map(mp_table), mp_length, keep, count);
}

/* The end of RAM below 4 GiB: what lies higher is devices, whatever the map calls it. */
static uint64_t low_ram_end(const struct memory_map *map)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < map->count; i++) {
        if (map->ranges[i].type == MEMORY_RAM && map->ranges[i].end <= 1ULL << 32)
            end = HV_MAX(end, map->ranges[i].end);
    }
    return end;
}

static void add_range(struct guest_memory_config *c, uint64_t start, uint64_t end, bool writable)
{
    if (start < end && c->count < GUEST_MAX_RANGES)
        c->ranges[c->count++] = (struct guest_range){start, end, writable};
}

/* Outside of our reservation; below 1 MiB without the video memory, whose reads can have effects.
 */
static void add_outside(struct guest_memory_config *c, uint64_t start, uint64_t end)
{
    uint64_t self_end = c->self_start + c->self_size;

    if (start < VIDEO_END && end > VIDEO_START) {
        add_range(c, start, VIDEO_START, true);
        start = VIDEO_END;
    }
    if (start < self_end && end > c->self_start) {
        add_range(c, start, c->self_start, true);
        start = self_end;
    }
    add_range(c, start, end, true);
}

/*
 * RAM, ACPI and NVS memory anywhere; what else the map lists (UEFI's runtime memory, the EBDA) only
 * where RAM is around; the BIOS's ROM and the firmware's flash for reading.
 */
void platform_guest_ranges(const struct memory_map *map, struct guest_memory_config *config)
{
    uint64_t low_end = HV_MAX(low_ram_end(map), config->self_start + config->self_size);

    config->count = 0;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->ranges[i];
        bool listed = r->type == MEMORY_RAM || r->type == MEMORY_ACPI || r->type == MEMORY_NVS;
        if (listed || (r->type != MEMORY_BAD && r->end <= low_end && r->start < VIDEO_START))
            add_outside(config, r->start, r->end);
        else if (r->type != MEMORY_BAD && r->end <= low_end && r->start >= BIOS_END)
            add_outside(config, r->start, r->end);
    }
    add_range(config, VIDEO_END, BIOS_END, false);
    add_range(config, FIRMWARE_START, 1ULL << 32, false);
}
