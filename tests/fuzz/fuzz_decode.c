/* The instruction decoder and the step plan on any bytes, in every mode. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/decode.h"
#include "arch/x86/registers.h"
#include "arch/x86/step_plan.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_plan(const struct x86_insn *insn)
{
    for (int long_mode = 0; long_mode < 2; long_mode++) {
        struct step_plan plan = step_plan_make(insn, long_mode);
        uint64_t repaired = step_repair_flags(plan.kind, 0x202, 0x246);

        MUST(plan.length == insn->length);
        MUST((plan.image_size != 0) == (plan.kind == STEP_PUSHF));
        MUST(plan.image_size <= 8 && (plan.image_size & (plan.image_size - 1)) == 0);
        MUST(repaired == 0x246); /* no TF comes from nowhere */
    }
}

static void check_insn(const uint8_t *data, size_t size, const struct x86_insn *insn)
{
    struct x86_insn again;

    MUST(insn->length >= 1 && insn->length <= X86_INSN_MAX && insn->length <= size);
    MUST(insn->operand_size == 2 || insn->operand_size == 4 || insn->operand_size == 8);
    MUST(insn->address_size == 2 || insn->address_size == 4 || insn->address_size == 8);
    MUST(insn->disp_size + insn->imm_size < insn->length);
    MUST(insn->mod <= 3 && insn->reg < 32 && insn->rm < 32);
    MUST(insn->imm_size == 8 || insn->imm >> (8 * insn->imm_size) == 0);
    /* The same without what follows, and not enough with any less. */
    MUST(x86_decode(data, insn->length, insn->bits, &again) == HV_OK);
    MUST(again.length == insn->length && again.opcode == insn->opcode && again.imm == insn->imm &&
         again.disp == insn->disp);
    for (size_t cut = 0; cut < insn->length; cut++)
        MUST(x86_decode(data, cut, insn->bits, &again) == HV_EFAULT);
    check_plan(insn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int bits = X86_16; bits <= X86_64; bits++) {
        struct x86_insn insn;

        memset(&insn, 0, sizeof(insn));
        switch (x86_decode(data, size, (enum x86_bits)bits, &insn)) {
        case HV_OK:
            check_insn(data, size, &insn);
            break;
        case HV_EFAULT:
            MUST(size < X86_INSN_MAX);
            break;
        case HV_EINVAL:
            break;
        default:
            abort();
        }
    }
    return 0;
}
