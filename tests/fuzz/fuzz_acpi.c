/*
 * ACPI and MP tables from any bytes. Checksums are repaired first, or nothing would get past them;
 * ASan watches the exact copies.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_power.h"
#include "arch/x86/mptable.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static const uint8_t *memory;
static size_t memory_size;

static bool read_memory(uint64_t address, void *buf, size_t size)
{
    if (size > memory_size || address > memory_size - size)
        return false;
    memcpy(buf, memory + address, size);
    return true;
}

/* Makes the sum of [0, length) zero where the length lies inside. */
static void fix(uint8_t *bytes, size_t size, size_t length, size_t checksum_at)
{
    uint8_t sum = 0;

    if (length > size || checksum_at >= length)
        return;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[checksum_at] = (uint8_t)(bytes[checksum_at] - sum);
}

static void fuzz_root(const uint8_t *data, size_t size)
{
    struct acpi_root root;
    struct acpi_table table;
    struct acpi_power power;
    char name[5];
    size_t at;

    memory = data;
    memory_size = size;
    if (acpi_rsdp_find(data, size, &at) == HV_OK)
        MUST(at % 16 == 0 && at + 20 <= size);
    (void)acpi_rsdp_parse(data, size, &root);
    root = (struct acpi_root){.rsdt = size > 4 ? data[1] : 0, .xsdt = size > 4 ? data[0] : 0};
    if (acpi_find_table(&root, "APIC", read_memory, &table) == HV_OK)
        MUST(table.length >= 36 && table.length <= size && table.address <= size - table.length);
    for (unsigned i = 0; i < 4; i++)
        (void)acpi_list_table(&root, i, read_memory, name, &table);
    if (acpi_power_find(&root, read_memory, &power) == HV_OK)
        MUST(power.pm1a && power.type_a < 8 && power.type_b < 8);
}

static void fuzz_madt(uint8_t *madt, size_t size)
{
    static struct acpi_madt parsed, hidden;
    struct irq_route route;
    uint32_t length = 0;

    if (size >= 44) {
        memcpy(madt, "APIC", 4);
        madt[6] = madt[7] = 0; /* rather a length that can be */
        memcpy(&length, madt + 4, 4);
        fix(madt, size, length, 9);
    }
    if (acpi_madt_parse(madt, size, &parsed) != HV_OK)
        return;
    MUST(parsed.cpu_count <= HV_MAX_CPUS && parsed.ioapic_count <= ACPI_MAX_IOAPICS);
    for (unsigned irq = 0; irq < 16; irq++)
        (void)acpi_irq_route(&parsed, (uint8_t)irq, &route);
    if (parsed.cpu_count == 0 || !parsed.cpus[0].enabled)
        return;
    MUST(acpi_madt_hide_cpus(madt, size, &parsed.cpus[0].apic_id, 1) == HV_OK);
    MUST(acpi_madt_parse(madt, size, &hidden) == HV_OK);
    MUST(hidden.cpu_count >= 1 && hidden.cpus[0].apic_id == parsed.cpus[0].apic_id);
    for (unsigned i = 0; i < hidden.cpu_count; i++)
        MUST(hidden.cpus[i].apic_id == parsed.cpus[0].apic_id);
}

static void fuzz_mptable(uint8_t *table, size_t size)
{
    struct mp_pointer pointer;
    struct irq_route route;
    uint16_t length = 0;
    unsigned count;
    size_t at;

    if (mp_find(table, size, &at, &pointer) == HV_OK)
        MUST(at + 16 <= size);
    if (size >= 44) {
        memcpy(table, "PCMP", 4);
        memcpy(&length, table + 4, 2);
        fix(table, size, length, 7);
    }
    if (mp_table_cpus(table, size, NULL, 0, &count) != HV_OK)
        return;
    for (unsigned irq = 0; irq < 16; irq++)
        (void)mp_irq_route(table, size, (uint8_t)irq, &route);
    for (uint32_t id = 0; id < 256; id++) {
        if (mp_table_hide_cpus(table, size, &id, 1) == HV_OK) {
            unsigned left = 0;

            MUST(mp_table_cpus(table, size, NULL, 0, &left) == HV_OK);
            MUST(left >= 1 && left <= count);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    fuzz_root(data, size);
    memcpy(copy, data, size);
    fuzz_madt(copy, size);
    struct acpi_fadt fadt;
    (void)acpi_fadt_parse(data, size, &fadt);
    memcpy(copy, data, size);
    fuzz_mptable(copy, size);
    free(copy);
    return 0;
}
