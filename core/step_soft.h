/* Stepped instructions whose own trap comes late, done here where that is simple. */
#ifndef CORE_STEP_SOFT_H
#define CORE_STEP_SOFT_H

#include "arch/x86/decode.h"
#include "arch/x86/step_plan.h"
#include "core/vcpu.h"

/*
 * Does STI, MOV SS and POP SS at RIP as the processor would, with the shadow behind them and the
 * trap that the guest's own TF owes. False: nothing done, the processor has to (it faults, a debug
 * register may be hit, or it is none of these).
 */
bool step_soft(struct vcpu *v, const struct x86_insn *insn, enum step_class kind);

#endif
