#include "vmx/run.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "core/debug_regs.h"
#include "core/insn_bytes.h"
#include "core/step_trap.h"
#include "vmx/enter.h"
#include "vmx/shadow.h"
#include "vmx/traps.h"
#include "vmx/vmcs.h"

/* SDM vol. 3, "Format of the EPT pointer": write-back, four levels, accessed bits where there are.
 */
static uint64_t ept_pointer(unsigned cpu, enum hv_run_mode mode)
{
    enum { WRITE_BACK = 6, LEVELS = 3 << 3, ACCESSED = 1 << 6 };
    hpa_t root = stage2_root(cpu, run_stops_at_fetch(mode) ? STAGE2_NO_EXECUTE : STAGE2_NORMAL);

    return root | WRITE_BACK | LEVELS | (vmx.features.ept_vpid & VMX_EPT_ACCESSED ? ACCESSED : 0);
}

/* Of all views and VPIDs: with EPT there are no other translations, INVVPID is not needed. */
static void flush_ept(void)
{
    enum { ALL_CONTEXTS = 2 };

    invept(ALL_CONTEXTS, 0);
}

static bool debug_is_trapped(const struct vcpu *v, enum hv_run_mode mode)
{
    return (mode == RUN_STEP && !vmx_cpus[v->number].stepping) || (v->traps & TRAP_DEBUG);
}

/* DR7 is in the VMCS, DR0-DR3 and DR6 are not switched by anybody but us. */
static void load_debug_regs(struct vcpu *v, enum hv_run_mode mode, struct vmx_cpu *cpu)
{
    if (debug_regs_load(v))
        cpu->live_dr6 = 0;
    if (!debug_is_trapped(v, mode) && cpu->live_dr6 != v->debug_regs.dr6) {
        write_dr6(v->debug_regs.dr6);
        cpu->live_dr6 = v->debug_regs.dr6;
    }
    vmwrite(VMCS_GUEST_DR7, v->live_dr7);
    vmwrite(VMCS_GUEST_DEBUGCTL, v->debug_regs.debugctl);
}

static void load_event(struct vcpu *v)
{
    uint32_t error;

    vcpu_need(v, REGS_CONTROL);
    vmwrite(VMCS_ENTRY_EVENT, vmx_event_encode(&v->event, v->regs.cr0 & CR0_PE, &error));
    vmwrite(VMCS_ENTRY_EVENT_ERROR, error);
    vmwrite(VMCS_ENTRY_INSN_LENGTH, v->event.insn_length);
}

static void load_guest(struct vcpu *v, enum hv_run_mode mode)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];
    bool shadow = v->interrupt_shadow && v->event.type == HV_EVENT_NONE;
    /* An NMI that goes in blocks the next by itself; an entry with both is refused. */
    bool nmi_blocked = v->nmi_blocked && v->event.type != HV_EVENT_NMI;
    bool btf = v->debug_regs.debugctl & DEBUGCTL_BTF;
    struct vmx_shadow s = vmx_shadow_make(mode, v->regs.rflags, cpu->last.interruptibility,
                                          cpu->last.pending_debug, shadow, nmi_blocked, btf);

    vmx_state_commit(&vmx.owned, v->changed, &v->regs);
    if ((v->changed & (REGS_CONTROL | REGS_PAT)) && (vmx.controls.cpu2 & VMX_CPU2_VPID))
        cpu->stale =
            true; /* a changed CR or PAT: what VPID has kept of linear addresses goes as well */
    v->changed = 0;
    vmwrite(VMCS_GUEST_RSP, v->regs.gpr[GPR_RSP]);
    vmwrite(VMCS_GUEST_RIP, v->regs.rip);
    vmwrite(VMCS_GUEST_RFLAGS, v->regs.rflags | RFLAGS_ONE);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, s.interruptibility);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, s.pending_debug);
    vmwrite(VMCS_GUEST_ACTIVITY, 0);
    vmwrite(VMCS_EPT_POINTER, ept_pointer(v->number, mode));
    vmx_traps_write(&vmx.controls, &vmx.owned, v, mode, cpu->stepping, &cpu->seen);
    load_debug_regs(v, mode, cpu);
    load_event(v);
    if (cpu->stale)
        flush_ept();
    cpu->stale = false;
}

