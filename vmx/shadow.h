/*
 * What holds events back at entry, and which debug exceptions are pending. Pure.
 * SDM vol. 3, "Guest Non-Register State", "Checks on Guest Non-Register State".
 */
#ifndef VMX_SHADOW_H
#define VMX_SHADOW_H

#include "core/vcpu.h"

struct vmx_shadow {
    uint32_t interruptibility;
    uint64_t pending_debug;
};

/*
 * For an entry with these RFLAGS. last: the interruptibility that the last exit reported; saved:
 * the pending debug exceptions that it did; shadow, nmi_blocked: what core says of them now; btf:
 * IA32_DEBUGCTL.BTF.
 *
 * RUN_STEP holds device interrupts for one instruction by blocking as after MOV SS: IF keeps the
 * guest's value, so nothing that the instruction copies from RFLAGS has to be repaired. With TF
 * such an entry must have BS pending (the processor checks it): the trap comes behind the
 * instruction.
 */
struct vmx_shadow vmx_shadow_make(enum hv_run_mode mode, uint64_t rflags, uint32_t last,
                                  uint64_t saved, bool shadow, bool nmi_blocked, bool btf);

#endif
