/* Memory operands: which address an instruction's ModRM and SIB mean. */
#ifndef CORE_OPERAND_H
#define CORE_OPERAND_H

#include "arch/x86/decode.h"
#include "core/vcpu.h"

/* The bits of a register that an operand or address of 1 to 8 bytes takes. */
static inline uint64_t operand_mask(unsigned bytes)
{
    return UINT64_MAX >> (64 - 8 * bytes);
}

/* The segment of a memory operand: what the prefix says, else by_default. */
enum hv_segment_name operand_segment(const struct x86_insn *insn, enum hv_segment_name by_default);

/* The linear address of an offset in a segment, by the code that runs. */
gva_t operand_linear(struct vcpu *v, enum hv_segment_name segment, uint64_t offset);

/*
 * The linear address of the operand of the instruction at RIP. False: it has none in memory. SDM
 * vol. 2, "Addressing-Mode Encoding of ModR/M and SIB Bytes". Whether it may be accessed is not
 * looked at.
 */
bool operand_address(struct vcpu *v, const struct x86_insn *insn, gva_t *address);

/*
 * Reads 1 to 8 bytes as the processor would. False where more may come of it: a fault, an accessed
 * bit to be set in a page table, a watchpoint.
 */
bool operand_read_linear(struct vcpu *v, gva_t address, void *buf, size_t size);

/* The same for the operand. False also when it has none in memory, or outside its segment. */
bool operand_read(struct vcpu *v, const struct x86_insn *insn, void *buf, size_t size);

#endif