static void read_exit(struct vmx_last_exit *last)
{
    struct vmx_raw_exit *raw = &last->raw;

    raw->reason = (uint32_t)vmread(VMCS_EXIT_REASON);
    raw->event = (uint32_t)vmread(VMCS_EXIT_EVENT);
    raw->event_error = (uint32_t)vmread(VMCS_EXIT_EVENT_ERROR);
    raw->insn_length = (uint32_t)vmread(VMCS_EXIT_INSN_LENGTH);
    raw->qualification = vmread(VMCS_EXIT_QUALIFICATION);
    raw->guest_physical = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
    last->interruptibility = (uint32_t)vmread(VMCS_GUEST_INTERRUPTIBILITY);
    last->pending_debug = vmread(VMCS_GUEST_PENDING_DEBUG);
}

/*
 * Whether the guest is in its NMI handler. An NMI exit may report blocking that is the host's, not
 * the guest's (Bochs 2.7): the guest's can only begin with an NMI that we put in.
 */
static bool nmi_blocked(const struct vmx_last_exit *last, const struct hv_exit *exit, bool before)
{
    uint32_t vectoring = (uint32_t)vmread(VMCS_VECTORING_EVENT);

    if (vmx_exit_undid_iret(&last->raw, vectoring))
        return true;
    if (exit->kind == HV_EXIT_NMI && !before)
        return false;
    return last->interruptibility & VMX_BLOCKED_NMI;
}

/* The guest ran: takes over what the VMCS has of it. */
static void store_guest(struct vcpu *v, enum hv_run_mode mode, const struct hv_exit *exit)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];
    bool held = v->nmi_blocked || v->event.type == HV_EVENT_NMI;
    uint32_t blocked = cpu->last.interruptibility;

    v->valid = 0;
    v->regs.gpr[GPR_RSP] = vmread(VMCS_GUEST_RSP);
    v->regs.rip = vmread(VMCS_GUEST_RIP);
    v->regs.rflags = vmread(VMCS_GUEST_RFLAGS);
    v->debug_regs.debugctl = vmread(VMCS_GUEST_DEBUGCTL);
    if (!debug_is_trapped(v, mode))
        v->debug_regs.dr6 = cpu->live_dr6 = read_dr6();
    v->event =
        vmx_event_interrupted((uint32_t)vmread(VMCS_VECTORING_EVENT),
                              (uint32_t)vmread(VMCS_VECTORING_ERROR), cpu->last.raw.insn_length);
    v->nmi_blocked = nmi_blocked(&cpu->last, exit, held);
    if (v->event.type == HV_EVENT_NMI)
        v->nmi_blocked = false; /* it is not delivered yet */
    /* A step's entry has a shadow of ours; it counts as the guest's only behind an instruction. */
    if (mode != RUN_STEP || exit->kind == HV_EXIT_DEBUG || exit->kind == HV_EXIT_STEP)
        v->interrupt_shadow = blocked & (VMX_BLOCKED_STI | VMX_BLOCKED_MOV_SS);
}

/*
 * MOV to CR0 that changes a bit the guest does not own: the shadow takes the value, then the guest
 * executes the instruction itself. So whatever else it does (paging on or off, long mode, #GP) the
 * processor does.
 */
static void retry_cr0(const struct vcpu *v, uint64_t qualification)
{
    enum { ACCESS_SHIFT = 4, MOV_TO = 0, REGISTER_SHIFT = 8 };

    if ((qualification >> ACCESS_SHIFT & 3) == MOV_TO)
        vmwrite(VMCS_CR0_SHADOW, v->regs.gpr[qualification >> REGISTER_SHIFT & 0xf]);
}

