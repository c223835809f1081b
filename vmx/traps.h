/* What is trapped at an entry: the controls, bitmaps and masks that change with it. */
#ifndef VMX_TRAPS_H
#define VMX_TRAPS_H

#include "core/vcpu.h"
#include "vmx/controls.h"
#include "vmx/state.h"

/* The permission maps of core's policy, for all CPUs; anew when that has changed. */
void vmx_maps_build(void);

/* Into the current VMCS, as it is at first: nothing is seen by debug. */
void vmx_traps_reset(const struct vmx_owned *owned);

/*
 * For an entry of v; by_mtf: a step by the monitor trap flag. *seen: what was written last of
 * TRAP_SEEN in this VMCS, 0 after a reset.
 */
void vmx_traps_write(const struct vmx_controls *controls, const struct vmx_owned *owned,
                     const struct vcpu *v, enum hv_run_mode mode, bool by_mtf, unsigned *seen);

/* Is this control-register access one that debug wants to see? Then it is told in *exit. */
bool vmx_traps_saw_cr(unsigned seen, uint64_t qualification, struct hv_exit *exit);

#endif
