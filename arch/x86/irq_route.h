/* Where an interrupt arrives: what ACPI and the MP table tell about an ISA IRQ. */
#ifndef ARCH_X86_IRQ_ROUTE_H
#define ARCH_X86_IRQ_ROUTE_H

#include "hv/types.h"

struct irq_route {
    hpa_t ioapic; /* its register page */
    uint32_t pin; /* its input, 0 the first */
    bool active_low;
    bool level; /* else edge */
};

/*
 * Polarity and trigger of an ISA interrupt from the "MPS INTI flags" of both tables (ACPI
 * specification, "MPS INTI Flags"): what conforms to the bus is active high and edge.
 */
static inline void irq_route_flags(struct irq_route *route, uint16_t flags)
{
    route->active_low = (flags & 3) == 3;
    route->level = ((flags >> 2) & 3) == 3;
}

#endif
