/*
 * The interrupt command register: with one CPU in the guest, no other may be started, for it would
 * run outside of gdbvisor. INIT and start-up IPIs go nowhere, all else is sent.
 */
#ifndef CORE_ICR_GUARD_H
#define CORE_ICR_GUARD_H

#include "hv/status.h"
#include "hv/types.h"

/* True when an ICR write (its low half) may be done. Pure. */
bool icr_guard_allows(uint32_t low);

/* True when the APIC base MSR may get this value: while its page is guarded, it stays there. */
bool icr_guard_allows_base(uint64_t value);

/*
 * The same for the machine as it is: while the firmware's boot services are there, everything is
 * sent. The firmware wakes its other CPUs when it hands over to an operating system, and waits for
 * them.
 */
bool icr_guard_lets(uint32_t low);

/*
 * Takes writes of the local APIC's page out of the guest's hands (x2APIC's ICR is an MSR that
 * always exits). Costs two exits a write, so only for machines that have other CPUs.
 * boot_services: the address of a 64-bit word that is not 0 while the firmware is there; 0: none.
 */
enum hv_status icr_guard_init(gpa_t boot_services);

#endif
