/* Running the guest: what an entry loads, and what an exit leaves. */
#ifndef VMX_RUN_H
#define VMX_RUN_H

#include "core/backend.h"
#include "hv/compiler.h"
#include "vmx/controls.h"
#include "vmx/exit.h"
#include "vmx/features.h"
#include "vmx/mtf.h"
#include "vmx/state.h"

enum { VMX_REGION = 4096 };

struct vmx_cpu {
    uint8_t vmxon[VMX_REGION];
    uint8_t vmcs[VMX_REGION];
    /* What the last exit said that the next entry or a report needs. */
    struct vmx_last_exit {
        struct vmx_raw_exit raw;
        uint32_t interruptibility;
        uint64_t pending_debug;
    } last;
    uint64_t nmis_seen; /* of those the host took; one less for each that an exit took since */
    uint64_t live_dr6;
    bool launched;
    bool stale;    /* EPT translations are out of date */
    bool stepping; /* under the monitor trap flag */
    unsigned seen; /* what of TRAP_SEEN the VMCS traps */
} HV_ALIGNED(VMX_REGION);

/* By CPU number; each its own. */
extern struct vmx_cpu vmx_cpus[HV_MAX_CPUS];

/* Of all CPUs alike; set while they come up. */
extern struct vmx_common {
    struct vmx_features features;
    struct vmx_controls controls;
    struct vmx_owned owned;
    enum vmx_mtf mtf;
} vmx;

/* The back end's run and step (core/backend.h), of the CPU whose VMCS is current. */
void vmx_run(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit);
void vmx_step(struct vcpu *v, struct hv_exit *exit);

#endif
