/*
 * Software breakpoints that nobody sees: a page that has some ("guarded") is readable, writable and
 * not executable for all CPUs, so that whoever reads or writes it, a loader or a device, finds true
 * bytes. A CPU that fetches there gets a view of its own in which that page alone is executable:
 *
 * - where stage 2 has execute-only pages, a copy made after each exit, with INT3s in it;
 * - else the page itself, with the breakpoints in debug registers that nobody uses; when there are
 *   not enough, with INT3s in it while a CPU has that view, or the copy if it is ROM.
 *
 * It leaves the view when it fetches elsewhere, for a step, and when it stands. No judgement here:
 * a breakpoint that is reached comes up as HV_EXIT_BREAKPOINT.
 */
#ifndef CORE_EXEC_VIEWS_H
#define CORE_EXEC_VIEWS_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { EXEC_BREAKPOINTS_MAX = 1024 };

/*
 * A breakpoint at gpa, which the user knows as gva; several gva of one gpa are several. Both need
 * all CPUs to stand, and take effect at their next entry. Idempotent. HV_ENOSPC: too many, or the
 * page is no plain memory of stage 2, or there is no table left to map it by itself.
 */
enum hv_status exec_views_insert(gpa_t gpa, gva_t gva);
/* All of that gva. */
void exec_views_remove(gva_t gva);
unsigned exec_views_count(void);

/* The breakpoints, ordered by gpa; index below exec_views_count(). */
gpa_t exec_views_get(unsigned index, gva_t *gva);

/* True when there is a breakpoint at the byte that this linear address of v is. */
bool exec_views_at(struct vcpu *v, gva_t address);

/* True when the page has breakpoints. */
bool exec_views_guards(gpa_t page);
/* Maps it for all CPUs with the rights that breakpoints and watchpoints leave; as stage2_map(). */
enum hv_status exec_views_map(gpa_t page);

/* What a stage-2 fault is to us. */
enum exec_fault {
    EXEC_NOT_OURS,
    EXEC_RETRY,      /* views have changed: enter again */
    EXEC_STEP,       /* the instruction at RIP is to be stepped */
    EXEC_BREAKPOINT, /* a breakpoint is at RIP, and nothing was executed */
};
enum exec_fault exec_views_fault(struct vcpu *v, const struct hv_exit *exit);

/* A step of v begins: the page of the instruction at RIP is as it is, and executable. */
void exec_views_begin_step(struct vcpu *v);
/* A stage-2 fault in it. True: what was missing is there now, the step is to be tried again. */
bool exec_views_open(struct vcpu *v, const struct hv_exit *exit);
void exec_views_finish_step(struct vcpu *v);

/*
 * A #DB. True when it was only by registers of a view: exit->kind is HV_EXIT_BREAKPOINT then, or
 * HV_EXIT_NONE where another address space has other code at the same address. False: exit is for
 * others, without what was ours.
 */
bool exec_views_debug(struct vcpu *v, struct hv_exit *exit);

/* Before v runs free: the view is up to date, or left. */
void exec_views_prepare(struct vcpu *v);

/* Before v runs on from a stop or a step: the view of the page where it is, without the fault. */
void exec_views_resume(struct vcpu *v);

/* v has no view of its own any more: before it stands. */
void exec_views_leave(struct vcpu *v);

/*
 * v is about to step the instruction at a breakpoint. False: other CPUs have INT3s in that page;
 * they are to stand before. Else none will until exec_views_release().
 */
bool exec_views_claim(struct vcpu *v, gva_t address);
void exec_views_release(struct vcpu *v);

#endif
