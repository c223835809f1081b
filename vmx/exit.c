#include "vmx/exit.h"

#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "vmx/vmcs.h"

enum { TYPE_SHIFT = 8 };

static void decode_exception(const struct vmx_raw_exit *raw, uint8_t vector, struct hv_exit *exit)
{
    exit->kind = HV_EXIT_EXCEPTION;
    exit->exception.vector = vector;
    exit->exception.has_error = raw->event & VMX_EVENT_ERROR;
    exit->exception.error = exit->exception.has_error ? raw->event_error : 0;
    exit->exception.address = vector == VECTOR_PF ? raw->qualification : 0;
}

static void decode_event(const struct vmx_raw_exit *raw, struct hv_exit *exit)
{
    uint8_t vector = (uint8_t)raw->event;

    switch (VMX_EVENT_TYPE(raw->event)) {
    case VMX_EVENT_NMI:
        exit->kind = HV_EXIT_NMI;
        return;
    case VMX_EVENT_PRIVILEGED:
        exit->kind = HV_EXIT_ICEBP;
        exit->insn_length = (uint8_t)raw->insn_length;
        return;
    case VMX_EVENT_SOFT_EXCEPTION:
        exit->insn_length = (uint8_t)raw->insn_length;
        exit->kind = vector == VECTOR_BP ? HV_EXIT_BREAKPOINT : HV_EXIT_SOFT_INT;
        if (vector != VECTOR_BP)
            exit->soft_int.vector = vector;
        return;
    default:
        break;
    }
    if (vector == VECTOR_DB) {
        exit->kind = HV_EXIT_DEBUG;
        exit->debug.dr6 = raw->qualification & (0xf | DR6_BLD | DR6_BD | DR6_BS | DR6_RTM);
        return;
    }
    decode_exception(raw, vector, exit);
}

/* SDM vol. 3, "Exit Qualification for I/O Instructions". */
static void decode_io(const struct vmx_raw_exit *raw, struct hv_exit *exit)
{
    uint64_t q = raw->qualification;

    exit->kind = HV_EXIT_IO;
    exit->insn_length = (uint8_t)raw->insn_length;
    exit->io.size = (uint8_t)((q & 7) + 1);
    exit->io.in = q & HV_BIT(3);
    exit->io.string = q & HV_BIT(4);
    exit->io.port = (uint16_t)(q >> 16);
}

static void decode_ept(const struct vmx_raw_exit *raw, struct hv_exit *exit)
{
    exit->kind = HV_EXIT_STAGE2;
    exit->stage2.address = raw->guest_physical;
    exit->stage2.write = raw->qualification & VMX_EPT_WRITE;
    exit->stage2.execute = raw->qualification & VMX_EPT_FETCH;
    exit->stage2.present = raw->qualification & VMX_EPT_ALLOWED;
}

/* SDM vol. 3, "Exit Qualification for Task Switches". */
static void decode_task(const struct vmx_raw_exit *raw, struct hv_exit *exit)
{
    exit->kind = HV_EXIT_TASK_SWITCH;
    exit->insn_length = (uint8_t)raw->insn_length;
    exit->task.selector = (uint16_t)raw->qualification;
    exit->task.source = (enum hv_task_source)(raw->qualification >> 30 & 3);
}

static enum hv_exit_kind plain_kind(const struct vmx_raw_exit *raw, uint32_t reason)
{
    if (reason >= VMX_REASON_VMCALL && reason <= VMX_REASON_VMXON)
        return HV_EXIT_VIRT_INSN;
    switch (reason) {
    case VMX_REASON_EXTERNAL:
    case VMX_REASON_NMI_WINDOW:
        return HV_EXIT_NONE;
    case VMX_REASON_TRIPLE_FAULT:
        return HV_EXIT_SHUTDOWN;
    case VMX_REASON_INIT:
        return HV_EXIT_INIT;
    case VMX_REASON_CPUID:
        return HV_EXIT_CPUID;
    case VMX_REASON_GETSEC:
    case VMX_REASON_INVEPT:
    case VMX_REASON_INVVPID:
    case VMX_REASON_SEAMCALL:
    case VMX_REASON_TDCALL:
        return HV_EXIT_VIRT_INSN;
    case VMX_REASON_INVD:
        return HV_EXIT_INVD;
    case VMX_REASON_HLT:
        return HV_EXIT_HLT;
    case VMX_REASON_MWAIT:
        return HV_EXIT_MWAIT;
    case VMX_REASON_XSETBV:
        return HV_EXIT_XSETBV;
    case VMX_REASON_CR:
        return (raw->qualification & 0xf) == 0 ? HV_EXIT_NONE : HV_EXIT_BAD_CR;
    case VMX_REASON_DR:
        return HV_EXIT_DR;
    case VMX_REASON_RDMSR:
        return HV_EXIT_MSR_READ;
    case VMX_REASON_WRMSR:
        return HV_EXIT_MSR_WRITE;
    case VMX_REASON_MTF:
        return HV_EXIT_STEP;
    case VMX_REASON_BAD_STATE:
    case VMX_REASON_BAD_MSR:
        return HV_EXIT_INVALID;
    default:
        return HV_EXIT_UNKNOWN;
    }
}

