/*
 * One CPU at a time may hold all others still: to talk to the user, to step over a breakpoint.
 * These are the lock-free rules (docs/smp.md), and nothing else is in this file.
 *
 *   claim    one word, `holder`, by compare-and-swap: the first one has it
 *   gather   every other CPU gets an NMI and is awaited until it stands
 *   rest     a CPU that waits for its start-up stands all the time
 *   stand    a CPU that sees another one hold: it says so in its own word, waits, and says that it
 *            runs again before it looks whether it may
 *   release  the word goes back, who stands gets an NMI
 *   kick     that NMI: at most one of ours is on its way to a CPU, so that every NMI that comes
 *            can be told to be ours or the guest's
 */
#ifndef CORE_PARK_H
#define CORE_PARK_H

#include "core/vcpu.h"

/* How kicks find this CPU. */
void park_set_apic_id(unsigned cpu, uint32_t apic_id);

/* True: this CPU holds. False: another one does, park_stand() is due. */
bool park_claim(const struct vcpu *v);

/* For the holder: returns when all others stand. */
void park_gather(const struct vcpu *v);

/* For the holder: how long it has waited for the last CPU to stand, in ticks of its TSC. */
struct park_skew {
    uint64_t last, max;
};
struct park_skew park_skew(void);
void park_skew_reset(void);

/* For the holder: the others may go on, whether they were gathered or not. */
void park_release(const struct vcpu *v);

/* True while another CPU holds. */
bool park_wanted(const struct vcpu *v);

/*
 * Stands while another CPU holds. What others may look at (registers) must be in struct vcpu
 * before. NMIs that come meanwhile and are the guest's are kept for it.
 */
void park_stand(struct vcpu *v);

/*
 * Waits once, whether another CPU holds or not, for what ends the wait of a CPU that the guest has
 * not started: no holder needs it meanwhile, and a kick may not reach it. The same as
 * park_stand() when one holds then.
 */
void park_rest(struct vcpu *v);

/* Makes another CPU leave the guest, or its wait, and look around. */
void park_kick(unsigned cpu);

/*
 * This CPU has taken NMIs, `came` of them, 1 or more. Returns how many are no kick of ours. A kick
 * that is on its way, if only a moment behind, is awaited and taken too.
 */
unsigned park_other_nmis(const struct vcpu *v, unsigned came);

#endif
