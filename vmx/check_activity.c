/* SDM vol. 3, "Checks on Guest Non-Register State". */
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "vmx/check.h"
#include "vmx/vmcs.h"

enum { SHADOW = VMX_BLOCKED_STI | VMX_BLOCKED_MOV_SS };

/* Type of the event that the entry delivers; NO_EVENT: there is none. */
enum { NO_EVENT = 8 };

static unsigned event_type(const struct vmx_fields *fields)
{
    uint32_t event = fields->control.event;
    return event & VMX_EVENT_VALID ? VMX_EVENT_TYPE(event) : NO_EVENT;
}

/* What may be delivered to a CPU that does not execute instructions. */
static bool wakes(uint32_t activity, unsigned type, uint8_t vector)
{
    bool machine_check = type == VMX_EVENT_HARDWARE && vector == VECTOR_MC;

    switch (activity) {
    case VMX_HALTED:
        return type == VMX_EVENT_EXTERNAL || type == VMX_EVENT_NMI || machine_check ||
               (type == VMX_EVENT_HARDWARE && vector == VECTOR_DB) || type == VMX_EVENT_OTHER;
    case VMX_SHUT_DOWN:
        return type == VMX_EVENT_NMI || machine_check;
    case VMX_WAITS_FOR_SIPI:
        return false;
    default:
        return true;
    }
}

static void check_activity_state(struct vmx_faults *faults, const struct vmx_fields *fields,
                                 const struct vmx_features *can)
{
    enum { MISC_HALTED = 6 }; /* IA32_VMX_MISC: from that bit on, a bit for each */
    const struct vmx_guest_fields *g = &fields->guest;
    uint32_t activity = g->activity;
    unsigned type = event_type(fields);
    bool known = activity <= VMX_WAITS_FOR_SIPI &&
                 (activity == VMX_ACTIVE || (can->misc >> (MISC_HALTED + activity - 1) & 1));

    vmx_expect(faults, known, "activity state", activity, "this processor does not have it");
    if (!known || activity == VMX_ACTIVE)
        return;
    vmx_expect(faults, !(g->interruptibility & SHADOW), "activity state", activity,
               "not active while STI or MOV SS blocks");
    if (activity == VMX_HALTED)
        vmx_expect(faults, !(g->seg[SEG_SS].rights >> SEG_ATTR_DPL_SHIFT & 3), "activity state",
                   activity, "halted outside ring 0");
    if (type != NO_EVENT)
        vmx_expect(faults, wakes(activity, type, (uint8_t)fields->control.event), "activity state",
                   activity, "the event to deliver cannot come to it");
    if (activity == VMX_WAITS_FOR_SIPI)
        vmx_expect(faults, !(fields->control.entry & VMX_ENTRY_SMM), "activity state", activity,
                   "waits for a SIPI in an entry to SMM");
}

static void check_interruptibility(struct vmx_faults *faults, const struct vmx_fields *fields)
{
    static const char field[] = "interruptibility";
    const struct vmx_guest_fields *g = &fields->guest;
    uint32_t blocked = g->interruptibility;
    unsigned type = event_type(fields);
    bool smm = fields->control.entry & VMX_ENTRY_SMM;

    vmx_expect_clear(faults, ~0x1fULL, field, blocked, "reserved bits");
    vmx_expect(faults, (blocked & SHADOW) != SHADOW, field, blocked, "both STI and MOV SS block");
    vmx_expect(faults, !(blocked & VMX_BLOCKED_STI) || (g->rflags & RFLAGS_IF), field, blocked,
               "STI blocks, and IF is 0");
    if (type == VMX_EVENT_EXTERNAL)
        vmx_expect(faults, !(blocked & SHADOW), field, blocked,
                   "STI or MOV SS blocks the external interrupt to deliver");
    if (type == VMX_EVENT_NMI) {
        vmx_expect(faults, !(blocked & VMX_BLOCKED_MOV_SS), field, blocked,
                   "MOV SS blocks the NMI to deliver");
        vmx_expect(faults, !(blocked & VMX_BLOCKED_STI), field, blocked,
                   "STI blocks the NMI to deliver, which some processors refuse");
        if (fields->control.pin & VMX_PIN_VIRTUAL_NMIS)
            vmx_expect(faults, !(blocked & VMX_BLOCKED_NMI), field, blocked,
                       "NMIs are blocked, and one is to be delivered");
    }
    vmx_expect(faults, !(blocked & VMX_BLOCKED_SMI) == !smm, field, blocked,
               "SMIs are blocked in SMM, and nowhere else");
    vmx_expect(faults, !(blocked & VMX_BLOCKED_ENCLAVE) || !(blocked & VMX_BLOCKED_MOV_SS), field,
               blocked, "MOV SS blocks behind an enclave's interruption");
}

static void check_pending_debug(struct vmx_faults *faults, const struct vmx_fields *fields)
{
    static const char field[] = "pending debug exceptions";
    const uint64_t defined =
        VMX_PENDING_BREAKPOINTS | VMX_PENDING_BLD | VMX_PENDING_BS | VMX_PENDING_RTM;
    const struct vmx_guest_fields *g = &fields->guest;
    uint64_t pending = g->pending_debug;
    bool trap = (g->rflags & RFLAGS_TF) && !(g->debugctl & DEBUGCTL_BTF);

    vmx_expect_clear(faults, ~defined, field, pending, "reserved bits");
    if ((g->interruptibility & SHADOW) || g->activity == VMX_HALTED) {
        vmx_expect(faults, !trap || (pending & VMX_PENDING_BS), field, pending,
                   "BS has to be set: blocked or halted, with TF and without BTF");
        vmx_expect(faults, trap || !(pending & VMX_PENDING_BS), field, pending,
                   "BS has to be 0: blocked or halted, without TF or with BTF");
    }
    if (pending & VMX_PENDING_RTM)
        vmx_expect(faults,
                   (pending & defined) == (VMX_PENDING_RTM | HV_BIT(12)) &&
                       !(g->interruptibility & VMX_BLOCKED_MOV_SS),
                   field, pending, "RTM together with what it excludes");
}

static void check_link_pointer(struct vmx_faults *faults, const struct vmx_guest_fields *g,
                               const struct vmx_features *can)
{
    if (g->link_pointer != UINT64_MAX)
        vmx_expect_clear(faults, 0xfff | vmx_beyond_memory(can), "VMCS link pointer",
                         g->link_pointer, "neither all ones nor the address of a page");
}

void vmx_check_activity(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can)
{
    check_activity_state(faults, fields, can);
    check_interruptibility(faults, fields);
    check_pending_debug(faults, fields);
    check_link_pointer(faults, &fields->guest, can);
}
