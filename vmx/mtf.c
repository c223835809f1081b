#include "vmx/mtf.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "vmx/enter.h"
#include "vmx/self.h"
#include "vmx/vmcs.h"

enum vmx_mtf vmx_mtf_try(const struct vmx_features *f, const struct vmx_controls *c,
                         const struct vmx_owned *owned)
{
    enum { TRIES = 8 }; /* an NMI may come first */
    uint64_t gpr[GPR_COUNT] = {0};
    bool launched = false;

    if (!vmx_controls_allow(f->cpu, VMX_CPU_MTF))
        return VMX_MTF_NONE;
    vmx_self_write(c, owned);
    vmwrite(VMCS_CPU_CONTROLS, c->cpu | VMX_CPU_MTF);
    for (unsigned i = 0; i < TRIES; i++) {
        const uint64_t *nmis = traps_nmi_counter();
        unsigned outcome = vmx_enter(gpr, launched, nmis, *nmis);
        if (outcome == VMX_ENTER_ABANDONED)
            continue;
        if (outcome != VMX_ENTER_EXITED)
            return VMX_MTF_DEAD;
        uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);
        launched = !(reason & VMX_REASON_NO_ENTRY);
        if (reason == VMX_REASON_EVENT && (uint8_t)vmread(VMCS_EXIT_EVENT) == VECTOR_NMI) {
            unblock_nmis();
            continue;
        }
        bool behind = vmread(VMCS_GUEST_RIP) == (uint64_t)vmx_trial + VMX_TRIAL_LENGTH;
        return reason == VMX_REASON_MTF && behind ? VMX_MTF_WORKS : VMX_MTF_DEAD;
    }
    return VMX_MTF_DEAD;
}

const char *vmx_mtf_text(enum vmx_mtf mtf)
{
    switch (mtf) {
    case VMX_MTF_NONE:
        return "TF (this processor has no monitor trap flag)";
    case VMX_MTF_DEAD:
        return "TF (this processor offers the monitor trap flag, but it does not fire)";
    case VMX_MTF_WORKS:
        break;
    }
    return "monitor trap flag";
}
