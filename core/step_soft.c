#include "core/step_soft.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/operand.h"
#include "core/segment.h"
#include "core/watch_pages.h"

/* APM vol. 3, "STI": where IOPL allows it no other bit than IF has a say. */
static bool set_interrupt_flag(struct vcpu *v)
{
    vcpu_need(v, REGS_CONTROL);
    unsigned iopl = v->regs.rflags >> RFLAGS_IOPL_SHIFT & 3;

    if ((v->regs.cr0 & CR0_PE) && vcpu_cpl(v) > iopl)
        return false;
    v->regs.rflags |= RFLAGS_IF;
    return true;
}

static bool page_watched(struct vcpu *v, gva_t address)
{
    struct x86_translation t;

    return !guest_translate(v, address, &t) || watch_pages_has(t.gpa);
}

/* The selector's descriptor, which may lie on two pages: it is read, and its accessed bit set. */
static bool descriptor_watched(struct vcpu *v, uint16_t selector)
{
    enum { LOCAL_TABLE = 4, DESCRIPTOR = 8 };

    vcpu_need(v, REGS_SEGMENTS | REGS_TABLES);
    gva_t table = selector & LOCAL_TABLE ? v->regs.seg[SEG_LDTR].base : v->regs.gdtr.base;
    gva_t address = table + (selector & ~7U);
    return debug_regs_accessed(v, address, DESCRIPTOR) || page_watched(v, address) ||
           page_watched(v, address + DESCRIPTOR - 1);
}

static bool load_ss(struct vcpu *v, uint16_t selector)
{
    vcpu_need(v, REGS_CONTROL);
    if (v->regs.rflags & RFLAGS_VM) {
        segment_load_v86(v, SEG_SS, selector);
        return true;
    }
    if (v->regs.cr0 & CR0_PE)
        return !descriptor_watched(v, selector) &&
               segment_load(v, SEG_SS, selector, vcpu_cpl(v)) == 0;
    vcpu_change(v, REGS_SEGMENTS);
    v->regs.seg[SEG_SS].selector = selector;
    v->regs.seg[SEG_SS].base = (uint64_t)selector << 4;
    return true;
}

/* The stack's own checks are the processor's where they could fail. */
static bool pop_ss(struct vcpu *v, const struct x86_insn *insn)
{
    enum { SP_MOST = 0xfff0, EXPAND_DOWN = 1 << 2 };
    const struct hv_segment *ss = &v->regs.seg[SEG_SS];
    uint64_t *rsp = &v->regs.gpr[GPR_RSP];
    uint16_t selector;

    vcpu_need(v, REGS_CONTROL | REGS_SEGMENTS);
    bool wide = ss->attributes & SEG_ATTR_DB;
    uint64_t sp = wide ? (uint32_t)*rsp : (uint16_t)*rsp;
    if ((!wide && sp > SP_MOST) || (ss->attributes & EXPAND_DOWN) ||
        sp + insn->operand_size - 1 > ss->limit)
        return false;
    if (!operand_read_linear(v, vcpu_linear_rsp(v), &selector, 2) || !load_ss(v, selector))
        return false;
    uint64_t up = *rsp + insn->operand_size; /* by the width of the stack it came from */
    *rsp = wide ? (uint32_t)up : (*rsp & ~0xffffULL) | (uint16_t)up;
    return true;
}

static bool mov_ss(struct vcpu *v, const struct x86_insn *insn)
{
    uint16_t selector = (uint16_t)v->regs.gpr[insn->rm & 15];

    if (insn->mod != 3 && !operand_read(v, insn, &selector, sizeof(selector)))
        return false;
    return load_ss(v, selector);
}

static bool execute(struct vcpu *v, const struct x86_insn *insn, enum step_class kind)
{
    if (kind == STEP_STI)
        return set_interrupt_flag(v);
    if (kind == STEP_MOV_SS)
        return insn->opcode == 0x8e ? mov_ss(v, insn) : pop_ss(v, insn);
    return false;
}

bool step_soft(struct vcpu *v, const struct x86_insn *insn, enum step_class kind)
{
    bool shadow = kind == STEP_MOV_SS || !(v->regs.rflags & RFLAGS_IF);
    bool tf = vcpu_owes_step(v, v->regs.rflags, false);

    if (insn->lock || debug_regs_executed(v, vcpu_linear_rip(v)) || !execute(v, insn, kind))
        return false;
    vcpu_skip(v, insn->length);
    v->interrupt_shadow = shadow;
    if (tf && kind == STEP_STI) /* behind MOV SS it waits for the next instruction */
        vcpu_raise_step(v);
    return true;
}