/* INT n does not exit, and would take TF into the handler's frame: it is delivered as an event. */
static bool is_int_n(struct vcpu *v, struct hv_exit *exit)
{
    enum { OPCODE_INT = 0xcd };
    struct x86_insn insn;

    if (insn_at_rip(v, &insn) != HV_OK || insn.map != X86_MAP_ONE_BYTE || insn.opcode != OPCODE_INT)
        return false;
    *exit = (struct hv_exit){.kind = HV_EXIT_SOFT_INT, .insn_length = insn.length};
    exit->soft_int.vector = (uint8_t)insn.imm;
    return true;
}

static void finish_exit(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];
    uint32_t reason;

    read_exit(&cpu->last);
    reason = cpu->last.raw.reason & VMX_REASON_MASK;
    vmx_exit_decode(&cpu->last.raw, exit);
    if (reason == VMX_REASON_CR)
        vmx_traps_saw_cr(cpu->seen, cpu->last.raw.qualification, exit);
    if (exit->kind == HV_EXIT_INVALID)
        return; /* it did not run: all is as it was written */
    store_guest(v, mode, exit);
    cpu->launched = true;

    if (reason == VMX_REASON_CR && exit->kind == HV_EXIT_NONE)
        retry_cr0(v, cpu->last.raw.qualification);
    else if (run_stops_at_fetch(mode) && v->event.type == HV_EVENT_NONE &&
             (reason == VMX_REASON_EXTERNAL ||
              (exit->kind == HV_EXIT_STAGE2 && exit->stage2.execute)))
        exit->kind = HV_EXIT_FETCH; /* a device's interrupt waits at the same place */
}

/* VMLAUNCH or VMRESUME itself failed. */
static void note_refusal(struct vmx_raw_exit *raw, struct hv_exit *exit)
{
    *raw = (struct vmx_raw_exit){.reason = VMX_REASON_NO_ENTRY,
                                 .qualification = vmread(VMCS_INSN_ERROR)};
    exit->kind = HV_EXIT_INVALID;
    exit->raw.code = raw->reason;
    exit->raw.info1 = raw->qualification;
}

void vmx_run(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];

    *exit = (struct hv_exit){.kind = HV_EXIT_NONE};
    if (mode == RUN_STEP && !cpu->stepping && is_int_n(v, exit)) {
        v->exits[exit->kind]++;
        return;
    }
    load_guest(v, mode);
    switch (vmx_enter(v->regs.gpr, cpu->launched, traps_nmi_counter(), cpu->nmis_seen)) {
    case VMX_ENTER_EXITED:
        finish_exit(v, mode, exit);
        if (exit->kind == HV_EXIT_NMI)
            cpu->nmis_seen--;
        break;
    case VMX_ENTER_ABANDONED:
        exit->kind = HV_EXIT_NMI;
        break;
    default:
        note_refusal(&cpu->last.raw, exit);
        break;
    }
    v->exits[exit->kind]++;
}

/*
 * SDM vol. 3, "Monitor Trap Flag": the exit comes behind the instruction, or in front of the first
 * one of a handler that it went to, and before its debug traps, which are pending then.
 */
void vmx_step(struct vcpu *v, struct hv_exit *exit)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];

    if (vmx.mtf != VMX_MTF_WORKS) {
        core_step_by_trap(v, exit);
        return;
    }
    cpu->stepping = true;
    vmx_run(v, RUN_STEP, exit);
    cpu->stepping = false;
    if (exit->kind != HV_EXIT_STEP || (cpu->last.interruptibility & VMX_BLOCKED_MOV_SS))
        return; /* behind MOV SS they stay pending */
    exit->debug.dr6 = cpu->last.pending_debug & (debug_regs_armed(v) | DR6_BLD | DR6_RTM);
    if (cpu->last.pending_debug & VMX_PENDING_BS)
        vcpu_raise_step(v);
}
