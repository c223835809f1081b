/* Is the monitor trap flag there, and does it work? */
#ifndef VMX_MTF_H
#define VMX_MTF_H

#include "vmx/controls.h"
#include "vmx/state.h"

/* How steps are to be done, and why. */
enum vmx_mtf { VMX_MTF_NONE, VMX_MTF_DEAD, VMX_MTF_WORKS };

/*
 * VMX_MTF_NONE: the processor does not offer it; DEAD: it does, and an instruction run under it
 * did not exit (or was not run at all); WORKS: that instruction exited behind itself.
 *
 * The instruction runs in the current VMCS, whose controls and host half must be written. The
 * guest's half and the controls are spoilt: VMCLEAR and write them anew.
 */
enum vmx_mtf vmx_mtf_try(const struct vmx_features *f, const struct vmx_controls *c,
                         const struct vmx_owned *owned);

/* For people: "MTF", ... */
const char *vmx_mtf_text(enum vmx_mtf mtf);

#endif
