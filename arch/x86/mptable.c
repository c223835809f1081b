#include "arch/x86/mptable.h"

#include "lib/bytes.h"
#include "lib/string.h"

enum {
    POINTER_TABLE = 4,
    POINTER_LENGTH = 8, /* in units of 16 bytes */
    POINTER_DEFAULT = 11,

    TABLE_LENGTH = 4,
    TABLE_CHECKSUM = 7,
    TABLE_ENTRIES = 34,
    TABLE_SIZE = 44, /* without entries */
};

/* Entry types ("Base MP Configuration Table Entries"). */
enum { ENTRY_CPU = 0, ENTRY_BUS = 1, ENTRY_IOAPIC = 2, ENTRY_IO_INT = 3, ENTRY_LOCAL_INT = 4 };

enum { CPU_ENABLED = 1, IOAPIC_ENABLED = 1, INT_VECTORED = 0 };

enum hv_status mp_find(const uint8_t *area, size_t size, size_t *offset, struct mp_pointer *pointer)
{
    for (size_t at = 0; at < size && size - at >= 16; at += 16) {
        const uint8_t *p = area + at;
        size_t length = 16 * (size_t)p[POINTER_LENGTH];

        if (memcmp(p, "_MP_", 4) != 0 || length == 0 || length > size - at ||
            sum_bytes(p, length) != 0)
            continue;
        *offset = at;
        *pointer = (struct mp_pointer){
            .table = p[POINTER_DEFAULT] ? 0 : get32(p + POINTER_TABLE),
            .default_config = p[POINTER_DEFAULT],
        };
        return HV_OK;
    }
    return HV_ENOENT;
}

/* 0: no such type, and so no way to know its size. */
static unsigned entry_size(uint8_t type)
{
    if (type == ENTRY_CPU)
        return 20;
    return type <= ENTRY_LOCAL_INT ? 8 : 0;
}

/*
 * The next entry of this type, from *at on, which goes behind it; NULL: no more. The table has been
 * checked.
 */
static const uint8_t *next_entry(const uint8_t *table, uint16_t length, uint8_t type, unsigned *at)
{
    while (*at < length) {
        const uint8_t *entry = table + *at;

        *at += entry_size(entry[0]);
        if (entry[0] == type)
            return entry;
    }
    return NULL;
}

enum hv_status mp_table_check(const uint8_t *table, size_t size, uint16_t *length)
{
    unsigned at = TABLE_SIZE, count;

    if (size < TABLE_SIZE || memcmp(table, "PCMP", 4) != 0)
        return HV_EINVAL;
    *length = get16(table + TABLE_LENGTH);
    if (*length < TABLE_SIZE || *length > size || sum_bytes(table, *length) != 0)
        return HV_EINVAL;
    for (count = 0; at < *length; count++) {
        unsigned step = entry_size(table[at]);

        if (step == 0 || step > *length - at)
            return HV_EINVAL;
        at += step;
    }
    return count == get16(table + TABLE_ENTRIES) ? HV_OK : HV_EINVAL;
}

enum hv_status mp_table_cpus(const uint8_t *table, size_t size, uint32_t *ids, unsigned max,
                             unsigned *count)
{
    unsigned at = TABLE_SIZE;
    const uint8_t *entry;
    uint16_t length;
    enum hv_status status = mp_table_check(table, size, &length);

    if (status != HV_OK)
        return status;
    *count = 0;
    while ((entry = next_entry(table, length, ENTRY_CPU, &at))) {
        if (!(entry[3] & CPU_ENABLED))
            continue;
        if (*count < max)
            ids[*count] = entry[1];
        ++*count;
    }
    return HV_OK;
}

static bool is_isa_bus(const uint8_t *table, uint16_t length, uint8_t bus)
{
    unsigned at = TABLE_SIZE;
    const uint8_t *entry;

    while ((entry = next_entry(table, length, ENTRY_BUS, &at))) {
        if (entry[1] == bus &&
            (memcmp(entry + 2, "ISA   ", 6) == 0 || memcmp(entry + 2, "EISA  ", 6) == 0))
            return true;
    }
    return false;
}

/* id 0xff is "all of them": the first is as good as any. */
static bool find_ioapic(const uint8_t *table, uint16_t length, uint8_t id, hpa_t *address)
{
    unsigned at = TABLE_SIZE;
    const uint8_t *entry;

    while ((entry = next_entry(table, length, ENTRY_IOAPIC, &at))) {
        if ((entry[1] == id || id == 0xff) && (entry[3] & IOAPIC_ENABLED)) {
            *address = get32(entry + 4);
            return true;
        }
    }
    return false;
}

enum hv_status mp_irq_route(const uint8_t *table, size_t size, uint8_t irq, struct irq_route *route)
{
    unsigned at = TABLE_SIZE;
    const uint8_t *entry;
    uint16_t length;
    enum hv_status status = mp_table_check(table, size, &length);

    if (status != HV_OK)
        return status;
    while ((entry = next_entry(table, length, ENTRY_IO_INT, &at))) {
        hpa_t ioapic;

        if (entry[1] != INT_VECTORED || entry[5] != irq || !is_isa_bus(table, length, entry[4]) ||
            !find_ioapic(table, length, entry[6], &ioapic))
            continue;
        *route = (struct irq_route){.ioapic = ioapic, .pin = entry[7]};
        irq_route_flags(route, get16(entry + 2));
        return HV_OK;
    }
    return HV_ENOENT;
}

static bool is_kept(uint32_t apic_id, const uint32_t *keep, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (keep[i] == apic_id)
            return true;
    }
    return false;
}

enum hv_status mp_table_hide_cpus(uint8_t *table, size_t size, const uint32_t *keep, unsigned count)
{
    unsigned at = TABLE_SIZE;
    const uint8_t *entry;
    bool found = false;
    uint16_t length;
    enum hv_status status = mp_table_check(table, size, &length);

    if (status != HV_OK)
        return status;
    while ((entry = next_entry(table, length, ENTRY_CPU, &at))) {
        if (entry[1] == keep[0] && (entry[3] & CPU_ENABLED))
            found = true;
    }
    if (!found)
        return HV_ENOENT;
    at = TABLE_SIZE;
    while ((entry = next_entry(table, length, ENTRY_CPU, &at))) {
        uint8_t *cpu = table + (entry - table);

        if (!is_kept(cpu[1], keep, count))
            cpu[3] &= (uint8_t)~CPU_ENABLED;
    }
    table[TABLE_CHECKSUM] = (uint8_t)(table[TABLE_CHECKSUM] - sum_bytes(table, length));
    return HV_OK;
}
