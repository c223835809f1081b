/* What an instruction may read, as it stands in front of it. */
#ifndef CORE_OPERAND_READS_H
#define CORE_OPERAND_READS_H

#include "arch/x86/decode.h"
#include "core/vcpu.h"

/*
 * The linear addresses where it may begin to read data: of ModRM's operand, strings, the stack.
 * Returns how many. One that is only written is among them; what the decoder does not tell is not
 * (EVEX with a displacement of 8 bits, vectors of addresses).
 */
enum { OPERAND_READS = 2 };
unsigned operand_reads(struct vcpu *v, const struct x86_insn *insn, gva_t reads[OPERAND_READS]);

#endif
