/* The MADT: ACPI specification, "Multiple APIC Description Table (MADT)". */
#include "arch/x86/acpi.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
    MADT_LENGTH = 4,
    MADT_CHECKSUM = 9,
    MADT_LAPIC = 36,
    MADT_FLAGS = 40,
    MADT_SIZE = 44, /* without entries */

    MADT_FLAG_8259 = 1,
};

/* Entry types ("Interrupt Controller Structure Types") and their sizes. */
enum {
    ENTRY_LAPIC = 0,
    ENTRY_IOAPIC = 1,
    ENTRY_OVERRIDE = 2,
    ENTRY_LAPIC_ADDRESS = 5,
    ENTRY_X2APIC = 9,
};

enum { CPU_ENABLED = 1, CPU_ONLINE_CAPABLE = 2, CPU_USABLE = 3 };

static unsigned least_size(uint8_t type)
{
    switch (type) {
    case ENTRY_LAPIC:
        return 8;
    case ENTRY_IOAPIC:
        return 12;
    case ENTRY_OVERRIDE:
        return 10;
    case ENTRY_LAPIC_ADDRESS:
        return 12;
    case ENTRY_X2APIC:
        return 16;
    default:
        return 2;
    }
}

/* Where the table is whole in itself: header, checksum, every entry. *length: its own. */
static bool check(const uint8_t *madt, size_t size, uint32_t *length)
{
    if (size < MADT_SIZE || memcmp(madt, "APIC", 4) != 0)
        return false;
    *length = get32(madt + MADT_LENGTH);
    if (*length < MADT_SIZE || *length > size || sum_bytes(madt, *length) != 0)
        return false;
    for (uint32_t at = MADT_SIZE; at < *length; at += madt[at + 1]) {
        uint32_t left = *length - at;

        if (left < 2 || madt[at + 1] > left || madt[at + 1] < least_size(madt[at]))
            return false;
    }
    return true;
}

/* Is this entry a CPU's? Then its id and the offset of its 32-bit flags in the entry. */
static bool cpu_entry(const uint8_t *entry, uint32_t *apic_id, unsigned *flags_at)
{
    if (entry[0] == ENTRY_LAPIC) {
        *apic_id = entry[3];
        *flags_at = 4;
        return true;
    }
    if (entry[0] == ENTRY_X2APIC) {
        *apic_id = get32(entry + 4);
        *flags_at = 8;
        return true;
    }
    return false;
}

static void add_cpu(struct acpi_madt *out, const uint8_t *entry)
{
    uint32_t apic_id, flags;
    unsigned flags_at;

    if (!cpu_entry(entry, &apic_id, &flags_at))
        return;
    flags = get32(entry + flags_at);
    if (!(flags & CPU_USABLE))
        return;
    if (out->cpu_count == HV_MAX_CPUS) {
        out->cpus_left++;
        return;
    }
    out->cpus[out->cpu_count++] = (struct acpi_cpu){
        .apic_id = apic_id,
        .uid = entry[0] == ENTRY_LAPIC ? entry[2] : get32(entry + 12),
        .enabled = flags & CPU_ENABLED,
    };
}

static enum hv_status add_entry(struct acpi_madt *out, const uint8_t *entry)
{
    switch (entry[0]) {
    case ENTRY_LAPIC:
    case ENTRY_X2APIC:
        add_cpu(out, entry);
        return HV_OK;
    case ENTRY_IOAPIC:
        if (out->ioapic_count == ACPI_MAX_IOAPICS)
            return HV_ENOSPC;
        out->ioapics[out->ioapic_count++] = (struct acpi_ioapic){
            .id = entry[2],
            .address = get32(entry + 4),
            .gsi_base = get32(entry + 8),
        };
        return HV_OK;
    case ENTRY_OVERRIDE:
        if (out->override_count == ACPI_MAX_OVERRIDES)
            return HV_ENOSPC;
        out->overrides[out->override_count++] = (struct acpi_override){
            .irq = entry[3], /* entry[2] is the bus: always 0, ISA */
            .gsi = get32(entry + 4),
            .flags = get16(entry + 8),
        };
        return HV_OK;
    case ENTRY_LAPIC_ADDRESS:
        out->lapic_address = get64(entry + 4);
        return HV_OK;
    default:
        return HV_OK;
    }
}

enum hv_status acpi_madt_parse(const uint8_t *madt, size_t size, struct acpi_madt *out)
{
    uint32_t length;

    memset(out, 0, sizeof(*out));
    if (!check(madt, size, &length))
        return HV_EINVAL;
    out->lapic_address = get32(madt + MADT_LAPIC);
    out->has_8259 = madt[MADT_FLAGS] & MADT_FLAG_8259;
    for (uint32_t at = MADT_SIZE; at < length; at += madt[at + 1]) {
        enum hv_status status = add_entry(out, madt + at);

        if (status != HV_OK)
            return status;
    }
    return HV_OK;
}

enum hv_status acpi_irq_route(const struct acpi_madt *madt, uint8_t irq, struct irq_route *route)
{
    const struct acpi_ioapic *best = NULL;
    uint32_t gsi = irq;
    uint16_t flags = 0;

    for (unsigned i = 0; i < madt->override_count; i++) {
        if (madt->overrides[i].irq == irq) {
            gsi = madt->overrides[i].gsi;
            flags = madt->overrides[i].flags;
        }
    }
    for (unsigned i = 0; i < madt->ioapic_count; i++) {
        const struct acpi_ioapic *ioapic = &madt->ioapics[i];

        if (ioapic->gsi_base <= gsi && (!best || ioapic->gsi_base > best->gsi_base))
            best = ioapic;
    }
    if (!best)
        return HV_ENOENT;
    *route = (struct irq_route){.ioapic = best->address, .pin = gsi - best->gsi_base};
    irq_route_flags(route, flags);
    return HV_OK;
}

static bool is_kept(uint32_t apic_id, const uint32_t *keep, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (keep[i] == apic_id)
            return true;
    }
    return false;
}

enum hv_status acpi_madt_hide_cpus(uint8_t *madt, size_t size, const uint32_t *keep, unsigned count)
{
    uint32_t length, apic_id;
    unsigned flags_at;
    bool found = false;

    if (!check(madt, size, &length))
        return HV_EINVAL;
    for (uint32_t at = MADT_SIZE; at < length; at += madt[at + 1]) {
        if (cpu_entry(madt + at, &apic_id, &flags_at) && apic_id == keep[0] &&
            (madt[at + flags_at] & CPU_ENABLED))
            found = true;
    }
    if (!found)
        return HV_ENOENT;
    for (uint32_t at = MADT_SIZE; at < length; at += madt[at + 1]) {
        if (cpu_entry(madt + at, &apic_id, &flags_at) && !is_kept(apic_id, keep, count))
            madt[at + flags_at] &= (uint8_t)~CPU_USABLE;
    }
    madt[MADT_CHECKSUM] = (uint8_t)(madt[MADT_CHECKSUM] - sum_bytes(madt, length));
    return HV_OK;
}
