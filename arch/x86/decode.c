#include "arch/x86/decode.h"

#include "arch/x86/decode_tables.h"

/* Reads bytes one after the other; the first failure sticks and reads give 0 from then on. */
struct cursor {
    const uint8_t *bytes;
    size_t count;
    size_t at;
    enum hv_status status;
};

static uint8_t take(struct cursor *c)
{
    if (c->status == HV_OK) {
        if (c->at >= X86_INSN_MAX)
            c->status = HV_EINVAL;
        else if (c->at >= c->count)
            c->status = HV_EFAULT;
    }
    return c->status == HV_OK ? c->bytes[c->at++] : 0;
}

static uint64_t take_number(struct cursor *c, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)take(c) << (8 * i);
    return value;
}

static int64_t sign_extend(uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        return (int8_t)value;
    case 2:
        return (int16_t)value;
    case 4:
        return (int32_t)value;
    default:
        return (int64_t)value;
    }
}

static void take_disp(struct cursor *c, struct x86_insn *insn, unsigned size)
{
    insn->disp_size = (uint8_t)size;
    insn->disp = sign_extend(take_number(c, size), size);
}

static void take_imm(struct cursor *c, struct x86_insn *insn, unsigned size)
{
    insn->imm_size = (uint8_t)size;
    insn->imm = take_number(c, size);
}

/* SDM, "Instruction Prefixes". False when the byte is no legacy prefix. */
static bool note_prefix(struct x86_insn *insn, uint8_t byte)
{
    switch (byte) {
    case 0xf0:
        insn->lock = true;
        return true;
    case 0xf2:
    case 0xf3:
        insn->rep = byte;
        return true;
    case 0x66:
        insn->operand_prefix = true;
        return true;
    case 0x67:
        insn->address_prefix = true;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        if (insn->bits != X86_64) /* there they are ignored, even behind FS or GS */
            insn->segment = byte;
        return true;
    case 0x64:
    case 0x65:
        insn->segment = byte;
        return true;
    default:
        return false;
    }
}

/* Takes all prefixes but VEX and its kin; returns the first byte that is none. */
static uint8_t take_prefixes(struct cursor *c, struct x86_insn *insn)
{
    for (;;) {
        uint8_t byte = take(c);

        if (insn->bits == X86_64 && (byte & 0xf0) == 0x40)
            insn->rex = byte;
        else if (note_prefix(insn, byte))
            insn->rex = 0;
        else
            return byte;
    }
}

static void set_sizes(struct x86_insn *insn)
{
    if (insn->bits == X86_64) {
        insn->address_size = insn->address_prefix ? 4 : 8;
        insn->operand_size = insn->ext & X86_EXT_W ? 8 : insn->operand_prefix ? 2 : 4;
    } else {
        insn->address_size = (insn->bits == X86_16) != insn->address_prefix ? 2 : 4;
        insn->operand_size = (insn->bits == X86_16) != insn->operand_prefix ? 2 : 4;
    }
}

static uint8_t peek(const struct cursor *c)
{
    struct cursor ahead = *c;

    return take(&ahead);
}

/*
 * Is this opcode byte the first of a VEX, EVEX or XOP prefix? The byte behind it decides; where
 * there is none, both ways end in HV_EFAULT.
 */
static bool is_vector_prefix(const struct cursor *c, const struct x86_insn *insn, uint8_t byte)
{
    uint8_t next = peek(c);

    switch (byte) {
    case 0xc4:
    case 0xc5:
    case 0x62:
        /* Outside 64-bit code LES, LDS and BOUND are there, but only with a memory operand. */
        if (insn->bits == X86_64)
            return true;
        return next >= 0xc0;
    case 0x8f:
        return (next & 0x1f) >= 8; /* else POP r/m */
    default:
        return false;
    }
}

