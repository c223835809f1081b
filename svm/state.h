/* Registers between a VMCB and struct hv_regs. Pure. */
#ifndef SVM_STATE_H
#define SVM_STATE_H

#include "core/vcpu.h"
#include "svm/vmcb.h"

/* Reads the groups (enum hv_reg_group) into regs. CR8 is not in the VMCB: the caller's. */
void svm_state_fetch(const struct vmcb *vmcb, unsigned groups, struct hv_regs *regs);

/*
 * Writes the groups into the VMCB; returns the clean bits (enum svm_clean) that no longer hold.
 * EFER.SVME is set whatever regs say, SS.DPL becomes the CPL: VMRUN needs both.
 */
unsigned svm_state_commit(struct vmcb *vmcb, unsigned groups, const struct hv_regs *regs);

#endif
