/*
 * One step: exactly one instruction, or up to the first instruction of the handler that it raised.
 * The backend does the instruction (by RFLAGS.TF with repair, or by what its processor has for it);
 * the guest never sees that, and device interrupts are held.
 */
#ifndef CORE_STEP_H
#define CORE_STEP_H

#include "core/vcpu.h"

/*
 * Does one step of v; a pending event is delivered instead of executing an instruction. exit->kind:
 * HV_EXIT_STEP: done; debug.dr6 tells which debug registers it hit besides.
 * HV_EXIT_NMI, HV_EXIT_DEBUG (a fault: before the instruction), HV_EXIT_BREAKPOINT, HV_EXIT_ICEBP,
 * HV_EXIT_SHUTDOWN, HV_EXIT_INVALID, HV_EXIT_UNKNOWN: not done, nothing executed; for the caller.
 */
void core_step(struct vcpu *v, struct hv_exit *exit);

/* The same with device interrupts let in: one that is due is the step, up to its handler. */
void core_step_interruptible(struct vcpu *v, struct hv_exit *exit);

#endif
