#include "boot/set_entry.h"

#include "arch/x86/registers.h"

static struct hv_segment flat(uint16_t selector, uint16_t type)
{
    /* Present, S, the type; granular, 32 bit. */
    return (struct hv_segment){selector, (uint16_t)(0xc90 | type), UINT32_MAX, 0};
}

static void enter_flat32(struct vcpu *v, const struct guest_entry *entry)
{
    struct hv_regs *r = &v->regs;
    enum { CODE = 0xb, DATA = 0x3 };

    r->cr0 = CR0_PE | CR0_ET;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        r->seg[i] = flat(GUEST_DS, DATA);
    r->seg[SEG_CS] = flat(GUEST_CS, CODE);
    r->gdtr = (struct hv_table){entry->gdt_base, (uint16_t)entry->gdt_limit};
    r->idtr = (struct hv_table){0, 0};
}

static void enter_real16(struct vcpu *v, const struct guest_entry *entry)
{
    struct hv_regs *r = &v->regs;

    r->cr0 = CR0_ET;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        r->seg[i].selector = 0;
        r->seg[i].base = 0;
    }
    r->seg[SEG_CS].selector = entry->cs;
    r->seg[SEG_CS].base = (uint64_t)entry->cs << 4;
    r->idtr = (struct hv_table){0, 0x3ff};
}

void set_entry(struct vcpu *v, const struct guest_entry *entry)
{
    uint64_t *gpr = v->regs.gpr;

    vcpu_reset(v);
    if (entry->mode == GUEST_FLAT32)
        enter_flat32(v, entry);
    else
        enter_real16(v, entry);
    v->regs.rip = entry->rip;
    v->regs.rflags = entry->rflags;
    gpr[GPR_RAX] = entry->rax;
    gpr[GPR_RBX] = entry->rbx;
    gpr[GPR_RCX] = entry->rcx;
    gpr[GPR_RDX] = entry->rdx;
    gpr[GPR_RSI] = entry->rsi;
    gpr[GPR_RDI] = entry->rdi;
    gpr[GPR_RBP] = entry->rbp;
    gpr[GPR_RSP] = entry->rsp;
}
