/*
 * INT3s in the guest's memory itself, for the CPUs that execute in a page with breakpoints by a
 * view that can have no others (core/exec_views.h). They are there while some CPU has such a view
 * of the page, for all to see; meanwhile nobody steps off one of that page's breakpoints, and the
 * other way round. Any CPU may call these at any time.
 */
#ifndef CORE_PLANTED_H
#define CORE_PLANTED_H

#include "hv/types.h"

/* A CPU begins to execute in a page with breakpoints. False: another one steps there. */
bool planted_enter(unsigned cpu, gpa_t page);
void planted_leave(unsigned cpu);

/* A CPU is about to step at a breakpoint of a page. False: others have INT3s in it. */
bool planted_claim(unsigned cpu, gpa_t page);
void planted_release(unsigned cpu);

/* Guest-physical memory as the guest has it, without these INT3s. As guest_phys_read(). */
size_t planted_read(gpa_t address, void *buf, size_t size);

#endif
