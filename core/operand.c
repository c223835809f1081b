#include "core/operand.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/watch_pages.h"

enum { NO_INDEX = 4, NO_BASE = 5 };

enum hv_segment_name operand_segment(const struct x86_insn *insn, enum hv_segment_name by_default)
{
    switch (insn->segment) {
    case 0x26:
        return SEG_ES;
    case 0x2e:
        return SEG_CS;
    case 0x36:
        return SEG_SS;
    case 0x3e:
        return SEG_DS;
    case 0x64:
        return SEG_FS;
    case 0x65:
        return SEG_GS;
    default:
        return by_default;
    }
}

gva_t operand_linear(struct vcpu *v, enum hv_segment_name segment, uint64_t offset)
{
    vcpu_need(v, REGS_SEGMENTS);
    if (vcpu_code_bits(v) != 64)
        return (uint32_t)(v->regs.seg[segment].base + offset);
    return offset + (segment == SEG_FS || segment == SEG_GS ? v->regs.seg[segment].base : 0);
}

/* SDM vol. 2, "16-Bit Addressing Forms with the ModR/M Byte". */
static uint64_t offset16(const struct vcpu *v, const struct x86_insn *insn,
                         enum hv_segment_name *segment)
{
    const uint64_t *gpr = v->regs.gpr;
    unsigned form = insn->modrm & 7;
    uint64_t offset = (uint64_t)insn->disp;

    if (form == 2 || form == 3 || (form == 6 && insn->mod)) {
        offset += gpr[GPR_RBP];
        *segment = SEG_SS;
    }
    if (form < 2 || form == 7)
        offset += gpr[GPR_RBX];
    if (form == 0 || form == 2 || form == 4)
        offset += gpr[GPR_RSI];
    if (form == 1 || form == 3 || form == 5)
        offset += gpr[GPR_RDI];
    return (uint16_t)offset;
}

/* The same, "32-Bit Addressing Forms", with and without SIB; and 64-bit ones. */
static uint64_t offset32(const struct vcpu *v, const struct x86_insn *insn,
                         enum hv_segment_name *segment)
{
    const uint64_t *gpr = v->regs.gpr;
    unsigned base = (insn->has_sib ? insn->base : insn->rm) & 15;
    uint64_t offset = (uint64_t)insn->disp;

    if (insn->rip_relative) {
        offset += v->regs.rip + insn->length;
    } else if (insn->mod || (base & 7) != NO_BASE) {
        offset += gpr[base];
        if (base == GPR_RSP || base == GPR_RBP)
            *segment = SEG_SS;
    }
    if (insn->has_sib && insn->index != NO_INDEX)
        offset += gpr[insn->index & 15] * insn->scale;
    return insn->address_size == 4 ? (uint32_t)offset : offset;
}

/* The offset, and its segment. False: no operand in memory. */
static bool find(const struct vcpu *v, const struct x86_insn *insn, enum hv_segment_name *segment,
                 uint64_t *offset)
{
    if (!insn->has_modrm || insn->mod == 3)
        return false;
    *segment = SEG_DS;
    *offset = insn->address_size == 2 ? offset16(v, insn, segment) : offset32(v, insn, segment);
    *segment = operand_segment(insn, *segment);
    return true;
}

bool operand_address(struct vcpu *v, const struct x86_insn *insn, gva_t *address)
{
    enum hv_segment_name segment;
    uint64_t offset;

    if (!find(v, insn, &segment, &offset))
        return false;
    *address = operand_linear(v, segment, offset);
    return true;
}

/* SDM vol. 3, "Limit Checking", "Type Checking". */
static bool in_segment(const struct hv_segment *s, uint64_t offset, size_t size)
{
    enum { CODE = 1 << 3, EXPAND_DOWN = 1 << 2, READABLE = 1 << 1 };
    unsigned forbidden =
        s->attributes & CODE ? ~s->attributes & READABLE : s->attributes & EXPAND_DOWN;

    return (s->attributes & SEG_ATTR_PRESENT) && !forbidden && offset + size - 1 <= s->limit;
}

static bool may_read(struct vcpu *v, gva_t address)
{
    enum { ACCESSED = 1 << 5 };
    struct x86_paging paging = guest_paging(v);
    struct x86_translation t;

    return guest_translate(v, address, &t) && (!t.level || (t.entry & ACCESSED)) &&
           x86_walk_allows(&paging, &t, X86_READ, vcpu_cpl(v) == 3, v->regs.rflags & RFLAGS_AC) &&
           !watch_pages_has(t.gpa);
}

bool operand_read_linear(struct vcpu *v, gva_t address, void *buf, size_t size)
{
    bool aligned = !(address & (size - 1)) || vcpu_cpl(v) != 3 || !(v->regs.rflags & RFLAGS_AC);

    return aligned && !debug_regs_accessed(v, address, size) && may_read(v, address) &&
           may_read(v, address + size - 1) && guest_linear_read(v, address, buf, size) == size;
}

bool operand_read(struct vcpu *v, const struct x86_insn *insn, void *buf, size_t size)
{
    enum hv_segment_name segment;
    uint64_t offset;

    if (!find(v, insn, &segment, &offset))
        return false;
    gva_t address = operand_linear(v, segment, offset);
    return (vcpu_code_bits(v) == 64 || in_segment(&v->regs.seg[segment], offset, size)) &&
           operand_read_linear(v, address, buf, size);
}
