#include "svm/exit.h"

#include "arch/x86/registers.h"

enum { OPCODE_INT3 = 0xcc, OPCODE_INTO = 0xce };

static void decode_exception(const struct vmcb *vmcb, uint8_t vector, struct hv_exit *exit)
{
    switch (vector) {
    case VECTOR_DB:
        exit->kind = HV_EXIT_DEBUG;
        exit->debug.dr6 = vmcb->save.dr6 & (0xf | DR6_BD | DR6_BS | DR6_BT);
        exit->debug.dr6 |= ~vmcb->save.dr6 & DR6_BLD;
        return;
    case VECTOR_BP:
        exit->kind = HV_EXIT_BREAKPOINT;
        return;
    default:
        break;
    }
    exit->kind = HV_EXIT_EXCEPTION;
    exit->exception.vector = vector;
    exit->exception.has_error =
        vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) ||
        vector == VECTOR_AC || vector == VECTOR_CP || vector == VECTOR_VC || vector == VECTOR_SX;
    exit->exception.error = (uint32_t)vmcb->control.exit_info1;
    exit->exception.address = vmcb->control.exit_info2;
}

static void decode_io(const struct vmcb *vmcb, struct hv_exit *exit)
{
    uint64_t info = vmcb->control.exit_info1;

    exit->kind = HV_EXIT_IO;
    exit->io.in = info & 1;
    exit->io.string = info & 4;
    exit->io.size = info & 0x10 ? 1 : info & 0x20 ? 2 : 4;
    exit->io.port = (uint16_t)(info >> 16);
    exit->insn_length = (uint8_t)(vmcb->control.exit_info2 - vmcb->save.rip);
}

static void decode_npf(const struct vmcb *vmcb, struct hv_exit *exit)
{
    uint64_t info = vmcb->control.exit_info1;

    exit->kind = HV_EXIT_STAGE2;
    exit->stage2.address = vmcb->control.exit_info2;
    exit->stage2.write = info & SVM_NPF_WRITE;
    exit->stage2.execute = info & SVM_NPF_FETCH;
    exit->stage2.present = info & SVM_NPF_PRESENT;
}

/* An event through a task gate is not told from CALL but by EXITINTINFO. */
static void decode_task(const struct vmcb *vmcb, struct hv_exit *exit)
{
    uint64_t info = vmcb->control.exit_info2;

    exit->kind = HV_EXIT_TASK_SWITCH;
    exit->task.selector = (uint16_t)vmcb->control.exit_info1;
    if (vmcb->control.exit_int_info & SVM_EVENT_VALID)
        exit->task.source = HV_TASK_GATE;
    else if (info & SVM_TASK_IRET)
        exit->task.source = HV_TASK_IRET;
    else
        exit->task.source = info & SVM_TASK_JMP ? HV_TASK_JMP : HV_TASK_CALL;
}

/*
 * INT n: a processor may report INT3 and INTO, which have opcodes of their own, here too (the
 * manual says that they come as #BP and #OF).
 */
static void decode_soft_int(const struct vmcb *vmcb, int opcode, struct hv_exit *exit)
{
    if (opcode == OPCODE_INT3) {
        exit->kind = HV_EXIT_BREAKPOINT;
        exit->insn_length = 1;
        return;
    }
    exit->kind = HV_EXIT_SOFT_INT;
    exit->soft_int.vector = (uint8_t)vmcb->control.exit_info1;
    if (opcode == OPCODE_INTO) {
        exit->soft_int.vector = VECTOR_OF;
        exit->insn_length = 1;
    }
}

static enum hv_exit_kind plain_kind(const struct vmcb *vmcb)
{
    uint64_t code = vmcb->control.exit_code;

    if (code >= SVM_EXIT_VMRUN && code <= SVM_EXIT_SKINIT)
        return HV_EXIT_VIRT_INSN;
    switch (code) {
    case SVM_EXIT_INTR:
        return HV_EXIT_NONE;
    case SVM_EXIT_NMI:
        return HV_EXIT_NMI;
    case SVM_EXIT_CPUID:
        return HV_EXIT_CPUID;
    case SVM_EXIT_IRET:
        return HV_EXIT_IRET;
    case SVM_EXIT_INVD:
        return HV_EXIT_INVD;
    case SVM_EXIT_HLT:
        return HV_EXIT_HLT;
    case SVM_EXIT_INVLPGA:
        return HV_EXIT_VIRT_INSN;
    case SVM_EXIT_MSR:
        return vmcb->control.exit_info1 & 1 ? HV_EXIT_MSR_WRITE : HV_EXIT_MSR_READ;
    case SVM_EXIT_SHUTDOWN:
        return HV_EXIT_SHUTDOWN;
    case SVM_EXIT_ICEBP:
        return HV_EXIT_ICEBP;
    case SVM_EXIT_MWAIT:
        return HV_EXIT_MWAIT;
    default:
        return svm_exit_is_invalid(vmcb) ? HV_EXIT_INVALID : HV_EXIT_UNKNOWN;
    }
}

