/* What is trapped at an entry: intercepts, and the permission maps that change with them. */
#ifndef SVM_TRAPS_H
#define SVM_TRAPS_H

#include "core/backend.h"
#include "svm/vmcb.h"

/* The permission maps of core's policy, for all CPUs; anew when that has changed. */
void svm_maps_build(void);

/* For an entry of v: into its VMCB, with the clean bits. */
void svm_traps_write(const struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb);

#endif
