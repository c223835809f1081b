#include "debug/gate.h"

#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/segment.h"
#include "lib/bytes.h"

enum { TRAP = 1, SIZE_32 = 8, INTERRUPT_16 = 6 }; /* of type: two bits, and what is without them */

bool gate_read(struct vcpu *v, unsigned vector, struct gate *gate)
{
    uint8_t bytes[16];

    vcpu_need(v, REGS_ALL);
    *gate = (struct gate){.real = !(v->regs.cr0 & CR0_PE), .wide = v->regs.efer & EFER_LMA};
    unsigned size = gate->real ? 4 : gate->wide ? 16 : 8;
    if ((vector + 1) * size - 1 > v->regs.idtr.limit ||
        guest_linear_read(v, v->regs.idtr.base + (uint64_t)vector * size, bytes, size) != size)
        return false;
    gate->offset = get16(bytes);
    gate->selector = get16(bytes + 2);
    if (gate->real)
        return true;
    gate->type = bytes[5];
    if (gate->wide || (gate->type & SIZE_32)) /* reserved in one of 16 bits */
        gate->offset |= (uint32_t)get16(bytes + 6) << 16;
    if (gate->wide) {
        gate->ist = bytes[4] & 7;
        gate->offset |= (uint64_t)get32(bytes + 8) << 32;
    }
    return true;
}

bool gate_has_handler(const struct gate *gate)
{
    /* Those of 16 bits are reserved in long mode. */
    unsigned either = gate->wide ? TRAP : TRAP | SIZE_32;
    unsigned least = gate->wide ? INTERRUPT_16 | SIZE_32 : INTERRUPT_16;

    return gate->real ||
           ((gate->type & GATE_PRESENT) && (gate->type & GATE_TYPE_MASK & ~either) == least);
}

bool gate_handler(struct vcpu *v, const struct gate *gate, gva_t *address)
{
    struct hv_segment code = {.base = (uint64_t)gate->selector << 4};

    if (!gate->real &&
        (!segment_read(v, gate->selector, &code) || !(code.attributes & SEG_ATTR_PRESENT)))
        return false;
    *address = gate->wide ? gate->offset : (uint32_t)(code.base + gate->offset);
    return true;
}
