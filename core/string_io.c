#include "core/string_io.h"

#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/io_policy.h"
#include "core/operand.h"
#include "lib/string.h"

/* Writes a register's low part as the processor does for that address size. */
static void set_part(uint64_t *reg, uint64_t value, unsigned bytes)
{
    uint64_t mask = operand_mask(bytes);
    *reg = bytes == 4 ? (uint32_t)value : (*reg & ~mask) | (value & mask);
}

static enum core_result raise_page_fault(struct vcpu *v, gva_t address, bool write)
{
    struct x86_translation translation;
    uint32_t error = (write ? 2U : 0) | (vcpu_cpl(v) == 3 ? 4U : 0);

    if (guest_translate(v, address, &translation))
        error |= 1;
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr2 = address;
    vcpu_raise_error(v, VECTOR_PF, error);
    return CORE_RAISED;
}

enum core_result string_io(struct vcpu *v, const struct hv_exit *exit)
{
    struct x86_insn insn;
    uint64_t *gpr = v->regs.gpr;
    bool in = exit->io.in;

    if (insn_at_rip(v, &insn) != HV_OK)
        return CORE_UP;
    uint64_t mask = operand_mask(insn.address_size);
    uint64_t *pointer = &gpr[in ? GPR_RDI : GPR_RSI];
    if (insn.rep && !(gpr[GPR_RCX] & mask)) {
        vcpu_skip(v, insn.length);
        return CORE_DONE;
    }

    gva_t address =
        operand_linear(v, in ? SEG_ES : operand_segment(&insn, SEG_DS), *pointer & mask);
    uint32_t value = 0;
    if (!in && guest_linear_read(v, address, &value, exit->io.size) != exit->io.size)
        return raise_page_fault(v, address, false);
    v->noticed |= io_policy_access(exit->io.port, exit->io.size, in, &value);
    if (in && guest_linear_write(v, address, &value, exit->io.size) != exit->io.size)
        return raise_page_fault(v, address, true);

    uint64_t step = v->regs.rflags & RFLAGS_DF ? 0ULL - exit->io.size : exit->io.size;
    set_part(pointer, *pointer + step, insn.address_size);
    if (insn.rep)
        set_part(&gpr[GPR_RCX], gpr[GPR_RCX] - 1, insn.address_size);
    if (!insn.rep || !(gpr[GPR_RCX] & mask))
        vcpu_skip(v, insn.length);
    return CORE_DONE;
}
