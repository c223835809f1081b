/* Entries of the guest's IDT, and of real mode's vectors. Inside debug/ only. */
#ifndef DEBUG_GATE_H
#define DEBUG_GATE_H

#include "core/vcpu.h"

enum { GATE_PRESENT = 1 << 7, GATE_TYPE_MASK = 0x1f, GATE_TASK = 5 }; /* of type */

struct gate {
    bool real;         /* a vector of real mode: selector and offset alone */
    bool wide;         /* of long mode: a 64-bit offset */
    uint8_t type, ist; /* type: with the present bit and the ring in bits 5 and 6 */
    uint16_t selector;
    uint64_t offset;
};

/*
 * The entry that v's IDTR has for a vector now; fetches all of v's registers. False: beyond the
 * table's limit, or not in memory. SDM vol. 3, "IDT Descriptors", "64-Bit Mode IDT".
 */
bool gate_read(struct vcpu *v, unsigned vector, struct gate *gate);

/* Whether it is one for interrupts: neither a task gate nor reserved; present. */
bool gate_has_handler(const struct gate *gate);

/* The linear address where its handler begins. False: its code segment cannot be read. */
bool gate_handler(struct vcpu *v, const struct gate *gate, gva_t *address);

#endif