/* SDM, "Intel AVX Instruction Format", "EVEX Encoding"; APM vol. 3, "XOP Prefix". */
static enum x86_form take_vector(struct cursor *c, struct x86_insn *insn, uint8_t byte)
{
    unsigned map = X86_MAP_0F;
    uint8_t first = take(c), w = 0, ext;

    /* Any of these in front raises #UD. */
    if (insn->rex || insn->rep || insn->lock || insn->operand_prefix)
        return FORM_UNDEFINED;
    ext = (uint8_t)((~first >> 5) & (X86_EXT_R | X86_EXT_X | X86_EXT_B));
    if (byte == 0xc5) {
        insn->encoding = X86_VEX;
        ext &= X86_EXT_R;
    } else if (byte == 0x62) {
        insn->encoding = X86_EVEX;
        map = first & 7;
        ext |= first & 0x10 ? 0 : X86_EXT_R2;
        w = take(c);
        (void)take(c); /* masking, vector length, broadcast */
    } else {
        insn->encoding = byte == 0xc4 ? X86_VEX : X86_XOP;
        map = first & 0x1f;
        w = take(c);
    }
    if (w & 0x80)
        ext |= X86_EXT_W;
    insn->ext = insn->bits == X86_64 ? ext : 0;
    insn->map = (enum x86_map)map;
    insn->opcode = take(c);
    return x86_form_vector(insn->encoding, map, insn->opcode);
}

static enum x86_form take_opcode(struct cursor *c, struct x86_insn *insn, uint8_t byte)
{
    if (is_vector_prefix(c, insn, byte))
        return take_vector(c, insn, byte);
    insn->ext = insn->rex & 0x0f;
    insn->opcode = byte;
    if (byte != 0x0f) {
        insn->map = X86_MAP_ONE_BYTE;
        if (insn->bits == X86_64 && x86_gone_in_64(byte))
            return FORM_UNDEFINED;
    } else {
        insn->map = X86_MAP_0F;
        insn->opcode = take(c);
        if (insn->opcode == 0x38 || insn->opcode == 0x3a) {
            insn->map = insn->opcode == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
            insn->opcode = take(c);
        }
    }
    return x86_form_legacy(insn->map, insn->opcode);
}

/* SDM, "16-Bit Addressing Forms with the ModR/M Byte". */
static void take_memory16(struct cursor *c, struct x86_insn *insn)
{
    if (insn->mod == 1)
        take_disp(c, insn, 1);
    else if (insn->mod == 2 || (insn->modrm & 7) == 6)
        take_disp(c, insn, 2);
}

/* SDM, "32-Bit Addressing Forms with the ModR/M Byte", the same "with the SIB Byte". */
static void take_memory32(struct cursor *c, struct x86_insn *insn)
{
    uint8_t base = insn->modrm & 7;

    if (base == 4) {
        uint8_t sib = take(c);

        base = sib & 7;
        insn->has_sib = true;
        insn->scale = (uint8_t)(1 << (sib >> 6));
        insn->index = (uint8_t)(((sib >> 3) & 7) | (insn->ext & X86_EXT_X ? 8 : 0));
        insn->base = (uint8_t)(base | (insn->ext & X86_EXT_B ? 8 : 0));
    }
    if (insn->mod == 1) {
        take_disp(c, insn, 1);
    } else if (insn->mod == 2) {
        take_disp(c, insn, 4);
    } else if (base == 5) {
        insn->rip_relative = insn->bits == X86_64 && !insn->has_sib;
        take_disp(c, insn, 4);
    }
}

static void take_modrm(struct cursor *c, struct x86_insn *insn, bool registers_only)
{
    uint8_t modrm = take(c);

    insn->has_modrm = true;
    insn->modrm = modrm;
    insn->mod = registers_only ? 3 : modrm >> 6;
    insn->reg = (uint8_t)(((modrm >> 3) & 7) | (insn->ext & X86_EXT_R ? 8 : 0) |
                          (insn->ext & X86_EXT_R2 ? 16 : 0));
    insn->rm = (uint8_t)((modrm & 7) | (insn->ext & X86_EXT_B ? 8 : 0));
    if (insn->mod == 3) {
        if (insn->encoding == X86_EVEX && (insn->ext & X86_EXT_X))
            insn->rm |= 16;
    } else if (insn->address_size == 2) {
        take_memory16(c, insn);
    } else {
        take_memory32(c, insn);
    }
}

