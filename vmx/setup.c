#include "vmx/setup.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "vmx/traps.h"
#include "vmx/vmcs.h"

void vmx_setup_write(const struct vcpu *v, const struct vmx_controls *controls,
                     const struct vmx_owned *owned)
{
    vmx_maps_build();
    vmx_traps_reset(owned);
    vmwrite(VMCS_PIN_CONTROLS, controls->pin);
    vmwrite(VMCS_CPU_CONTROLS, controls->cpu);
    vmwrite(VMCS_CPU_CONTROLS2, controls->cpu2);
    vmwrite(VMCS_EXIT_CONTROLS, controls->exit);
    vmwrite(VMCS_ENTRY_CONTROLS, controls->entry);
    vmwrite(VMCS_PAGE_FAULT_MASK, 0);
    vmwrite(VMCS_PAGE_FAULT_MATCH, 0);
    vmwrite(VMCS_CR3_TARGET_COUNT, 0);
    vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
    vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite(VMCS_LINK_POINTER, UINT64_MAX);
    vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
    if (controls->cpu2 & VMX_CPU2_VPID)
        vmwrite(VMCS_VPID, v->number + 1);
    if (controls->cpu2 & VMX_CPU2_XSAVES)
        vmwrite(VMCS_XSS_EXITING_BITMAP, 0);
    if (controls->cpu2 & VMX_CPU2_PCONFIG)
        vmwrite(VMCS_PCONFIG_EXITING_BITMAP, 0);
}
