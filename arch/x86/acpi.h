/*
 * ACPI tables: find and check them, read the MADT, hide CPUs in it. Pure: physical memory is read
 * through the caller's function. Every length is checked before it is used; a bad table is refused.
 *
 * ACPI specification, "Root System Description Pointer", "System Description Table Header",
 * "Multiple APIC Description Table".
 */
#ifndef ARCH_X86_ACPI_H
#define ARCH_X86_ACPI_H

#include "arch/x86/irq_route.h"
#include "arch/x86/phys_read.h"
#include "hv/status.h"
#include "hv/types.h"

/* What the RSDP points to; 0: not there. */
struct acpi_root {
    hpa_t rsdt;
    hpa_t xsdt;
};

/*
 * Looks for an RSDP with a right checksum on 16-byte boundaries of an area (the first KiB of the
 * EBDA, or E0000..FFFFF). *offset: bytes from area. HV_ENOENT: none.
 */
enum hv_status acpi_rsdp_find(const uint8_t *area, size_t size, size_t *offset);

/*
 * Checks the RSDP (20 bytes, or 36 and more from revision 2 on) and takes the root tables from it.
 * HV_EINVAL: cut short, wrong signature or checksum, no root table.
 */
enum hv_status acpi_rsdp_parse(const uint8_t *rsdp, size_t size, struct acpi_root *root);

enum { ACPI_TABLE_MAX = 1 << 20 }; /* bytes; a longer table is not believed */

struct acpi_table {
    hpa_t address;
    uint32_t length; /* bytes, header and all: 36..ACPI_TABLE_MAX */
};

/*
 * Finds the first table with this signature (4 letters) in the XSDT; in the RSDT when there is no
 * XSDT or it is bad. HV_ENOENT: not listed. HV_EINVAL: listed, but its length or checksum is wrong;
 * or the root table is. HV_EFAULT: memory could not be read.
 */
enum hv_status acpi_find_table(const struct acpi_root *root, const char *signature,
                               x86_phys_read_fn read, struct acpi_table *table);

/*
 * The number-th table that is listed, from 0 on; null entries are skipped. name: its signature,
 * terminated. HV_ENOENT: there are not so many. Others as above, but for the table's own checksum:
 * it is not looked at. On HV_EINVAL and HV_EFAULT later ones may be good.
 */
enum hv_status acpi_list_table(const struct acpi_root *root, unsigned number, x86_phys_read_fn read,
                               char name[5], struct acpi_table *table);

struct acpi_cpu {
    uint32_t apic_id;
    uint32_t uid;
    bool enabled; /* else it can be switched on ("online capable") */
};

struct acpi_ioapic {
    uint8_t id;
    uint32_t address; /* physical */
    uint32_t gsi_base;
};

/* An ISA IRQ that is not wired one to one, edge and active high. */
struct acpi_override {
    uint8_t irq;
    uint16_t flags; /* MPS INTI flags */
    uint32_t gsi;
};

enum { ACPI_MAX_IOAPICS = 32, ACPI_MAX_OVERRIDES = 32 };

struct acpi_madt {
    hpa_t lapic_address;
    bool has_8259;
    unsigned cpu_count; /* in table order; CPUs that can never be used are left out */
    struct acpi_cpu cpus[HV_MAX_CPUS];
    unsigned cpus_left; /* more CPUs than cpus[] holds */
    unsigned ioapic_count;
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    unsigned override_count;
    struct acpi_override overrides[ACPI_MAX_OVERRIDES];
};

/*
 * Reads a MADT of size bytes at madt (its own length may be less). HV_EINVAL: wrong signature,
 * length or checksum, or an entry that is cut short. HV_ENOSPC: too many IOAPICs or overrides.
 */
enum hv_status acpi_madt_parse(const uint8_t *madt, size_t size, struct acpi_madt *out);

/*
 * Where an ISA IRQ (0..15) arrives. HV_ENOENT: no IOAPIC is responsible. How many inputs an IOAPIC
 * has is not in the table: the pin must still be held against its version register.
 */
enum hv_status acpi_irq_route(const struct acpi_madt *madt, uint8_t irq, struct irq_route *route);

/* How ACPI ends the machine; 0: there is none. */
struct acpi_fadt {
    /* The reset register, which is one of these, and the byte that resets. */
    uint16_t reset_port;
    uint64_t reset_memory;
    uint32_t reset_pci; /* as port 0xcf8 addresses it, with the byte's place in bits 0 and 1 */
    uint8_t reset_value;
    uint16_t pm1_control[2]; /* ports: PM1a, PM1b */
    uint16_t smi_command;    /* the port where the byte acpi_enable turns ACPI on */
    uint8_t acpi_enable;
    uint64_t dsdt; /* address */
};

/* Reads a FADT. HV_EINVAL: wrong signature, length or checksum; *out is all zero then. */
enum hv_status acpi_fadt_parse(const uint8_t *fadt, size_t size, struct acpi_fadt *out);

/*
 * Clears "enabled" and "online capable" of all CPUs but those with these APIC ids and sets the
 * checksum right. Errors as acpi_madt_parse(), and HV_ENOENT when the first of them is not there
 * and enabled; on an error nothing was changed.
 */
enum hv_status acpi_madt_hide_cpus(uint8_t *madt, size_t size, const uint32_t *keep,
                                   unsigned count);

#endif
