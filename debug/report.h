/* What a stop was for, in words: on gdb's console, or in plain text on the line. */
#ifndef DEBUG_REPORT_H
#define DEBUG_REPORT_H

#include "core/vcpu.h"
#include "debug/judge.h"

/* Of EVENT_DEATH, with what the processor has to say besides. On gdbvisor's own console, too. */
void report_death(struct vcpu *v, enum hv_exit_kind exit);

/* Of EVENT_CATCH, EVENT_PHASE or EVENT_WATCH: what was caught. A catch of a phase is used up. */
void report_catch(struct vcpu *v, const struct debug_event *event);

#endif
