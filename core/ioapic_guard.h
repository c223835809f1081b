/*
 * The I/O APIC entry through which the debug UART breaks in. The entry is ours (NMI, edge); the
 * guest sees one of its own there, which does nothing; all others are the guest's.
 */
#ifndef CORE_IOAPIC_GUARD_H
#define CORE_IOAPIC_GUARD_H

#include "hv/status.h"
#include "hv/types.h"

struct ioapic_pin {
    hpa_t ioapic;     /* its register page */
    unsigned entry;   /* of the redirection table */
    uint32_t apic_id; /* the CPU that gets the NMI */
};

/*
 * Routes the entry and takes the page out of the guest's hands. HV_ENOENT: no I/O APIC answers at
 * that address, or it has no such entry.
 */
enum hv_status ioapic_guard_init(const struct ioapic_pin *pin);

/*
 * The device behind the pin, as the guest sees it, interrupts: the guest gets what its own entry
 * says, by an interrupt command to the same APIC. Nothing when the entry is masked, or not a plain
 * interrupt.
 */
void ioapic_guard_raise(void);

/*
 * An entry as the guest has it; *ours: it is the one that is not in the chip. False: no such entry,
 * or no chip is guarded. The guest does not notice.
 */
bool ioapic_guard_entry(unsigned entry, uint64_t *value, bool *ours);

#endif
