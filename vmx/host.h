/* The host's half of the VMCS: what the processor loads at an exit. */
#ifndef VMX_HOST_H
#define VMX_HOST_H

#include "vmx/controls.h"

/* Writes it from what this CPU has loaded now. The VMCS must be current. */
void vmx_host_write(const struct vmx_controls *controls);

#endif
