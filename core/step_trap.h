/* A step by RFLAGS.TF with repair: for every backend whose processor has nothing better. */
#ifndef CORE_STEP_TRAP_H
#define CORE_STEP_TRAP_H

#include "core/vcpu.h"

/*
 * One entry under TF by the backend's run(RUN_STEP): what hv_backend->step() promises. When the
 * instruction was not done, our TF is out of RFLAGS again.
 */
void core_step_by_trap(struct vcpu *v, struct hv_exit *exit);

#endif
