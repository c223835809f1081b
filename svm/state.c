#include "svm/state.h"

#include "arch/x86/registers.h"

static void get_segment(const struct vmcb_segment *from, struct hv_segment *to)
{
    to->selector = from->selector;
    to->attributes = from->attributes & 0xfff;
    to->limit = from->limit;
    to->base = from->base;
}

static void set_segment(struct vmcb_segment *to, const struct hv_segment *from)
{
    to->selector = from->selector;
    to->attributes = from->attributes & 0xfff;
    to->limit = from->limit;
    to->base = from->base;
}

/* The VMCB's segments in the order of enum hv_segment_name. */
#define SEGMENTS(save)                                                                             \
    {                                                                                              \
        &(save)->es, &(save)->cs, &(save)->ss, &(save)->ds, &(save)->fs, &(save)->gs,              \
            &(save)->ldtr, &(save)->tr                                                             \
    }

void svm_state_fetch(const struct vmcb *vmcb, unsigned groups, struct hv_regs *r)
{
    const struct vmcb_save *s = &vmcb->save;

    if (groups & REGS_SEGMENTS) {
        const struct vmcb_segment *const segments[SEG_COUNT] = SEGMENTS(s);
        for (unsigned i = 0; i < SEG_COUNT; i++)
            get_segment(segments[i], &r->seg[i]);
    }
    if (groups & REGS_TABLES) {
        r->gdtr = (struct hv_table){s->gdtr.base, (uint16_t)s->gdtr.limit};
        r->idtr = (struct hv_table){s->idtr.base, (uint16_t)s->idtr.limit};
    }
    if (groups & REGS_CONTROL) {
        r->cr0 = s->cr0;
        r->cr2 = s->cr2;
        r->cr3 = s->cr3;
        r->cr4 = s->cr4;
        r->efer = s->efer & ~EFER_SVME;
    }
    if (groups & REGS_SYSCALL) {
        r->star = s->star;
        r->lstar = s->lstar;
        r->cstar = s->cstar;
        r->sfmask = s->sfmask;
        r->kernel_gs_base = s->kernel_gs_base;
        r->sysenter_cs = s->sysenter_cs;
        r->sysenter_esp = s->sysenter_esp;
        r->sysenter_eip = s->sysenter_eip;
    }
    if (groups & REGS_PAT)
        r->pat = s->pat;
}

static uint8_t privilege(const struct vmcb_save *s)
{
    if (!(s->cr0 & CR0_PE))
        return 0;
    if (s->rflags & RFLAGS_VM)
        return 3;
    return s->ss.attributes >> SEG_ATTR_DPL_SHIFT & 3;
}

unsigned svm_state_commit(struct vmcb *vmcb, unsigned groups, const struct hv_regs *r)
{
    struct vmcb_save *s = &vmcb->save;
    unsigned stale = 0;

    if (groups & REGS_SEGMENTS) {
        struct vmcb_segment *const segments[SEG_COUNT] = SEGMENTS(s);
        for (unsigned i = 0; i < SEG_COUNT; i++)
            set_segment(segments[i], &r->seg[i]);
        stale |= SVM_CLEAN_SEG;
    }
    if (groups & REGS_TABLES) {
        s->gdtr.base = r->gdtr.base;
        s->gdtr.limit = r->gdtr.limit;
        s->idtr.base = r->idtr.base;
        s->idtr.limit = r->idtr.limit;
        stale |= SVM_CLEAN_DT;
    }
    if (groups & REGS_CONTROL) {
        s->cr0 = r->cr0;
        s->cr2 = r->cr2;
        s->cr3 = r->cr3;
        s->cr4 = r->cr4;
        s->efer = r->efer;
        stale |= SVM_CLEAN_CR | SVM_CLEAN_CR2;
    }
    if (groups & REGS_SYSCALL) {
        s->star = r->star;
        s->lstar = r->lstar;
        s->cstar = r->cstar;
        s->sfmask = r->sfmask;
        s->kernel_gs_base = r->kernel_gs_base;
        s->sysenter_cs = r->sysenter_cs;
        s->sysenter_esp = r->sysenter_esp;
        s->sysenter_eip = r->sysenter_eip;
    }
    if (groups & REGS_PAT) {
        s->pat = r->pat;
        stale |= SVM_CLEAN_NP;
    }
    if (!(s->efer & EFER_SVME)) {
        /* The guest's firmware may clear it by ways that do not exit (SMM). */
        s->efer |= EFER_SVME;
        stale |= SVM_CLEAN_CR;
    }
    if ((groups & (REGS_SEGMENTS | REGS_CONTROL)) && s->cpl != privilege(s)) {
        s->cpl = privilege(s);
        stale |= SVM_CLEAN_SEG;
    }
    return stale;
}
