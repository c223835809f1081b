#include "vmx/state.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "vmx/vmcs.h"

enum { TYPE_BUSY = 2, PDPTES = 4 };

struct vmx_owned vmx_owned_make(uint64_t cr0_fixed0, uint64_t cr4_fixed0)
{
    struct vmx_owned o;

    /* An unrestricted guest has PE and PG of its own (SDM vol. 3, "Restrictions on VMX Operation").
     */
    o.cr0_mask = o.cr0_on = cr0_fixed0 & ~(CR0_PE | CR0_PG);
    o.cr4_on = cr4_fixed0 | CR4_VMXE;
    o.cr4_mask = o.cr4_on | CR4_SMXE;
    return o;
}

uint32_t vmx_rights(enum hv_segment_name name, const struct hv_segment *segment)
{
    uint32_t a = segment->attributes;

    if (name == SEG_TR) /* never unusable, always busy */
        a = (a & 0xfff) | SEG_ATTR_PRESENT | TYPE_BUSY;
    if (name != SEG_TR && name != SEG_CS && !(a & SEG_ATTR_PRESENT))
        return VMX_RIGHTS_UNUSABLE | (a & 3U << SEG_ATTR_DPL_SHIFT);
    return (a & 0xff) | (a & 0xf00) << 4;
}

uint16_t vmx_attributes(uint32_t rights)
{
    uint16_t a = (uint16_t)((rights & 0xff) | (rights >> 4 & 0xf00));

    return rights & VMX_RIGHTS_UNUSABLE ? a & ~(uint16_t)SEG_ATTR_PRESENT : a;
}

static void fetch_segments(struct hv_regs *r)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct hv_segment *s = &r->seg[i];
        s->selector = (uint16_t)vmread(VMCS_GUEST_ES_SELECTOR + 2 * i);
        s->attributes = vmx_attributes((uint32_t)vmread(VMCS_GUEST_ES_RIGHTS + 2 * i));
        s->limit = (uint32_t)vmread(VMCS_GUEST_ES_LIMIT + 2 * i);
        s->base = vmread(VMCS_GUEST_ES_BASE + 2 * i);
    }
}

static void fetch_control(const struct vmx_owned *o, struct hv_regs *r)
{
    r->cr0 = (vmread(VMCS_GUEST_CR0) & ~o->cr0_mask) | (vmread(VMCS_CR0_SHADOW) & o->cr0_mask);
    r->cr4 = (vmread(VMCS_GUEST_CR4) & ~o->cr4_mask) | (vmread(VMCS_CR4_SHADOW) & o->cr4_mask);
    r->cr2 = read_cr2();
    r->cr3 = vmread(VMCS_GUEST_CR3);
    r->cr8 = read_cr8();
    r->efer = vmread(VMCS_GUEST_EFER);
}

void vmx_state_fetch(const struct vmx_owned *owned, unsigned groups, struct hv_regs *r)
{
    if (groups & REGS_SEGMENTS)
        fetch_segments(r);
    if (groups & REGS_TABLES) {
        r->gdtr.base = vmread(VMCS_GUEST_GDTR_BASE);
        r->gdtr.limit = (uint16_t)vmread(VMCS_GUEST_GDTR_LIMIT);
        r->idtr.base = vmread(VMCS_GUEST_IDTR_BASE);
        r->idtr.limit = (uint16_t)vmread(VMCS_GUEST_IDTR_LIMIT);
    }
    if (groups & REGS_CONTROL)
        fetch_control(owned, r);
    if (groups & REGS_SYSCALL) {
        r->star = rdmsr(MSR_STAR);
        r->lstar = rdmsr(MSR_LSTAR);
        r->cstar = rdmsr(MSR_CSTAR);
        r->sfmask = rdmsr(MSR_SFMASK);
        r->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
        r->sysenter_cs = vmread(VMCS_GUEST_SYSENTER_CS);
        r->sysenter_esp = vmread(VMCS_GUEST_SYSENTER_ESP);
        r->sysenter_eip = vmread(VMCS_GUEST_SYSENTER_EIP);
    }
    if (groups & REGS_PAT)
        r->pat = vmread(VMCS_GUEST_PAT);
}

