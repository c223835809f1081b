/* What the hall finds out about the machine: CPUs, interrupts, what is memory. */
#ifndef BOOT_PLATFORM_H
#define BOOT_PLATFORM_H

#include "arch/x86/acpi.h"
#include "arch/x86/irq_route.h"
#include "boot/boot_info.h"
#include "core/guest_memory.h"
#include "hv/status.h"

/* The physical address bits of this processor (CPUID Fn8000_0008). */
unsigned platform_phys_bits(void);

/* Finds the firmware's tables; info->rsdp is filled when the loader gave none. */
void platform_find_tables(struct boot_info *info);

/* The ACPI root tables that those are in; zeros: there is none. */
struct acpi_root platform_acpi_root(const struct boot_info *info);

/* Where an ISA interrupt arrives: by ACPI, else the MP table, else as a PC is wired. */
struct irq_route platform_route(uint8_t irq);

/*
 * The APIC ids of the enabled CPUs, this one first, by ACPI, else by the MP table; at most
 * HV_MAX_CPUS. Returns how many; *all: how many there are.
 */
unsigned platform_cpus(uint32_t *apic_ids, unsigned *all);

/* How the guest ends the machine by ACPI. */
struct acpi_fadt platform_fadt(const struct boot_info *info);

/* Clears all but these CPUs from ACPI's and the MP table, in the guest's memory. */
void platform_hide_cpus(const uint32_t *keep, unsigned count);

/* The APIC id of the CPU that runs this. */
uint32_t platform_apic_id(void);

/* What of the map may be read without side effects. map: with the reservation carved out. */
void platform_guest_ranges(const struct memory_map *map, struct guest_memory_config *config);

#endif
