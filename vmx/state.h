/* Registers between the current VMCS (and a few MSRs) and struct hv_regs. */
#ifndef VMX_STATE_H
#define VMX_STATE_H

#include "core/vcpu.h"

/* Bits of the guest's CR0 and CR4 that it does not own: `on` is what they really are. */
struct vmx_owned {
    uint64_t cr0_mask, cr0_on;
    uint64_t cr4_mask, cr4_on;
};

/* Which bits those are, from the capability registers. Pure. */
struct vmx_owned vmx_owned_make(uint64_t cr0_fixed0, uint64_t cr4_fixed0);

/* Reads the groups (enum hv_reg_group) into regs; CR2, CR8 and SYSCALL's MSRs are live. */
void vmx_state_fetch(const struct vmx_owned *owned, unsigned groups, struct hv_regs *regs);

/*
 * Writes the groups. The guest's PDPTEs are read from its memory when PAE paging begins or its CR3
 * changes by that.
 */
void vmx_state_commit(const struct vmx_owned *owned, unsigned groups, const struct hv_regs *regs);

/* Access rights and back. Pure. A segment that is not present is unusable, but for CS and TR. */
uint32_t vmx_rights(enum hv_segment_name name, const struct hv_segment *segment);
uint16_t vmx_attributes(uint32_t rights);

#endif
