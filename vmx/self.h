/* The host itself as a guest: for a VMCS that runs none of the guest's code. */
#ifndef VMX_SELF_H
#define VMX_SELF_H

#include "vmx/controls.h"
#include "vmx/state.h"

/*
 * Writes the guest's half of the current VMCS from what this CPU has loaded now, with RIP at
 * vmx_trial and interrupts off, and turns off the controls for memory of its own; any exception
 * exits. The other controls must be written before.
 */
void vmx_self_write(const struct vmx_controls *controls, const struct vmx_owned *owned);

#endif
