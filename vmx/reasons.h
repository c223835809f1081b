/* The processor's numbers in words. Pure; never NULL, a number that is not known has words too. */
#ifndef VMX_REASONS_H
#define VMX_REASONS_H

#include "hv/types.h"

/* A basic exit reason (SDM vol. 3, appendix "VMX Basic Exit Reasons"). */
const char *vmx_reason_text(uint32_t reason);

/* Why a VMX instruction failed ("VM-Instruction Error Numbers"); 0: there was no current VMCS. */
const char *vmx_insn_error_text(uint64_t error);

/*
 * The qualification of a failed entry's reason ("VM-Entry Failures During or After Loading Guest
 * State"): "" when it says nothing.
 */
const char *vmx_entry_failure_text(uint32_t reason, uint64_t qualification);

/* What stands at offset 4 of a VMCS region after a VMX abort ("VMX Aborts"). */
const char *vmx_abort_text(uint32_t indicator);

#endif
