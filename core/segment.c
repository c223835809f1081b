#include "core/segment.h"

#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "hv/compiler.h"

enum { RPL = 3, LOCAL_TABLE = 4, DESCRIPTOR = 8 };
enum { CODE_OR_DATA = 1 << 4, CODE = 1 << 3, CONFORMING = 1 << 2, WRITABLE_OR_READABLE = 1 << 1 };

/* Where the selector's descriptor is: bases have 64 bits in long mode only. */
static bool find(struct vcpu *v, uint16_t selector, gva_t *address)
{
    vcpu_need(v, REGS_SEGMENTS | REGS_TABLES | REGS_CONTROL);
    uint32_t offset = selector & ~7U;
    const struct hv_segment *ldt = &v->regs.seg[SEG_LDTR];
    uint64_t base = v->regs.gdtr.base;
    uint32_t limit = v->regs.gdtr.limit;

    if (selector & LOCAL_TABLE) {
        if (!(ldt->attributes & SEG_ATTR_PRESENT))
            return false;
        base = ldt->base;
        limit = ldt->limit;
    }
    *address = base + offset;
    if (!(v->regs.efer & EFER_LMA))
        *address = (uint32_t)*address;
    return offset + DESCRIPTOR - 1 <= limit;
}

void segment_decode(uint64_t d, struct hv_segment *segment)
{
    segment->attributes = (uint16_t)((d >> 40 & 0xff) | (d >> 44 & 0xf00));
    segment->base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
    segment->limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
    if (segment->attributes & SEG_ATTR_GRANULAR)
        segment->limit = segment->limit << 12 | 0xfff;
}

bool segment_read(struct vcpu *v, uint16_t selector, struct hv_segment *segment)
{
    gva_t address;
    uint64_t d;

    if (!find(v, selector, &address) || guest_linear_read(v, address, &d, sizeof(d)) != sizeof(d))
        return false;
    segment->selector = selector;
    segment_decode(d, segment);
    return true;
}

bool segment_write_type(struct vcpu *v, const struct hv_segment *segment)
{
    enum { TYPE_BYTE = 5 };
    uint8_t type = (uint8_t)segment->attributes;
    gva_t address;

    return find(v, segment->selector, &address) &&
           guest_linear_write(v, address + TYPE_BYTE, &type, 1) == 1;
}

static uint8_t check_code(unsigned attributes, unsigned dpl, unsigned rpl)
{
    if ((attributes & (CODE_OR_DATA | CODE)) != (CODE_OR_DATA | CODE))
        return VECTOR_TS;
    if (attributes & CONFORMING ? dpl > rpl : dpl != rpl)
        return VECTOR_TS;
    return attributes & SEG_ATTR_PRESENT ? 0 : VECTOR_NP;
}

static uint8_t check_stack(unsigned attributes, unsigned dpl, unsigned rpl, unsigned cpl)
{
    enum { TYPE = CODE_OR_DATA | CODE | WRITABLE_OR_READABLE };

    if ((attributes & TYPE) != (CODE_OR_DATA | WRITABLE_OR_READABLE) || dpl != cpl || rpl != cpl)
        return VECTOR_TS;
    return attributes & SEG_ATTR_PRESENT ? 0 : VECTOR_SS;
}

static uint8_t check_data(unsigned attributes, unsigned dpl, unsigned rpl, unsigned cpl)
{
    bool conforming = (attributes & CODE) && (attributes & CONFORMING);

    if (!(attributes & CODE_OR_DATA) ||
        ((attributes & CODE) && !(attributes & WRITABLE_OR_READABLE)))
        return VECTOR_TS;
    if (!conforming && (dpl < cpl || dpl < rpl))
        return VECTOR_TS;
    return attributes & SEG_ATTR_PRESENT ? 0 : VECTOR_NP;
}

static uint8_t check(enum hv_segment_name name, const struct hv_segment *s, unsigned cpl)
{
    enum { LDT = SEG_TYPE_LDT | SEG_ATTR_PRESENT };
    unsigned attributes = s->attributes, rpl = s->selector & RPL;
    unsigned dpl = attributes >> SEG_ATTR_DPL_SHIFT & 3;

    if (name == SEG_LDTR)
        return (attributes & (SEG_TYPE_MASK | SEG_ATTR_PRESENT)) == LDT ? 0 : VECTOR_TS;
    if (name == SEG_CS)
        return check_code(attributes, dpl, rpl);
    if (name == SEG_SS)
        return check_stack(attributes, dpl, rpl, cpl);
    return check_data(attributes, dpl, rpl, cpl);
}

uint8_t segment_load(struct vcpu *v, enum hv_segment_name name, uint16_t selector, unsigned cpl)
{
    struct hv_segment s = {.selector = selector};

    vcpu_change(v, REGS_SEGMENTS);
    if (selector & ~RPL) {
        if ((name == SEG_LDTR && (selector & LOCAL_TABLE)) || !segment_read(v, selector, &s))
            return VECTOR_TS;
        uint8_t vector = check(name, &s, cpl);
        if (vector)
            return vector;
        if (name != SEG_LDTR && !(s.attributes & SEG_ATTR_ACCESSED)) {
            s.attributes |= SEG_ATTR_ACCESSED;
            segment_write_type(v, &s);
        }
    } else if (name == SEG_CS || name == SEG_SS) {
        return VECTOR_TS;
    }
    v->regs.seg[name] = s;
    return 0;
}

void segment_load_v86(struct vcpu *v, enum hv_segment_name name, uint16_t selector)
{
    enum { DATA_DPL3 = 0xf3 };

    vcpu_change(v, REGS_SEGMENTS);
    v->regs.seg[name] = (struct hv_segment){.selector = selector,
                                            .attributes = DATA_DPL3,
                                            .limit = 0xffff,
                                            .base = (uint64_t)selector << 4};
}
