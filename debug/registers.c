#include "debug/registers.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "debug/fpu.h"
#include "debug/register_layout.h"
#include "hv/compiler.h"
#include "lib/string.h"

static uint64_t read_dr(const struct vcpu *v, unsigned n)
{
    if (n < 4)
        return v->debug_regs.dr[n];
    return n % 2 ? v->debug_regs.dr7 : v->debug_regs.dr6;
}

/* Registers of up to 8 bytes. */
static uint64_t read_integer(struct vcpu *v, const struct register_row *row, unsigned index)
{
    const struct hv_regs *r = &v->regs;
    const uint8_t *field = (const uint8_t *)r + row->where;

    vcpu_need(v, row->group);
    switch ((enum register_kind)row->kind) {
    case GPR:
        return r->gpr[row->where];
    case RIP:
        return vcpu_linear_rip(v);
    case RAW_IP:
        return r->rip;
    case FLAGS:
        return r->rflags;
    case SELECTOR:
        return r->seg[row->where].selector;
    case SEGMENT_LIMIT:
        return r->seg[row->where].limit;
    case SEGMENT_ATTRIBUTES:
        return r->seg[row->where].attributes;
    case SYSTEM:
        return *(const uint64_t *)field;
    case TABLE_LIMIT:
        return *(const uint16_t *)field;
    case DR:
        return read_dr(v, index);
    case X87:
        return fpu_read_control(row->where);
    case MXCSR:
        return fpu_read_mxcsr();
    case ST:
    case XMM:
    case YMM_HIGH:
        break;
    }
    return 0;
}

bool registers_read(struct vcpu *v, unsigned number, uint8_t *value)
{
    unsigned index;
    const struct register_row *row = register_find(number, &index);
    uint64_t integer;

    if (!row)
        return false;
    fpu_choose(v->number);
    switch ((enum register_kind)row->kind) {
    case ST:
        fpu_read_st(index, value);
        return true;
    case XMM:
        fpu_read_xmm(index, value);
        return true;
    case YMM_HIGH:
        return fpu_read_ymm_high(index, value);
    default:
        integer = read_integer(v, row, index);
        memcpy(value, &integer, register_row_size(row));
        return true;
    }
}

bool registers_integer(struct vcpu *v, unsigned number, uint64_t *value)
{
    unsigned index;
    const struct register_row *row = register_find(number, &index);

    if (!row || row->size > 8 || row->kind == X87 || row->kind == MXCSR)
        return false;
    *value = read_integer(v, row, index);
    if (register_row_size(row) < 8)
        *value &= HV_BIT(8 * register_row_size(row)) - 1;
    return true;
}

static enum hv_status write_dr(struct vcpu *v, unsigned n, uint64_t value)
{
    if (n < 4)
        v->debug_regs.dr[n] = value;
    else if (value >> 32)
        return HV_EINVAL;
    else if (n % 2)
        v->debug_regs.dr7 = debug_regs_dr7(value);
    else
        v->debug_regs.dr6 = debug_regs_dr6(value);
    debug_regs_update(v);
    return HV_OK;
}

static void write_rip(struct vcpu *v, uint64_t linear)
{
    bool based = vcpu_code_bits(v) != 64;
    v->regs.rip = based ? (uint32_t)(linear - v->regs.seg[SEG_CS].base) : linear;
    v->interrupt_shadow = false;
}

static enum hv_status write_system(struct vcpu *v, uint8_t *field, uint64_t value)
{
    uint64_t old = *(uint64_t *)field;

    /* EFER.LMA follows LME and CR0.PG, it is not for writing; CR8 has four bits. */
    if (field == (uint8_t *)&v->regs.efer && ((value & EFER_SVME) || ((value ^ old) & EFER_LMA)))
        return HV_EINVAL;
    if (field == (uint8_t *)&v->regs.cr8 && value > 15)
        return HV_EINVAL;
    *(uint64_t *)field = value;
    return HV_OK;
}

static enum hv_status write_integer(struct vcpu *v, const struct register_row *row, unsigned index,
                                    uint64_t value)
{
    struct hv_regs *r = &v->regs;
    uint8_t *field = (uint8_t *)r + row->where;

    vcpu_change(v, row->group);
    switch ((enum register_kind)row->kind) {
    case GPR:
        r->gpr[row->where] = value;
        return HV_OK;
    case RIP:
        write_rip(v, value);
        return HV_OK;
    case RAW_IP:
        r->rip = value;
        return HV_OK;
    case FLAGS:
        r->rflags = (value & 0x3f7fd7) | RFLAGS_ONE;
        return HV_OK;
    case SELECTOR:
        r->seg[row->where].selector = (uint16_t)value;
        return HV_OK;
    case SEGMENT_LIMIT:
        r->seg[row->where].limit = (uint32_t)value;
        return HV_OK;
    case SEGMENT_ATTRIBUTES:
        r->seg[row->where].attributes = value & 0xfff;
        return HV_OK;
    case SYSTEM:
        return write_system(v, field, value);
    case TABLE_LIMIT:
        *(uint16_t *)field = (uint16_t)value;
        return HV_OK;
    case DR:
        return write_dr(v, index, value);
    case X87:
        fpu_write_control(row->where, (uint32_t)value);
        return HV_OK;
    case MXCSR:
        return fpu_write_mxcsr((uint32_t)value) ? HV_OK : HV_EINVAL;
    case ST:
    case XMM:
    case YMM_HIGH:
        break;
    }
    return HV_ENOTSUP;
}

enum hv_status registers_write(struct vcpu *v, unsigned number, const uint8_t *value)
{
    unsigned index;
    const struct register_row *row = register_find(number, &index);
    uint64_t integer;

    if (!row)
        return HV_ENOENT;
    fpu_choose(v->number);
    switch ((enum register_kind)row->kind) {
    case ST:
        fpu_write_st(index, value);
        return HV_OK;
    case XMM:
        fpu_write_xmm(index, value);
        return HV_OK;
    case YMM_HIGH:
        return fpu_write_ymm_high(index, value) ? HV_OK : HV_EINVAL;
    default:
        integer = register_row_size(row) < row->size ? read_integer(v, row, index) : 0;
        memcpy(&integer, value, register_row_size(row));
        return write_integer(v, row, index, integer);
    }
}

void registers_keep(const struct vcpu *v)
{
    fpu_keep(v->number);
}

void registers_flush(const struct vcpu *v)
{
    fpu_flush(v->number);
}