static void commit_segments(const struct hv_regs *r)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct hv_segment *s = &r->seg[i];
        vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * i, s->selector);
        vmwrite(VMCS_GUEST_ES_RIGHTS + 2 * i, vmx_rights((enum hv_segment_name)i, s));
        vmwrite(VMCS_GUEST_ES_LIMIT + 2 * i, s->limit);
        vmwrite(VMCS_GUEST_ES_BASE + 2 * i, s->base);
    }
}

/* SDM vol. 3, "PDPTE Registers": with EPT they are in the VMCS, entry does not read memory. */
static void commit_pdptes(uint64_t cr3)
{
    uint64_t entries[PDPTES];

    if (guest_phys_read(cr3 & 0xffffffe0, entries, sizeof(entries)) != sizeof(entries))
        return;
    for (unsigned i = 0; i < PDPTES; i++)
        vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, entries[i]);
}

static bool is_pae(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

static void commit_control(const struct vmx_owned *o, const struct hv_regs *r)
{
    bool was_pae = is_pae(vmread(VMCS_GUEST_CR0), vmread(VMCS_GUEST_CR4), vmread(VMCS_GUEST_EFER));

    if (is_pae(r->cr0, r->cr4, r->efer) && !(was_pae && r->cr3 == vmread(VMCS_GUEST_CR3)))
        commit_pdptes(r->cr3);
    vmwrite(VMCS_GUEST_CR0, r->cr0 | o->cr0_on);
    vmwrite(VMCS_CR0_SHADOW, r->cr0);
    vmwrite(VMCS_GUEST_CR3, r->cr3);
    vmwrite(VMCS_GUEST_CR4, (r->cr4 & ~o->cr4_mask) | o->cr4_on);
    vmwrite(VMCS_CR4_SHADOW, r->cr4 & ~(CR4_VMXE | CR4_SMXE));
    vmwrite(VMCS_GUEST_EFER, r->efer);
    uint64_t entry = vmread(VMCS_ENTRY_CONTROLS) & ~(uint64_t)VMX_ENTRY_IA32E;
    vmwrite(VMCS_ENTRY_CONTROLS, entry | (r->efer & EFER_LMA ? VMX_ENTRY_IA32E : 0));
    write_cr2(r->cr2);
    write_cr8(r->cr8);
}

void vmx_state_commit(const struct vmx_owned *owned, unsigned groups, const struct hv_regs *r)
{
    if (groups & REGS_SEGMENTS)
        commit_segments(r);
    if (groups & REGS_TABLES) {
        vmwrite(VMCS_GUEST_GDTR_BASE, r->gdtr.base);
        vmwrite(VMCS_GUEST_GDTR_LIMIT, r->gdtr.limit);
        vmwrite(VMCS_GUEST_IDTR_BASE, r->idtr.base);
        vmwrite(VMCS_GUEST_IDTR_LIMIT, r->idtr.limit);
    }
    if (groups & REGS_CONTROL)
        commit_control(owned, r);
    if (groups & REGS_SYSCALL) {
        wrmsr(MSR_STAR, r->star);
        wrmsr(MSR_LSTAR, r->lstar);
        wrmsr(MSR_CSTAR, r->cstar);
        wrmsr(MSR_SFMASK, r->sfmask);
        wrmsr(MSR_KERNEL_GS_BASE, r->kernel_gs_base);
        vmwrite(VMCS_GUEST_SYSENTER_CS, r->sysenter_cs);
        vmwrite(VMCS_GUEST_SYSENTER_ESP, r->sysenter_esp);
        vmwrite(VMCS_GUEST_SYSENTER_EIP, r->sysenter_eip);
    }
    if (groups & REGS_PAT)
        vmwrite(VMCS_GUEST_PAT, r->pat);
}
