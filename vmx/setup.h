/* The fields of a VMCS that are the same at each entry. */
#ifndef VMX_SETUP_H
#define VMX_SETUP_H

#include "core/vcpu.h"
#include "vmx/controls.h"
#include "vmx/state.h"

/* Writes them into the current VMCS, which is to be v's: controls, bitmaps, who owns which bits. */
void vmx_setup_write(const struct vcpu *v, const struct vmx_controls *controls,
                     const struct vmx_owned *owned);

#endif
