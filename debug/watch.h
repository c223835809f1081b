/* Hardware breakpoints and watchpoints: the user's four debug register slots. */
#ifndef DEBUG_WATCH_H
#define DEBUG_WATCH_H

#include "core/debug_regs.h"
#include "gdbstub/target.h"

/*
 * Idempotent both. size: 1, 2, 4 or 8 and the address aligned to it (execute: any size, it is 1 for
 * the processor). HV_EINVAL: another size or alignment; HV_ENOSPC: all four in use.
 */
enum hv_status watch_insert(enum gdb_break_type type, gva_t address, uint64_t size);
enum hv_status watch_remove(enum gdb_break_type type, gva_t address, uint64_t size);
void watch_remove_all(void);
unsigned watch_count(void);

/* True when the user has an execute breakpoint at this linear address. */
bool watch_executes_at(gva_t address);

/*
 * Read watches: the processor knows only "read or write". One whose bytes are not what they were
 * when the guest last stopped or hit it was written, not read, and goes out of the hits. Returns
 * what is left.
 */
unsigned watch_filter(struct vcpu *v, unsigned hits);

/* Before the guest runs: what read watches look at now. */
void watch_remember(struct vcpu *v);

/* The stop for the user's slots in hits (a bit mask, not 0). Data comes before execute. */
struct gdb_stop watch_stop(unsigned hits, unsigned thread);

#endif
