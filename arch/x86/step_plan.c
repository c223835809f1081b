#include "arch/x86/step_plan.h"

#include "arch/x86/registers.h"

/* SDM, "One-byte Opcode Map": the ones that need no look at ModRM. */
static enum step_class classify_opcode(uint8_t opcode)
{
    switch (opcode) {
    case 0x9c:
        return STEP_PUSHF;
    case 0x9d:
        return STEP_POPF;
    case 0xcf:
        return STEP_IRET;
    case 0xcd:
        return STEP_INT_N;
    case 0xcc:
        return STEP_INT3;
    case 0xce:
        return STEP_INTO;
    case 0xf1:
        return STEP_ICEBP;
    case 0xfb:
        return STEP_STI;
    case 0x17:
        return STEP_MOV_SS;
    case 0xf4:
        return STEP_HLT;
    case 0x9a:
    case 0xea:
    case 0xca:
    case 0xcb:
        return STEP_FAR;
    default:
        return STEP_PLAIN;
    }
}

/* INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS. */
static bool is_string(uint8_t opcode)
{
    return (opcode >= 0x6c && opcode <= 0x6f) || (opcode >= 0xa4 && opcode <= 0xa7) ||
           (opcode >= 0xaa && opcode <= 0xaf);
}

static enum step_class classify_one_byte(const struct x86_insn *insn)
{
    unsigned reg = (insn->modrm >> 3) & 7; /* REX.R has no say in these */

    if (insn->rep && is_string(insn->opcode))
        return STEP_REP_STRING;
    if (insn->opcode == 0x8e)
        return reg == 2 ? STEP_MOV_SS : STEP_PLAIN;
    if (insn->opcode == 0xff) /* far ones take a pointer in memory */
        return insn->mod != 3 && (reg == 3 || reg == 5) ? STEP_FAR : STEP_PLAIN;
    return classify_opcode(insn->opcode);
}

static enum step_class classify_two_byte(const struct x86_insn *insn, bool long_mode)
{
    switch (insn->opcode) {
    case 0x01:
        /* MWAIT and MWAITX; prefixes make other instructions of some of their neighbours. */
        if (insn->modrm == 0xc6)
            return STEP_WRMSR;
        return insn->modrm == 0xc9 || insn->modrm == 0xfb ? STEP_MWAIT : STEP_PLAIN;
    case 0x05:
        return long_mode ? STEP_SYSCALL : STEP_SYSCALL_LEGACY;
    case 0x07:
        return long_mode ? STEP_SYSRET : STEP_SYSRET_LEGACY;
    case 0x30:
        return STEP_WRMSR;
    case 0x34:
        return STEP_SYSENTER;
    case 0x35:
        return STEP_SYSEXIT;
    case 0xaa:
        return STEP_RSM;
    default:
        return STEP_PLAIN;
    }
}

enum step_class step_classify(const struct x86_insn *insn, bool long_mode)
{
    if (insn->encoding != X86_LEGACY)
        return STEP_PLAIN;
    if (insn->map == X86_MAP_ONE_BYTE)
        return classify_one_byte(insn);
    if (insn->map == X86_MAP_0F)
        return classify_two_byte(insn, long_mode);
    return STEP_PLAIN;
}

unsigned step_flags_size(const struct x86_insn *insn)
{
    /* PUSHF and POPF have no 4-byte form in 64-bit code; IRET has, and is 8 only with REX.W. */
    if (insn->bits == X86_64 && insn->opcode != 0xcf && insn->operand_size != 2)
        return 8;
    return insn->operand_size;
}

static uint8_t vector_of(const struct x86_insn *insn, enum step_class kind)
{
    switch (kind) {
    case STEP_INT_N:
        return (uint8_t)insn->imm;
    case STEP_INT3:
        return VECTOR_BP;
    case STEP_INTO:
        return VECTOR_OF;
    case STEP_ICEBP:
        return VECTOR_DB;
    default:
        return 0;
    }
}

/* Near JMP, CALL and RET; what is far is told by its class. */
static bool is_near_jump(const struct x86_insn *insn)
{
    unsigned reg = (insn->modrm >> 3) & 7;

    if (insn->encoding != X86_LEGACY || insn->map != X86_MAP_ONE_BYTE)
        return false;
    if (insn->opcode == 0xff)
        return reg == 2 || reg == 4;
    return insn->opcode == 0xc2 || insn->opcode == 0xc3 || insn->opcode == 0xe8 ||
           insn->opcode == 0xe9 || insn->opcode == 0xeb;
}

bool step_branched(const struct step_plan *plan, uint64_t moved)
{
    switch (plan->kind) {
    case STEP_IRET:
    case STEP_FAR:
        return true;
    case STEP_REP_STRING:
        return false;
    default:
        return plan->jumps || moved != plan->length;
    }
}

struct step_plan step_plan_make(const struct x86_insn *insn, bool long_mode)
{
    enum step_class kind = step_classify(insn, long_mode);

    return (struct step_plan){
        .kind = kind,
        .length = insn->length,
        .vector = vector_of(insn, kind),
        .image_size = kind == STEP_PUSHF ? (uint8_t)step_flags_size(insn) : 0,
        .jumps = is_near_jump(insn),
        .repair_r11 = kind == STEP_SYSCALL,
        .wide = kind == STEP_SYSRET && insn->operand_size == 8,
        .guard_next = kind == STEP_STI || kind == STEP_MOV_SS,
        .guard_target = kind == STEP_SYSCALL || kind == STEP_SYSCALL_LEGACY || kind == STEP_SYSRET,
    };
}

uint64_t step_repair_flags(enum step_class kind, uint64_t flags_before, uint64_t flags_after)
{
    switch (kind) {
    case STEP_POPF:
    case STEP_IRET:
    case STEP_RSM:
    case STEP_SYSRET:
        return flags_after;
    default:
        return flags_after & (flags_before | ~RFLAGS_TF);
    }
}

bool step_traps(enum step_class kind, uint64_t flags_before, uint64_t flags_after)
{
    switch (kind) {
    case STEP_SYSCALL:
    case STEP_SYSRET:
        return flags_after & RFLAGS_TF;
    case STEP_MOV_SS:
        return false;
    default:
        return flags_before & RFLAGS_TF;
    }
}

uint64_t step_repair_image(uint64_t image, uint64_t flags_before)
{
    return (image & ~RFLAGS_TF) | (flags_before & RFLAGS_TF);
}
