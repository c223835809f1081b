/* The instruction at the guest's RIP. */
#ifndef CORE_INSN_BYTES_H
#define CORE_INSN_BYTES_H

#include "arch/x86/decode.h"
#include "core/vcpu.h"

/* Fetches and decodes it. HV_EFAULT: not (all) mapped; HV_EINVAL: no instruction. */
enum hv_status insn_at_rip(struct vcpu *v, struct x86_insn *insn);

/*
 * The exit's instruction length; decoded when the processor did not tell. CPUID, RDMSR and WRMSR
 * have the usual one where other bytes stand at RIP. 0: cannot be had.
 */
unsigned insn_length(struct vcpu *v, const struct hv_exit *exit);

/*
 * What a move of a general register or an immediate to memory (MOV, XCHG) is about to store: value,
 * and its size in bytes. False: it is another instruction.
 */
bool insn_stores(const struct vcpu *v, const struct x86_insn *insn, uint64_t *value,
                 unsigned *size);

#endif
