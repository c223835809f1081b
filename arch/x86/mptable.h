/*
 * The Intel MP table: what BIOSes told about CPUs and interrupts before ACPI, and some kernels
 * still read. Pure. MultiProcessor Specification 1.4, "MP Configuration Table".
 */
#ifndef ARCH_X86_MPTABLE_H
#define ARCH_X86_MPTABLE_H

#include "arch/x86/irq_route.h"
#include "hv/status.h"
#include "hv/types.h"

/* The floating pointer structure. */
struct mp_pointer {
    hpa_t table;            /* of the configuration table; 0 with a default configuration */
    uint8_t default_config; /* 0, or 1..7: one of the specification's fixed machines, no table */
};

/*
 * Looks for a floating pointer with a right checksum on 16-byte boundaries of an area (the first
 * KiB of the EBDA, the last KiB of base memory, or F0000..FFFFF). *offset: bytes from area.
 * HV_ENOENT: none.
 */
enum hv_status mp_find(const uint8_t *area, size_t size, size_t *offset,
                       struct mp_pointer *pointer);

/*
 * Checks the configuration table of at most size bytes at table: signature, length, checksum, every
 * entry. HV_EINVAL: bad. *length: bytes of its base part, which is all we read.
 */
enum hv_status mp_table_check(const uint8_t *table, size_t size, uint16_t *length);

/*
 * CPUs that the table calls enabled; the APIC ids of the first `max` of them go to ids. Errors as
 * mp_table_check().
 */
enum hv_status mp_table_cpus(const uint8_t *table, size_t size, uint32_t *ids, unsigned max,
                             unsigned *count);

/*
 * Where an ISA (or EISA) IRQ arrives. Errors as mp_table_check(), and HV_ENOENT when the table does
 * not tell it.
 */
enum hv_status mp_irq_route(const uint8_t *table, size_t size, uint8_t irq,
                            struct irq_route *route);

/*
 * Clears "enabled" of all CPUs but those with these APIC ids and sets the checksum right. Errors as
 * mp_table_check(), and HV_ENOENT when the first of them is not there and enabled; on an error
 * nothing was changed.
 */
enum hv_status mp_table_hide_cpus(uint8_t *table, size_t size, const uint32_t *keep,
                                  unsigned count);

#endif
