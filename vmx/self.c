#include "vmx/self.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "vmx/enter.h"
#include "vmx/host.h"
#include "vmx/vmcs.h"

static void write_registers(const struct vmx_owned *owned)
{
    struct hv_regs r = {.cr0 = read_cr0(),
                        .cr2 = read_cr2(),
                        .cr3 = read_cr3(),
                        .cr4 = read_cr4(),
                        .cr8 = read_cr8(),
                        .efer = rdmsr(MSR_EFER)};
    struct table_register gdtr, idtr;
    uint16_t tr = store_tr();

    store_gdt(&gdtr);
    store_idt(&idtr);
    r.gdtr = (struct hv_table){gdtr.base, gdtr.limit};
    r.idtr = (struct hv_table){idtr.base, idtr.limit};
    r.seg[SEG_CS] = (struct hv_segment){HOST_CS, 0xa9b, UINT32_MAX, 0};
    r.seg[SEG_SS] = (struct hv_segment){HOST_DS, 0xc93, UINT32_MAX, 0};
    r.seg[SEG_TR] = (struct hv_segment){tr, 0x8b, 0x67, vmx_host_task_base(gdtr.base, tr)};
    vmx_state_commit(owned, REGS_SEGMENTS | REGS_TABLES | REGS_CONTROL, &r);
}

void vmx_self_write(const struct vmx_controls *controls, const struct vmx_owned *owned)
{
    const uint32_t memory = VMX_CPU2_EPT | VMX_CPU2_UNRESTRICTED | VMX_CPU2_VPID;

    write_registers(owned);
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
    vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_DR7, DR7_RESET);
    vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
    vmwrite(VMCS_GUEST_RIP, (uint64_t)vmx_trial);
    vmwrite(VMCS_GUEST_RSP, 0);
    vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_ONE);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVE);
    vmwrite(VMCS_CPU_CONTROLS2, controls->cpu2 & ~memory);
    vmwrite(VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    vmwrite(VMCS_ENTRY_EVENT, 0);
}
