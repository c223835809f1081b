#include "core/operand_reads.h"

#include "core/operand.h"

static gva_t source(struct vcpu *v, const struct x86_insn *i, uint64_t offset)
{
    return operand_linear(v, operand_segment(i, SEG_DS), offset & operand_mask(i->address_size));
}

static gva_t destination(struct vcpu *v, const struct x86_insn *i)
{
    return operand_linear(v, SEG_ES, v->regs.gpr[GPR_RDI] & operand_mask(i->address_size));
}

/*
 * SDM vol. 2, "Bit(BitBase, BitOffset)": how far from its operand BT, BTS, BTR or BTC reads by the
 * bit that a register names.
 */
static int64_t bit_distance(const struct vcpu *v, const struct x86_insn *i)
{
    uint64_t bit = v->regs.gpr[i->reg & 15];
    int64_t offset = i->operand_size == 8   ? (int64_t)bit
                     : i->operand_size == 4 ? (int32_t)bit
                                            : (int16_t)bit;
    bool by_register = i->map == X86_MAP_0F && i->encoding == X86_LEGACY &&
                       (i->opcode & 0xe7) == 0xa3; /* 0F A3, AB, B3, BB */

    return by_register ? (offset >> 3) & -(int64_t)i->operand_size : 0;
}

/* POP in all its forms, RET and IRET. */
static bool pops(const struct x86_insn *i)
{
    if (i->map == X86_MAP_0F)
        return i->opcode == 0xa1 || i->opcode == 0xa9;
    switch (i->opcode) {
    case 0x07:
    case 0x17:
    case 0x1f:
    case 0x61:
    case 0x8f:
    case 0x9d:
    case 0xc2:
    case 0xc3:
    case 0xca:
    case 0xcb:
    case 0xcf:
        return true;
    default:
        return (i->opcode & 0xf8) == 0x58;
    }
}

/* What reads without ModRM, by its opcode of one byte. */
static unsigned plain_reads(struct vcpu *v, const struct x86_insn *i, gva_t *reads)
{
    const uint64_t *gpr = v->regs.gpr;

    switch (i->opcode & 0xfe) {
    case 0xa0: /* MOV AL, moffs */
        reads[0] = source(v, i, (uint64_t)i->disp);
        return 1;
    case 0xa6: /* CMPS */
        reads[1] = destination(v, i);
        reads[0] = source(v, i, gpr[GPR_RSI]);
        return 2;
    case 0x6e: /* OUTS */
    case 0xa4: /* MOVS */
    case 0xac: /* LODS */
        reads[0] = source(v, i, gpr[GPR_RSI]);
        return 1;
    case 0xae: /* SCAS */
        reads[0] = destination(v, i);
        return 1;
    default:
        break;
    }
    if (i->opcode == 0xd7) /* XLAT */
        reads[0] = source(v, i, gpr[GPR_RBX] + (uint8_t)gpr[GPR_RAX]);
    else if (i->opcode == 0xc9) /* LEAVE, by the stack's width */
        reads[0] = operand_linear(v, SEG_SS, gpr[GPR_RBP] & vcpu_stack_mask(v));
    else
        return 0;
    return 1;
}

/* Names an address, but what is there does not matter. */
static bool only_names(const struct x86_insn *i)
{
    if (i->map == X86_MAP_ONE_BYTE)
        return i->opcode == 0x8d; /* LEA */
    if (i->map != X86_MAP_0F)
        return false;
    return i->opcode == 0x0d || (i->opcode & 0xf8) == 0x18 || /* hints and NOPs */
           (i->opcode == 0x01 && (i->reg & 7) == 7);          /* INVLPG */
}

/* The decoder does not scale an 8-bit displacement of EVEX. */
static bool is_scaled(const struct x86_insn *i)
{
    return i->encoding == X86_EVEX && i->disp_size == 1;
}

unsigned operand_reads(struct vcpu *v, const struct x86_insn *insn, gva_t reads[OPERAND_READS])
{
    unsigned n = 0;

    if (insn->encoding == X86_LEGACY && pops(insn) && insn->map <= X86_MAP_0F)
        reads[n++] = vcpu_linear_rsp(v);
    if (insn->encoding == X86_LEGACY && only_names(insn))
        return n;
    if (insn->has_modrm) {
        if (is_scaled(insn) || !operand_address(v, insn, &reads[n]))
            return n;
        reads[n] += (uint64_t)bit_distance(v, insn);
        reads[n] &= insn->bits == X86_64 ? UINT64_MAX : UINT32_MAX;
        return n + 1;
    }
    bool none = insn->rep && !(v->regs.gpr[GPR_RCX] & operand_mask(insn->address_size));
    if (!n && !none && insn->map == X86_MAP_ONE_BYTE && insn->encoding == X86_LEGACY)
        n = plain_reads(v, insn, reads);
    return n;
}
