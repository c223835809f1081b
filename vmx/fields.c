#include "vmx/fields.h"

#include "arch/x86/insn.h"
#include "vmx/vmcs.h"

static struct vmx_msr_area read_msr_area(enum vmcs_field count, enum vmcs_field address)
{
    return (struct vmx_msr_area){(uint32_t)vmread(count), vmread(address)};
}

static void read_controls(struct vmx_control_fields *c)
{
    c->pin = (uint32_t)vmread(VMCS_PIN_CONTROLS);
    c->cpu = (uint32_t)vmread(VMCS_CPU_CONTROLS);
    c->cpu2 = c->cpu & VMX_CPU_SECONDARY ? (uint32_t)vmread(VMCS_CPU_CONTROLS2) : 0;
    c->exit = (uint32_t)vmread(VMCS_EXIT_CONTROLS);
    c->entry = (uint32_t)vmread(VMCS_ENTRY_CONTROLS);
    c->cr3_targets = (uint32_t)vmread(VMCS_CR3_TARGET_COUNT);
    c->vpid = (uint16_t)vmread(VMCS_VPID);
    c->io_bitmap_a = vmread(VMCS_IO_BITMAP_A);
    c->io_bitmap_b = vmread(VMCS_IO_BITMAP_B);
    c->msr_bitmap = vmread(VMCS_MSR_BITMAP);
    c->ept_pointer = vmread(VMCS_EPT_POINTER);
    c->exit_store = read_msr_area(VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_STORE_ADDRESS);
    c->exit_load = read_msr_area(VMCS_EXIT_MSR_LOAD_COUNT, VMCS_EXIT_MSR_LOAD_ADDRESS);
    c->entry_load = read_msr_area(VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_ADDRESS);
    c->event = (uint32_t)vmread(VMCS_ENTRY_EVENT);
    c->event_error = (uint32_t)vmread(VMCS_ENTRY_EVENT_ERROR);
    c->event_length = (uint32_t)vmread(VMCS_ENTRY_INSN_LENGTH);
}

static void read_host(struct vmx_host_fields *h)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        h->selector[i] = (uint16_t)vmread(VMCS_HOST_ES_SELECTOR + 2 * i);
    h->selector[SEG_LDTR] = 0;
    h->selector[SEG_TR] = (uint16_t)vmread(VMCS_HOST_TR_SELECTOR);
    h->cr0 = vmread(VMCS_HOST_CR0);
    h->cr3 = vmread(VMCS_HOST_CR3);
    h->cr4 = vmread(VMCS_HOST_CR4);
    h->fs_base = vmread(VMCS_HOST_FS_BASE);
    h->gs_base = vmread(VMCS_HOST_GS_BASE);
    h->tr_base = vmread(VMCS_HOST_TR_BASE);
    h->gdtr_base = vmread(VMCS_HOST_GDTR_BASE);
    h->idtr_base = vmread(VMCS_HOST_IDTR_BASE);
    h->sysenter_esp = vmread(VMCS_HOST_SYSENTER_ESP);
    h->sysenter_eip = vmread(VMCS_HOST_SYSENTER_EIP);
    h->pat = vmread(VMCS_HOST_PAT);
    h->efer = vmread(VMCS_HOST_EFER);
    h->rip = vmread(VMCS_HOST_RIP);
}

static struct vmx_segment read_segment(unsigned i)
{
    return (struct vmx_segment){.selector = (uint16_t)vmread(VMCS_GUEST_ES_SELECTOR + 2 * i),
                                .rights = (uint32_t)vmread(VMCS_GUEST_ES_RIGHTS + 2 * i),
                                .limit = (uint32_t)vmread(VMCS_GUEST_ES_LIMIT + 2 * i),
                                .base = vmread(VMCS_GUEST_ES_BASE + 2 * i)};
}

static void read_guest(struct vmx_guest_fields *g)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        g->seg[i] = read_segment(i);
    g->gdtr.limit = (uint32_t)vmread(VMCS_GUEST_GDTR_LIMIT);
    g->gdtr.base = vmread(VMCS_GUEST_GDTR_BASE);
    g->idtr.limit = (uint32_t)vmread(VMCS_GUEST_IDTR_LIMIT);
    g->idtr.base = vmread(VMCS_GUEST_IDTR_BASE);
    g->cr0 = vmread(VMCS_GUEST_CR0);
    g->cr3 = vmread(VMCS_GUEST_CR3);
    g->cr4 = vmread(VMCS_GUEST_CR4);
    g->dr7 = vmread(VMCS_GUEST_DR7);
    g->rip = vmread(VMCS_GUEST_RIP);
    g->rflags = vmread(VMCS_GUEST_RFLAGS);
    g->sysenter_esp = vmread(VMCS_GUEST_SYSENTER_ESP);
    g->sysenter_eip = vmread(VMCS_GUEST_SYSENTER_EIP);
    g->debugctl = vmread(VMCS_GUEST_DEBUGCTL);
    g->pat = vmread(VMCS_GUEST_PAT);
    g->efer = vmread(VMCS_GUEST_EFER);
    g->activity = (uint32_t)vmread(VMCS_GUEST_ACTIVITY);
    g->interruptibility = (uint32_t)vmread(VMCS_GUEST_INTERRUPTIBILITY);
    g->pending_debug = vmread(VMCS_GUEST_PENDING_DEBUG);
    g->link_pointer = vmread(VMCS_LINK_POINTER);
    for (unsigned i = 0; i < VMX_PDPTES; i++)
        g->pdpte[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
}

void vmx_fields_read(struct vmx_fields *fields)
{
    read_controls(&fields->control);
    read_host(&fields->host);
    read_guest(&fields->guest);
}
