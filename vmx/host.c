#include "vmx/host.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/segment.h"
#include "lib/string.h"
#include "vmx/enter.h"
#include "vmx/vmcs.h"

/* SDM vol. 3, "TSS Descriptor in 64-bit mode": the upper half of the base follows. */
uint64_t vmx_host_task_base(uint64_t gdt_base, uint16_t selector)
{
    struct hv_segment segment;
    uint64_t low, high;

    memcpy(&low, (const uint8_t *)gdt_base + selector, sizeof(low));
    memcpy(&high, (const uint8_t *)gdt_base + selector + 8, sizeof(high));
    segment_decode(low, &segment);
    return segment.base | (high & UINT32_MAX) << 32;
}

void vmx_host_write(void)
{
    struct table_register gdtr, idtr;
    uint16_t tr = store_tr();

    store_gdt(&gdtr);
    store_idt(&idtr);
    vmwrite(VMCS_HOST_ES_SELECTOR, 0);
    vmwrite(VMCS_HOST_CS_SELECTOR, HOST_CS);
    vmwrite(VMCS_HOST_SS_SELECTOR, HOST_DS);
    vmwrite(VMCS_HOST_DS_SELECTOR, 0);
    vmwrite(VMCS_HOST_FS_SELECTOR, 0);
    vmwrite(VMCS_HOST_GS_SELECTOR, 0);
    vmwrite(VMCS_HOST_TR_SELECTOR, tr);
    vmwrite(VMCS_HOST_FS_BASE, 0);
    vmwrite(VMCS_HOST_GS_BASE, 0);
    vmwrite(VMCS_HOST_TR_BASE, vmx_host_task_base(gdtr.base, tr));
    vmwrite(VMCS_HOST_GDTR_BASE, gdtr.base);
    vmwrite(VMCS_HOST_IDTR_BASE, idtr.base);
    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR3, read_cr3());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmwrite(VMCS_HOST_SYSENTER_CS, 0);
    vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
    vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
    vmwrite(VMCS_HOST_RIP, (uint64_t)vmx_exit);
}
