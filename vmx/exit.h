/* Raw VMX fields to neutral words and back. Pure. */
#ifndef VMX_EXIT_H
#define VMX_EXIT_H

#include "arch/x86/registers.h"
#include "core/vcpu.h"
#include "hv/compiler.h"

/* Exceptions with an error code (SDM vol. 3, "VM-Entry Controls for Event Injection"). */
#define VMX_WITH_ERROR                                                                             \
    (HV_BIT(VECTOR_DF) | HV_BIT(VECTOR_TS) | HV_BIT(VECTOR_NP) | HV_BIT(VECTOR_SS) |               \
     HV_BIT(VECTOR_GP) | HV_BIT(VECTOR_PF) | HV_BIT(VECTOR_AC))

/* The read-only data fields of one exit. */
struct vmx_raw_exit {
    uint32_t reason;
    uint32_t event, event_error; /* VM-exit interruption information */
    uint32_t insn_length;
    uint64_t qualification;
    gpa_t guest_physical;
};

/*
 * What the fields tell. CR accesses: CR0 becomes HV_EXIT_NONE (see vmx_exit_cr0), CR4
 * HV_EXIT_BAD_CR: only hidden bits of it exit.
 */
void vmx_exit_decode(const struct vmx_raw_exit *raw, struct hv_exit *exit);

/*
 * Interruption information for VM entry; 0 for none. protected_mode: the guest's CR0.PE, without
 * which no error code may be delivered. *error: the error code field, for those that have one.
 */
uint32_t vmx_event_encode(const struct hv_event *event, bool protected_mode, uint32_t *error);

/* The event whose delivery the exit interrupted, to be delivered again; HV_EVENT_NONE: none. */
struct hv_event vmx_event_interrupted(uint32_t vectoring, uint32_t error, uint32_t insn_length);

/*
 * The exit itself tells that the guest's IRET had ended NMI blocking before it faulted: blocking is
 * to be on again. SDM vol. 3, "Information for VM Exits Due to Vectored Events" (bit 12).
 */
bool vmx_exit_undid_iret(const struct vmx_raw_exit *raw, uint32_t vectoring);

#endif
