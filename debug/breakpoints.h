/*
 * Software breakpoints, kept by guest-physical address: in execute views (core/exec_views.h); where
 * there is no table for that, as INT3 bytes "in place" in the guest's memory, with the byte that
 * belongs there. Whoever reads through here sees the true bytes.
 */
#ifndef DEBUG_BREAKPOINTS_H
#define DEBUG_BREAKPOINTS_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { BREAKPOINTS_MAX = 1024 };

/*
 * Idempotent both. What is not mapped or no memory waits until it is, and can be executed.
 * HV_ENOSPC: too many. Removing what is not there is HV_OK. Two addresses of one byte are two
 * breakpoints: the byte goes back with the second.
 */
enum hv_status breakpoints_insert(struct vcpu *v, gva_t address);
enum hv_status breakpoints_remove(struct vcpu *v, gva_t address);
void breakpoints_remove_all(void);
unsigned breakpoints_count(void);

/* How a breakpoint is armed; and what it waits for. */
enum break_how { BREAK_IN_VIEW, BREAK_IN_PLACE, BREAK_IN_REGISTER, BREAK_WAITS };
enum break_why {
    BREAK_READY,
    BREAK_NOT_MAPPED,
    BREAK_NOT_MEMORY,
    BREAK_TOO_HIGH,       /* above 4 GiB, and the CPU is not in long mode */
    BREAK_NO_PAGING,      /* it was asked for under paging, and the CPU has none */
    BREAK_NOT_EXECUTABLE, /* by the page tables */
};

struct break_info {
    gva_t gva;
    gpa_t gpa; /* with BREAK_READY */
    enum break_how how;
    enum break_why why;
};

/* Each of breakpoints_count(), as v's paging is now. */
struct break_info breakpoints_get(struct vcpu *v, unsigned index);

/*
 * While all CPUs stand: those that wait and are memory now that can be executed, by v's paging, are
 * armed as such. True: some were.
 */
bool breakpoints_resolve(struct vcpu *v);

/* True when a breakpoint waits at this linear address. */
bool breakpoints_waits_at(gva_t address);

/* True when the INT3 at this linear address of v is ours. */
bool breakpoints_at(struct vcpu *v, gva_t address);

/* The same where nothing in memory makes a step stop there. */
bool breakpoints_hidden_at(struct vcpu *v, gva_t address);

/*
 * v is about to step the instruction under the breakpoint at address. False: all other CPUs have to
 * stand meanwhile, for there is an INT3 in memory; then breakpoints_lift() takes it out.
 * breakpoints_drop(): it is done.
 */
bool breakpoints_begin_step(struct vcpu *v, gva_t address);
void breakpoints_lift(struct vcpu *v, gva_t address);
void breakpoints_drop(struct vcpu *v);

/* Linear memory of v with true bytes under breakpoints. Bytes done. */
size_t breakpoints_read(struct vcpu *v, gva_t address, void *buf, size_t size);
size_t breakpoints_write(struct vcpu *v, gva_t address, const void *buf, size_t size);

/* The same by physical address. */
size_t breakpoints_read_phys(gpa_t address, void *buf, size_t size);
size_t breakpoints_write_phys(gpa_t address, const void *buf, size_t size);

#endif
