/* What VMX cannot give to a guest, or not without more work: hidden in CPUID. Pure. */
#ifndef VMX_HIDDEN_H
#define VMX_HIDDEN_H

#include "core/policy.h"

enum { VMX_HIDDEN_MAX = 16 };

/*
 * The rows for a guest that runs with these secondary controls (struct vmx_controls.cpu2); returns
 * how many.
 */
unsigned vmx_hidden_make(uint32_t cpu2, struct cpuid_row rows[VMX_HIDDEN_MAX]);

#endif
