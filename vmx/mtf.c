#include "vmx/mtf.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "vmx/enter.h"
#include "vmx/host.h"
#include "vmx/vmcs.h"

/* The guest of the trial is the host itself, with its paging and its segments. */
static void write_guest(const struct vmx_owned *owned)
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
    vmwrite(VMCS_GUEST_ACTIVITY, 0);
}

static void write_controls(const struct vmx_controls *c)
{
    vmwrite(VMCS_CPU_CONTROLS, c->cpu | VMX_CPU_MTF);
    vmwrite(VMCS_CPU_CONTROLS2, c->cpu2 & ~(VMX_CPU2_EPT | VMX_CPU2_UNRESTRICTED | VMX_CPU2_VPID));
    vmwrite(VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    vmwrite(VMCS_ENTRY_EVENT, 0);
}

enum vmx_mtf vmx_mtf_try(const struct vmx_features *f, const struct vmx_controls *c,
                         const struct vmx_owned *owned)
{
    enum { TRIES = 8 }; /* an NMI may come first */
    uint64_t gpr[GPR_COUNT] = {0};
    bool launched = false;

    if (!vmx_controls_allow(f->cpu, VMX_CPU_MTF))
        return VMX_MTF_NONE;
    write_guest(owned);
    write_controls(c);
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
