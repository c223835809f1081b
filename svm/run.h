/* Running the guest: what an entry loads, and what an exit leaves. */
#ifndef SVM_RUN_H
#define SVM_RUN_H

#include "core/backend.h"
#include "hv/compiler.h"
#include "svm/features.h"
#include "svm/vmcb.h"

enum { SVM_ASID_NORMAL = 1, SVM_ASID_NO_EXECUTE = 2, SVM_ASID_VIEW = 3 };
enum { SVM_ASIDS = 14 }; /* their bits */

struct svm_cpu {
    struct vmcb vmcb;        /* the guest's */
    struct vmcb host_vmcb;   /* VMSAVE state of the host: TR above all */
    uint8_t host_save[4096]; /* VM_HSAVE_PA: the processor's own */
    uint32_t stale_asids;    /* bit n: translations of ASID n are out of date */
} HV_ALIGNED(4096);

/* By CPU number; each its own. */
extern struct svm_cpu svm_cpus[HV_MAX_CPUS];

/* Of all CPUs alike. */
extern struct svm_features svm_features;

/* The back end's run (core/backend.h), of the CPU that it is called on. */
void svm_run(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit);

#endif
