/*
 * Tracepoints: software breakpoints whose hits are collected by the CPU that hits, which then goes
 * on. Nothing is told, and nothing goes over the line, until gdb asks.
 */
#ifndef DEBUG_TRACES_H
#define DEBUG_TRACES_H

#include "core/vcpu.h"
#include "debug/judge.h"
#include "gdbstub/trace.h"

extern struct gdb_trace debug_trace;

/* Before the guest runs; size bytes for what is collected. */
void traces_init(uint8_t *bytes, size_t size);

/* See struct gdb_target. */
enum hv_status traces_arm(void);
void traces_disarm(void);

/* All breakpoints are taken out of the guest, and the run ends. */
void traces_forget(void);

/*
 * The user sets or removes a software breakpoint. True: a tracepoint has one there, which stays
 * when the user's goes.
 */
bool traces_share(gva_t address, bool set);

/*
 * On v itself, other CPUs may run: collects for a hit, or for a step behind one. True: the event is
 * no one else's, and not to be told.
 */
bool traces_take(struct vcpu *v, const struct debug_event *event);

#endif
