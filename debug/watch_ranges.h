/*
 * Watchpoints that do not fit in debug registers: of any length and alignment, and more than four.
 * By guest-physical address, as the memory was mapped when they were set.
 */
#ifndef DEBUG_WATCH_RANGES_H
#define DEBUG_WATCH_RANGES_H

#include "core/vcpu.h"
#include "gdbstub/target.h"

/*
 * Idempotent both; all CPUs stand. HV_EINVAL: an execute one, or of no bytes; HV_EFAULT: not mapped
 * or no memory; HV_ENOSPC: too many, or see watch_pages_insert().
 */
enum hv_status watch_ranges_insert(struct vcpu *v, enum gdb_break_type type, gva_t address,
                                   uint64_t size);
void watch_ranges_remove(enum gdb_break_type type, gva_t address, uint64_t size);
void watch_ranges_remove_all(void);
unsigned watch_ranges_count(void);

/* Those of the hits (vcpu.watch_hits) that are still set. */
uint32_t watch_ranges_still_set(uint32_t hits);

/* The stop for hits, not 0. */
struct gdb_stop watch_ranges_stop(uint32_t hits, unsigned thread);

#endif
