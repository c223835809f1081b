/*
 * Memory that is watched by stage 2: its pages cannot be written, or not be accessed at all, and an
 * access runs under one step with the page as it is, for that CPU alone. No judgement here: which
 * ranges it touched stands in vcpu.watch_hits afterwards.
 */
#ifndef CORE_WATCH_PAGES_H
#define CORE_WATCH_PAGES_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { WATCH_RANGES = 16, WATCH_PAGES = 64 };

enum watch_access { WATCH_ON_WRITE = 1, WATCH_ON_READ = 2 };

/* What watchpoints leave of a page's rights (enum stage2_access) for all CPUs. */
unsigned watch_pages_access(gpa_t page);
/* And to a CPU for an instruction that it fetches there: the least with which it can. */
unsigned watch_pages_fetch_access(gpa_t page);

/*
 * Watches size bytes from gpa on, which lie in one page, as a part of range number id, for these
 * accesses. An instruction that reads and writes at once counts as a write. All CPUs stand.
 * HV_ENOSPC: too many parts, the page is no plain memory of stage 2, or there is no table left to
 * map it by itself.
 */
enum hv_status watch_pages_insert(unsigned id, gpa_t gpa, uint64_t size, unsigned accesses);
/* All parts of it. */
void watch_pages_remove(unsigned id);

/* True when what lies at gpa may be watched. */
bool watch_pages_has(gpa_t gpa);

/*
 * v is about to carry out the instruction at RIP. Where what is fetched from cannot be kept from
 * being read, its reads of its own page are not faults: its operands tell them.
 */
void watch_pages_note_reads(struct vcpu *v);

/* A stage-2 fault. True: it was of a watched page, which is open now, for a step. */
bool watch_pages_open(struct vcpu *v, const struct hv_exit *exit);
/* The step is over; done: the instruction was carried out, so what it touched counts. */
void watch_pages_finish_step(struct vcpu *v, bool done);

#endif
