#include "vmx/setup.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/policy.h"
#include "hv/compiler.h"
#include "vmx/bitmaps.h"
#include "vmx/vmcs.h"

enum { PAGE = 4096 };

/* All CPUs' are the same. */
static uint8_t msr_bitmap[VMX_MSR_BITMAP_SIZE] HV_ALIGNED(PAGE);
static uint8_t io_bitmaps[VMX_IO_BITMAP_SIZE] HV_ALIGNED(PAGE);

void vmx_setup_write(const struct vcpu *v, const struct vmx_controls *controls,
                     const struct vmx_owned *owned)
{
    unsigned count;
    const struct msr_row *rows = msr_policy_rows(&count);

    vmx_msr_bitmap_build(msr_bitmap, rows, count);
    vmx_io_bitmap_build(io_bitmaps);
    vmwrite(VMCS_PIN_CONTROLS, controls->pin);
    vmwrite(VMCS_CPU_CONTROLS, controls->cpu);
    vmwrite(VMCS_CPU_CONTROLS2, controls->cpu2);
    vmwrite(VMCS_EXIT_CONTROLS, controls->exit);
    vmwrite(VMCS_ENTRY_CONTROLS, controls->entry);
    vmwrite(VMCS_MSR_BITMAP, (hpa_t)msr_bitmap);
    vmwrite(VMCS_IO_BITMAP_A, (hpa_t)io_bitmaps);
    vmwrite(VMCS_IO_BITMAP_B, (hpa_t)io_bitmaps + VMX_IO_BITMAP_SIZE / 2);
    vmwrite(VMCS_PAGE_FAULT_MASK, 0);
    vmwrite(VMCS_PAGE_FAULT_MATCH, 0);
    vmwrite(VMCS_CR3_TARGET_COUNT, 0);
    vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
    vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite(VMCS_LINK_POINTER, UINT64_MAX);
    vmwrite(VMCS_CR0_MASK, owned->cr0_mask);
    vmwrite(VMCS_CR4_MASK, owned->cr4_mask);
    vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
    if (controls->cpu2 & VMX_CPU2_VPID)
        vmwrite(VMCS_VPID, v->number + 1);
    if (controls->cpu2 & VMX_CPU2_XSAVES)
        vmwrite(VMCS_XSS_EXITING_BITMAP, 0);
    if (controls->cpu2 & VMX_CPU2_PCONFIG)
        vmwrite(VMCS_PCONFIG_EXITING_BITMAP, 0);
}
