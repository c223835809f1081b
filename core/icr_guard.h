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
 * Takes writes of the local APIC's page out of the guest's hands (x2APIC's ICR is an MSR that
 * always exits). Costs two exits a write, so only for machines that have other CPUs.
 */
enum hv_status icr_guard_init(void);

#endif