void vmx_exit_decode(const struct vmx_raw_exit *raw, struct hv_exit *exit)
{
    uint32_t reason = raw->reason & VMX_REASON_MASK;

    *exit = (struct hv_exit){.kind = HV_EXIT_NONE};
    switch (reason) {
    case VMX_REASON_EVENT:
        decode_event(raw, exit);
        return;
    case VMX_REASON_IO:
        decode_io(raw, exit);
        return;
    case VMX_REASON_EPT_VIOLATION:
        decode_ept(raw, exit);
        return;
    case VMX_REASON_TASK_SWITCH:
        decode_task(raw, exit);
        return;
    default:
        break;
    }
    exit->kind = plain_kind(raw, reason);
    if (raw->reason & VMX_REASON_NO_ENTRY)
        exit->kind = HV_EXIT_INVALID;
    if (exit->kind == HV_EXIT_INVALID || exit->kind == HV_EXIT_UNKNOWN) {
        exit->raw.code = raw->reason;
        exit->raw.info1 = raw->qualification;
        exit->raw.info2 = raw->guest_physical;
    } else if (exit->kind != HV_EXIT_NONE && exit->kind != HV_EXIT_SHUTDOWN &&
               exit->kind != HV_EXIT_INIT && exit->kind != HV_EXIT_STEP) {
        exit->insn_length = (uint8_t)raw->insn_length;
    }
}

/* INT3, INTO and INT1 are told from INT n with the same vector by their length. */
static uint32_t soft_type(const struct hv_event *event)
{
    if (event->insn_length == 1 && event->vector == VECTOR_DB)
        return VMX_EVENT_PRIVILEGED;
    if (event->insn_length == 1 && (event->vector == VECTOR_BP || event->vector == VECTOR_OF))
        return VMX_EVENT_SOFT_EXCEPTION;
    return VMX_EVENT_SOFT_INT;
}

static uint32_t type_of(const struct hv_event *event)
{
    switch (event->type) {
    case HV_EVENT_EXTERNAL:
        return VMX_EVENT_EXTERNAL;
    case HV_EVENT_NMI:
        return VMX_EVENT_NMI;
    case HV_EVENT_SOFT:
        return soft_type(event);
    case HV_EVENT_NONE:
    case HV_EVENT_EXCEPTION:
        break;
    }
    return VMX_EVENT_HARDWARE;
}

uint32_t vmx_event_encode(const struct hv_event *event, bool protected_mode, uint32_t *error)
{
    *error = 0;
    if (event->type == HV_EVENT_NONE)
        return 0;

    uint32_t info = VMX_EVENT_VALID | type_of(event) << TYPE_SHIFT | event->vector;
    if (event->type == HV_EVENT_EXCEPTION && protected_mode && event->vector < 32 &&
        (VMX_WITH_ERROR & HV_BIT(event->vector) || event->has_error)) {
        info |= VMX_EVENT_ERROR;
        *error = event->has_error ? event->error & 0xffff : 0;
    }
    return info;
}

struct hv_event vmx_event_interrupted(uint32_t vectoring, uint32_t error, uint32_t insn_length)
{
    struct hv_event event = {.type = HV_EVENT_NONE};

    if (!(vectoring & VMX_EVENT_VALID))
        return event;
    event.vector = (uint8_t)vectoring;
    event.has_error = vectoring & VMX_EVENT_ERROR;
    event.error = event.has_error ? error : 0;
    switch (VMX_EVENT_TYPE(vectoring)) {
    case VMX_EVENT_EXTERNAL:
        event.type = HV_EVENT_EXTERNAL;
        break;
    case VMX_EVENT_NMI:
        event.type = HV_EVENT_NMI;
        break;
    case VMX_EVENT_SOFT_INT:
    case VMX_EVENT_PRIVILEGED:
    case VMX_EVENT_SOFT_EXCEPTION:
        event.type = HV_EVENT_SOFT;
        event.insn_length = (uint8_t)insn_length;
        break;
    default:
        event.type = HV_EVENT_EXCEPTION;
        break;
    }
    return event;
}

bool vmx_exit_undid_iret(const struct vmx_raw_exit *raw, uint32_t vectoring)
{
    uint32_t reason = raw->reason & VMX_REASON_MASK;

    if (vectoring & VMX_EVENT_VALID)
        return false;
    if (reason == VMX_REASON_EVENT)
        return (uint8_t)raw->event != VECTOR_DF && (raw->event & VMX_EVENT_NMI_UNBLOCK);
    return reason == VMX_REASON_EPT_VIOLATION && (raw->qualification & VMX_EPT_NMI_UNBLOCK);
}
