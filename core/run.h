/* Letting the guest run. */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include "core/vcpu.h"

/*
 * Runs v until something happens that is not core's to handle: HV_EXIT_NMI, HV_EXIT_DEBUG,
 * HV_EXIT_BREAKPOINT, HV_EXIT_ICEBP, HV_EXIT_SHUTDOWN, HV_EXIT_INIT, HV_EXIT_STAGE2,
 * HV_EXIT_INVALID or HV_EXIT_UNKNOWN; or HV_EXIT_NONE, when v->noticed is set.
 */
void core_run(struct vcpu *v, struct hv_exit *exit);

/* An NMI that is not ours: the guest gets it as soon as it can take one. */
void core_forward_nmi(struct vcpu *v);

#endif
