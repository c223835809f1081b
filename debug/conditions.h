/*
 * Conditions and commands of breakpoints, evaluated here: a condition that does not hold costs the
 * exit and the step over the breakpoint, and nothing on the line.
 */
#ifndef DEBUG_CONDITIONS_H
#define DEBUG_CONDITIONS_H

#include "core/vcpu.h"
#include "debug/judge.h"
#include "gdbstub/agent.h"
#include "gdbstub/target.h"

/* All of them together, in bytes of code; gdb's for `x == 1000` is 19. */
enum { CONDITIONS_SIZE = 16384 };

/* Instead of what the breakpoint had; none of both takes that away. HV_ENOSPC: no room. */
enum hv_status conditions_set(enum gdb_break_type type, gva_t address,
                              const struct gdb_break_agent *agent);
void conditions_forget_all(void);

/*
 * On v itself, other CPUs may run: the event is a hit of a breakpoint with conditions, and none
 * holds. One that cannot be evaluated does hold: gdb, which tries it again, then says why.
 */
bool conditions_deny(struct vcpu *v, const struct debug_event *event);

/* For who holds: true when what stops v is a breakpoint with commands, which are done now. */
bool conditions_run_commands(struct vcpu *v, const struct gdb_stop *stop);

/* The integers and memory of a CPU's thread, for agent expressions. */
bool conditions_register(unsigned thread, unsigned number, uint64_t *value);
size_t conditions_memory(unsigned thread, gva_t address, void *buf, size_t size);

#endif
