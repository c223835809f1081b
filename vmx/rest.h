/*
 * How a CPU waits where INIT and start-ups are exits: not in the host, where an INIT stays pending
 * and a start-up is lost, but as a guest, in a VMCS of its own. That guest is the host itself,
 * halted or waiting for a start-up, and never executes an instruction.
 */
#ifndef VMX_REST_H
#define VMX_REST_H

#include "core/vcpu.h"
#include "vmx/controls.h"
#include "vmx/features.h"
#include "vmx/state.h"

/* Pure: has the processor these activity states? */
bool vmx_rest_offered(const struct vmx_features *f);

/*
 * On the CPU v itself: makes its VMCS for this, the current one then. revision: the regions', of
 * IA32_VMX_BASIC.
 */
void vmx_rest_prepare(const struct vcpu *v, uint32_t revision, const struct vmx_controls *controls,
                      const struct vmx_owned *owned);

/* Before VMXOFF. */
void vmx_rest_end(const struct vcpu *v);

/*
 * Waits as hv_backend->wait() does; v's VMCS for it is the current one then. nmis_seen: as
 * vmx_enter()'s. INIT and start-ups that come are noted. Returns how many NMIs exits have taken;
 * those that the host took itself are not among them.
 */
unsigned vmx_rest(const struct vcpu *v, uint64_t nmis_seen);

#endif
