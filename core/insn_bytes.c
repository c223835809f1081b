#include "core/insn_bytes.h"

#include "core/guest_memory.h"
#include "core/operand.h"

enum hv_status insn_at_rip(struct vcpu *v, struct x86_insn *insn)
{
    uint8_t bytes[X86_INSN_MAX];
    size_t count = guest_linear_read(v, vcpu_linear_rip(v), bytes, sizeof(bytes));
    unsigned bits = vcpu_code_bits(v);

    return x86_decode(bytes, count, bits == 64 ? X86_64 : bits == 32 ? X86_32 : X86_16, insn);
}

/* The opcode of an instruction that has no operands to decode; 0: it is another kind of exit. */
static uint8_t plain_opcode(enum hv_exit_kind kind)
{
    enum { WRMSR = 0x30, RDMSR = 0x32, CPUID = 0xa2 };

    if (kind == HV_EXIT_CPUID)
        return CPUID;
    return kind == HV_EXIT_MSR_READ ? RDMSR : kind == HV_EXIT_MSR_WRITE ? WRMSR : 0;
}

unsigned insn_length(struct vcpu *v, const struct hv_exit *exit)
{
    enum { PLAIN_LENGTH = 2 };
    uint8_t plain = plain_opcode(exit->kind);
    struct x86_insn insn;

    if (exit->insn_length)
        return exit->insn_length;
    bool decoded = insn_at_rip(v, &insn) == HV_OK;
    /* A guest in system management mode runs on memory that we do not see. */
    if (plain && !(decoded && insn.map == X86_MAP_0F && insn.opcode == plain))
        return PLAIN_LENGTH;
    return decoded ? insn.length : 0;
}

static uint64_t register_value(const struct vcpu *v, const struct x86_insn *insn, unsigned number,
                               bool byte)
{
    if (byte && !insn->rex && number >= GPR_RSP) /* AH, CH, DH, BH */
        return v->regs.gpr[number - GPR_RSP] >> 8;
    return v->regs.gpr[number];
}

bool insn_stores(const struct vcpu *v, const struct x86_insn *insn, uint64_t *value, unsigned *size)
{
    enum { XCHG = 0x86, MOV = 0x88, MOV_FROM_RAX = 0xa2, MOV_IMMEDIATE = 0xc6, BYTE_OR_NOT = 1 };
    bool byte = !(insn->opcode & BYTE_OR_NOT);

    if (insn->encoding != X86_LEGACY || insn->map != X86_MAP_ONE_BYTE ||
        (insn->has_modrm && insn->mod == 3))
        return false;
    switch (insn->opcode & ~BYTE_OR_NOT) {
    case XCHG:
    case MOV:
        *value = register_value(v, insn, insn->reg, byte);
        break;
    case MOV_FROM_RAX:
        *value = v->regs.gpr[GPR_RAX];
        break;
    case MOV_IMMEDIATE:
        *value = (uint64_t)x86_insn_imm_signed(insn);
        break;
    default:
        return false;
    }
    *size = byte ? 1 : insn->operand_size;
    *value &= operand_mask(*size);
    return true;
}
