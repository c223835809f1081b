#include "svm/run.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/insn_bytes.h"
#include "svm/exit.h"
#include "svm/state.h"
#include "svm/traps.h"

/* enter.asm */
void svm_enter(hpa_t vmcb, uint64_t *gpr, hpa_t host_vmcb, uint64_t dr7);

enum { SHADOW = 1 };

static bool holds_interrupts(enum hv_run_mode mode)
{
    return mode == RUN_STEP || mode == RUN_TO_FETCH;
}

/* The view and its ASID; whether device interrupts are held (the host's IF is 0). */
static void set_mode(enum hv_run_mode mode, unsigned number)
{
    struct svm_cpu *cpu = &svm_cpus[number];
    struct vmcb_control *c = &cpu->vmcb.control;
    bool no_execute = run_stops_at_fetch(mode);
    hpa_t root = stage2_root(number, no_execute ? STAGE2_NO_EXECUTE : STAGE2_NORMAL);
    uint32_t asid = no_execute               ? SVM_ASID_NO_EXECUTE
                    : stage2_in_view(number) ? SVM_ASID_VIEW
                                             : SVM_ASID_NORMAL;

    if (c->asid != asid || c->nested_cr3 != root) {
        c->asid = asid;
        c->nested_cr3 = root;
        c->clean &= ~(uint32_t)(SVM_CLEAN_ASID | SVM_CLEAN_NP);
    }
    c->tlb_control = SVM_TLB_KEEP;
    if (cpu->stale_asids & HV_BIT(asid)) {
        c->tlb_control = svm_features.flush_by_asid ? SVM_TLB_FLUSH_ASID : SVM_TLB_FLUSH_ALL;
        cpu->stale_asids &= svm_features.flush_by_asid ? ~(uint32_t)HV_BIT(asid) : 0;
    }
    uint64_t control = holds_interrupts(mode) ? SVM_V_INTR_MASKING | (read_cr8() & 0xf) : 0;
    if (c->interrupt_control != control) {
        c->interrupt_control = control;
        c->clean &= ~(uint32_t)SVM_CLEAN_TPR;
    }
}

static void load_debug_regs(struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    /* Where #DB exits, DR6 begins empty, so that it tells this one's causes and no older ones. */
    bool trapped = mode == RUN_STEP || (v->traps & TRAP_DEBUG);
    uint64_t dr6 = trapped ? DR6_RESET : v->debug_regs.dr6;

    debug_regs_load(v);
    if (vmcb->save.dr6 != dr6 || vmcb->save.dr7 != v->live_dr7) {
        vmcb->save.dr6 = dr6;
        vmcb->save.dr7 = v->live_dr7;
        vmcb->control.clean &= ~(uint32_t)SVM_CLEAN_DR;
    }
    if (svm_features.lbr && vmcb->save.debug_control != v->debug_regs.debugctl) {
        vmcb->save.debug_control = v->debug_regs.debugctl;
        vmcb->control.clean &= ~(uint32_t)SVM_CLEAN_LBR;
    }
}

/*
 * A software interrupt pushes the address behind its instruction: with nRIP saving the processor
 * takes that from the VMCB's nRIP field, without it RIP has to be there already.
 */
static void load_event(struct vcpu *v, struct vmcb *vmcb)
{
    vmcb->control.event_injection = svm_event_encode(&v->event);
    if (v->event.type == HV_EVENT_SOFT) {
        uint64_t next = v->regs.rip + v->event.insn_length;
        vmcb->control.next_rip = next;
        if (!svm_features.nrip)
            vmcb->save.rip = next;
    }
    if (v->event.type == HV_EVENT_NMI)
        v->nmi_blocked = true;
    v->event.type = HV_EVENT_NONE;
}

