/*
 * What ends the guest: resets and power off that it asks for, a double fault, a halt that nothing
 * wakes. While gdb is there each stops in front of it, with the evidence; without gdb they go their
 * way, but for what no guest comes back from (judge.h, EVENT_DEATH).
 */
#ifndef DEBUG_DEATH_H
#define DEBUG_DEATH_H

#include "core/io_policy.h"
#include "core/vcpu.h"

/* What the user can choose: bits of debug.stops. */
enum death {
    /* By a port: chipset, port A, keyboard controller, ACPI, power off; INIT to the boot CPU. */
    DEATH_RESET = 1 << 0,
    DEATH_DOUBLE_FAULT = 1 << 1,
    DEATH_HALT = 1 << 2, /* all CPUs halted with interrupts off */
    DEATH_ALL = 7,
};

enum { DEATH_PORTS = 7 };

/* What these need now: enum hv_trap, bit n for exception n, ports; a page of memory, which is
 * guarded from then on or no more. All CPUs stand. */
unsigned death_traps(void);
uint32_t death_exceptions(void);
const struct port_row *death_watched(unsigned *count);
void death_guard(void);

/* Is this exit, which is not carried out yet, such an end, and does the user want to see it? */
bool death_find(struct vcpu *v, const struct hv_exit *exit);

/* In words; and the signal that gdb is told. */
void death_say(struct vcpu *v, const struct hv_exit *exit, char *text, size_t size);
uint8_t death_signal(const struct hv_exit *exit);

/*
 * The user has heard of it, as stop number debug.heard, and lets all go. The same halt is not told
 * again until the next stop, unless the user has moved a CPU. All CPUs stand.
 */
void death_told(const struct hv_exit *exit);
void death_goes_on(void);

/* v runs, and is not halted. */
void death_forget_halt(const struct vcpu *v);

#endif
