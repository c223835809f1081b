/*
 * Segment registers from the descriptors in the guest's tables, with the checks of a task switch.
 * SDM vol. 3, "Segment Descriptors", "Task Switching".
 */
#ifndef CORE_SEGMENT_H
#define CORE_SEGMENT_H

#include "core/vcpu.h"

/* Attributes: the type of a system segment, and bits of its own. */
enum {
    SEG_TYPE_MASK = 0x1f, /* with S */
    SEG_TYPE_LDT = 2,
    SEG_TYPE_TSS16 = 1, /* available */
    SEG_TYPE_TSS32 = 9,
    SEG_TYPE_BUSY = 2, /* or'ed to those */
    SEG_TYPE_32 = 8,
    SEG_ATTR_ACCESSED = 1 << 0,
};

/*
 * Attributes, limit and base of a descriptor's 8 bytes; of a system descriptor of long mode the low
 * half of the base. The selector stays. Pure.
 */
void segment_decode(uint64_t descriptor, struct hv_segment *segment);

/* Reads the descriptor of a selector that is not null. False: outside its table, or no memory. */
bool segment_read(struct vcpu *v, uint16_t selector, struct hv_segment *segment);

/* Writes the type byte (attributes' bits 0-7) of the selector's descriptor back. */
bool segment_write_type(struct vcpu *v, const struct hv_segment *segment);

/*
 * Loads a register but TR with the selector, for code of this privilege level. Returns 0, or the
 * vector of the exception that it raises (its error code is the selector), with the register's
 * hidden part as it was.
 */
uint8_t segment_load(struct vcpu *v, enum hv_segment_name name, uint16_t selector, unsigned cpl);

/* The same in virtual-8086 mode, where nothing can go wrong. */
void segment_load_v86(struct vcpu *v, enum hv_segment_name name, uint16_t selector);

#endif