static void load_guest(struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    unsigned stale = svm_state_commit(vmcb, v->changed, &v->regs);

    vmcb->control.clean &= ~stale;
    if (v->changed & REGS_CONTROL)
        write_cr8(v->regs.cr8);
    if (v->changed & REGS_PAT)
        svm_cpus[v->number].stale_asids = SVM_ASIDS; /* its types are kept with translations */
    v->changed = 0;
    vmcb->save.rax = v->regs.gpr[GPR_RAX];
    vmcb->save.rsp = v->regs.gpr[GPR_RSP];
    vmcb->save.rip = v->regs.rip;
    vmcb->save.rflags = v->regs.rflags | RFLAGS_ONE;
    vmcb->control.interrupt_shadow = v->interrupt_shadow ? SHADOW : 0;
    svm_traps_write(v, mode, vmcb);
    set_mode(mode, v->number);
    load_debug_regs(v, mode, vmcb);
    load_event(v, vmcb);
    if (!svm_features.clean_bits)
        vmcb->control.clean = 0;
}

/*
 * Without decode assists nothing but the instruction itself tells which software interrupt it was.
 * Its opcode, or -1 when it cannot be read.
 */
static int soft_int_opcode(struct vcpu *v, struct x86_insn *insn)
{
    if (insn_at_rip(v, insn) != HV_OK || insn->map != X86_MAP_ONE_BYTE)
        return -1;
    return insn->opcode;
}

static void decode_exit(struct vcpu *v, const struct vmcb *vmcb, struct hv_exit *exit)
{
    enum { OPCODE_INT = 0xcd };
    struct x86_insn insn;

    if (!svm_exit_needs_opcode(vmcb)) {
        svm_exit_decode(vmcb, -1, exit);
        return;
    }
    int opcode = soft_int_opcode(v, &insn);
    svm_exit_decode(vmcb, opcode, exit);
    if (opcode >= 0)
        exit->insn_length = insn.length;
    if (opcode == OPCODE_INT)
        exit->soft_int.vector = (uint8_t)insn.imm;
}

static void store_guest(struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    v->valid = 0;
    v->regs.gpr[GPR_RAX] = vmcb->save.rax;
    v->regs.gpr[GPR_RSP] = vmcb->save.rsp;
    v->regs.rip = vmcb->save.rip;
    v->regs.rflags = vmcb->save.rflags;
    v->interrupt_shadow = vmcb->control.interrupt_shadow & SHADOW;
    if (mode != RUN_STEP && !(v->traps & TRAP_DEBUG))
        v->debug_regs.dr6 = vmcb->save.dr6;
    if (svm_features.lbr)
        v->debug_regs.debugctl = vmcb->save.debug_control;
    if (holds_interrupts(mode))
        write_cr8(vmcb->control.interrupt_control & 0xf);

    struct hv_event interrupted = svm_event_interrupted(vmcb->control.exit_int_info);
    if (interrupted.type == HV_EVENT_NMI)
        v->nmi_blocked = false; /* it is not delivered yet */
    if (interrupted.type == HV_EVENT_SOFT)
        interrupted.insn_length =
            svm_features.nrip ? (uint8_t)(vmcb->control.next_rip - vmcb->save.rip) : 0;
    v->event = interrupted;
}

void svm_run(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit)
{
    struct svm_cpu *cpu = &svm_cpus[v->number];
    struct vmcb *vmcb = &cpu->vmcb;

    load_guest(v, mode, vmcb);
    bool armed = v->live_dr7 & 0xff;
    svm_enter((hpa_t)vmcb, v->regs.gpr, (hpa_t)&cpu->host_vmcb, armed ? v->live_dr7 : 0);
    /* What a processor keeps of a state it refused is not known. */
    vmcb->control.clean = svm_exit_is_invalid(vmcb) ? 0 : SVM_CLEAN_ALL;
    store_guest(v, mode, vmcb);

    decode_exit(v, vmcb, exit);
    if (exit->kind == HV_EXIT_STAGE2 && run_stops_at_fetch(mode) && exit->stage2.execute)
        exit->kind = HV_EXIT_FETCH;
    if (svm_features.nrip && exit->insn_length == 0 && vmcb->control.next_rip > vmcb->save.rip &&
        vmcb->control.next_rip - vmcb->save.rip <= 15)
        exit->insn_length = (uint8_t)(vmcb->control.next_rip - vmcb->save.rip);
    v->exits[exit->kind]++;
}