/* ModRM with its kinds of immediates. */
static void take_modrm_form(struct cursor *c, struct x86_insn *insn, enum x86_form form)
{
    unsigned z = insn->operand_size == 2 && insn->encoding == X86_LEGACY ? 2 : 4;
    bool first_two;

    take_modrm(c, insn, form == FORM_MODRM_REG);
    first_two = (insn->modrm & 0x30) == 0; /* /0 and /1 */
    if (form == FORM_MODRM_IMM8 || (form == FORM_GROUP3_8 && first_two))
        take_imm(c, insn, 1);
    else if (form == FORM_MODRM_IMMZ || (form == FORM_GROUP3_Z && first_two))
        take_imm(c, insn, z);
    else if (form == FORM_SSE4A && (insn->operand_prefix || insn->rep == 0xf2))
        take_imm(c, insn, 2); /* APM vol. 4, "EXTRQ", "INSERTQ" */
    else if (form == FORM_POPCNT && insn->rep != 0xf3 && c->status == HV_OK)
        c->status = HV_EINVAL;
}

static void take_operands(struct cursor *c, struct x86_insn *insn, enum x86_form form)
{
    unsigned z = insn->operand_size == 2 ? 2 : 4;

    switch (form) {
    case FORM_NOTHING:
        break;
    case FORM_MODRM:
    case FORM_MODRM_REG:
    case FORM_MODRM_IMM8:
    case FORM_MODRM_IMMZ:
    case FORM_GROUP3_8:
    case FORM_GROUP3_Z:
    case FORM_SSE4A:
    case FORM_POPCNT:
        take_modrm_form(c, insn, form);
        break;
    case FORM_IMM8:
        take_imm(c, insn, 1);
        break;
    case FORM_IMM16:
        take_imm(c, insn, 2);
        break;
    case FORM_IMMZ:
        take_imm(c, insn, z);
        break;
    case FORM_IMMV:
        take_imm(c, insn, insn->operand_size);
        break;
    case FORM_RELZ:
        insn->near16 = insn->bits == X86_64 && z == 2;
        take_imm(c, insn, z);
        break;
    case FORM_MOFFS:
        take_disp(c, insn, insn->address_size);
        break;
    case FORM_ENTER:
        take_imm(c, insn, 3);
        break;
    case FORM_FAR:
        take_imm(c, insn, z + 2);
        break;
    case FORM_UNDEFINED:
        if (c->status == HV_OK)
            c->status = HV_EINVAL;
        break;
    }
}

enum hv_status x86_decode(const uint8_t *bytes, size_t count, enum x86_bits bits,
                          struct x86_insn *insn)
{
    struct cursor c = {.bytes = bytes, .count = count, .at = 0, .status = HV_OK};
    enum x86_form form;
    uint8_t byte;

    *insn = (struct x86_insn){.bits = bits};
    byte = take_prefixes(&c, insn);
    form = take_opcode(&c, insn, byte);
    set_sizes(insn);
    if (c.status == HV_OK)
        take_operands(&c, insn, form);
    /* POP r/m is /0 alone; the rest of 8F is XOP, or nothing. */
    if (c.status == HV_OK && insn->encoding == X86_LEGACY && insn->map == X86_MAP_ONE_BYTE &&
        insn->opcode == 0x8f && (insn->modrm & 0x38) != 0)
        c.status = HV_EINVAL;
    insn->length = (uint8_t)c.at;
    return c.status;
}

int64_t x86_insn_imm_signed(const struct x86_insn *insn)
{
    return sign_extend(insn->imm, insn->imm_size);
}