bool svm_exit_is_invalid(const struct vmcb *vmcb)
{
    return (uint32_t)vmcb->control.exit_code == SVM_EXIT_INVALID;
}

bool svm_exit_needs_opcode(const struct vmcb *vmcb)
{
    return vmcb->control.exit_code == SVM_EXIT_SWINT;
}

void svm_exit_decode(const struct vmcb *vmcb, int opcode, struct hv_exit *exit)
{
    uint64_t code = vmcb->control.exit_code;

    *exit = (struct hv_exit){.kind = HV_EXIT_NONE};
    if (code >= SVM_EXIT_CR_WRITE && code < SVM_EXIT_DR_READ) {
        exit->kind = HV_EXIT_CR_WRITE;
        exit->cr.number = (uint8_t)(code - SVM_EXIT_CR_WRITE);
    } else if (code >= SVM_EXIT_DR_READ && code < SVM_EXIT_EXCEPTION) {
        exit->kind = HV_EXIT_DR;
    } else if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_EXCEPTION + 32) {
        decode_exception(vmcb, (uint8_t)(code - SVM_EXIT_EXCEPTION), exit);
    } else if (code == SVM_EXIT_IOIO) {
        decode_io(vmcb, exit);
    } else if (code == SVM_EXIT_NPF) {
        decode_npf(vmcb, exit);
    } else if (code == SVM_EXIT_TASK_SWITCH) {
        decode_task(vmcb, exit);
    } else if (code == SVM_EXIT_SWINT) {
        decode_soft_int(vmcb, opcode, exit);
    } else {
        exit->kind = plain_kind(vmcb);
        if (exit->kind == HV_EXIT_INVALID || exit->kind == HV_EXIT_UNKNOWN) {
            exit->raw.code = code;
            exit->raw.info1 = vmcb->control.exit_info1;
            exit->raw.info2 = vmcb->control.exit_info2;
        }
    }
}

uint64_t svm_event_encode(const struct hv_event *event)
{
    static const uint8_t types[] = {
        [HV_EVENT_EXTERNAL] = SVM_EVENT_INTR,
        [HV_EVENT_NMI] = SVM_EVENT_NMI,
        [HV_EVENT_EXCEPTION] = SVM_EVENT_EXCEPTION,
        [HV_EVENT_SOFT] = SVM_EVENT_SOFT,
    };

    if (event->type == HV_EVENT_NONE)
        return 0;
    uint64_t injection = SVM_EVENT_VALID | event->vector | (uint64_t)types[event->type] << 8;
    if (event->has_error)
        injection |= SVM_EVENT_ERROR | (uint64_t)event->error << 32;
    return injection;
}

struct hv_event svm_event_interrupted(uint64_t info)
{
    struct hv_event event = {.type = HV_EVENT_NONE};

    if (!(info & SVM_EVENT_VALID))
        return event;
    event.vector = (uint8_t)info;
    event.has_error = info & SVM_EVENT_ERROR;
    event.error = event.has_error ? (uint32_t)(info >> 32) : 0;
    switch (info >> 8 & 7) {
    case SVM_EVENT_INTR:
        event.type = HV_EVENT_EXTERNAL;
        break;
    case SVM_EVENT_NMI:
        event.type = HV_EVENT_NMI;
        break;
    case SVM_EVENT_SOFT:
        event.type = HV_EVENT_SOFT;
        break;
    case SVM_EVENT_EXCEPTION:
        event.type = HV_EVENT_EXCEPTION;
        if (event.vector == VECTOR_NMI)
            event.type = HV_EVENT_NMI;
        else if (event.vector >= 32)
            event.type = HV_EVENT_EXTERNAL;
        break;
    default:
        break;
    }
    return event;
}
