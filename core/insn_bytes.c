#include "core/insn_bytes.h"

#include "core/guest_memory.h"

enum hv_status insn_at_rip(struct vcpu *v, struct x86_insn *insn)
{
    uint8_t bytes[X86_INSN_MAX];
    size_t count = guest_linear_read(v, vcpu_linear_rip(v), bytes, sizeof(bytes));
    unsigned bits = vcpu_code_bits(v);

    return x86_decode(bytes, count, bits == 64 ? X86_64 : bits == 32 ? X86_32 : X86_16, insn);
}

unsigned insn_length(struct vcpu *v, const struct hv_exit *exit)
{
    struct x86_insn insn;

    if (exit->insn_length)
        return exit->insn_length;
    return insn_at_rip(v, &insn) == HV_OK ? insn.length : 0;
}
