/* Capability registers -> control words. Pure. SDM vol. 3, appendix "VMX Controls". */
#ifndef VMX_CONTROLS_H
#define VMX_CONTROLS_H

#include "vmx/features.h"

/* The words that do not change from entry to entry; the others begin with these. */
struct vmx_controls {
    uint32_t pin, cpu, cpu2, exit, entry;
};

struct vmx_controls vmx_controls_make(const struct vmx_features *f);

/* NULL, or a sentence naming the first control that is needed and cannot be had. */
const char *vmx_controls_missing(const struct vmx_features *f);

/* Can `bits` all be set in the word this capability value is for? */
bool vmx_controls_allow(uint64_t capability, uint32_t bits);

#endif
