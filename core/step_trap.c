#include "core/step_trap.h"

#include "arch/x86/registers.h"
#include "arch/x86/step_plan.h"
#include "core/backend.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/step_soft.h"
#include "hv/compiler.h"

/*
 * Instructions whose trap comes late or never get a debug-register breakpoint where they go. The
 * last register is lent for it: none of these instructions reads or writes data that somebody
 * watches but a POP SS, and that traps by TF as well.
 */
enum { GUARD = DEBUG_GUARD_REGISTER };

struct step_state {
    struct step_plan plan, behind; /* behind MOV SS: of what may be stepped along with it */
    uint64_t flags, debugctl, rip; /* the guest's own before the step */
    bool guarded;
    gva_t guard; /* where */
};

static gva_t guard_address(struct vcpu *v, const struct step_plan *plan)
{
    vcpu_need(v, REGS_SYSCALL | REGS_CONTROL | REGS_SEGMENTS);
    if (plan->guard_next)
        return vcpu_linear_rip(v) + plan->length;
    if (plan->kind == STEP_SYSRET)
        return plan->wide ? v->regs.gpr[GPR_RCX] : (uint32_t)v->regs.gpr[GPR_RCX];
    if (!(v->regs.efer & EFER_LMA))
        return (uint32_t)v->regs.star;
    return vcpu_code_bits(v) == 64 ? v->regs.lstar : v->regs.cstar;
}

static void arm_guard(struct vcpu *v, gva_t address)
{
    v->live_dr[GUARD] = address;
    v->live_dr7 &= ~(DR7_RW(GUARD, 3) | DR7_LEN(GUARD, 3));
    v->live_dr7 |= DR7_G(GUARD);
    v->dr_dirty = true;
}

static struct step_plan plan_at(struct vcpu *v, uint64_t rip, struct x86_insn *insn)
{
    struct step_plan plan = {.kind = STEP_PLAIN};
    uint64_t here = v->regs.rip;

    vcpu_need(v, REGS_CONTROL);
    v->regs.rip = rip;
    if (insn_at_rip(v, insn) == HV_OK)
        plan = step_plan_make(insn, v->regs.efer & EFER_LMA);
    v->regs.rip = here;
    return plan;
}

/* False: the instruction is done already. */
static bool plan_step(struct vcpu *v, struct step_state *step)
{
    struct x86_insn insn, next;

    *step = (struct step_state){
        .flags = v->regs.rflags, .debugctl = v->debug_regs.debugctl, .rip = v->regs.rip};
    step->plan = plan_at(v, step->rip, &insn);
    if (step->plan.guard_next && step_soft(v, &insn, step->plan.kind))
        return false;
    if (step->plan.kind == STEP_MOV_SS)
        step->behind = plan_at(v, step->rip + step->plan.length, &next);
    /* With BTF, which this one may set, TF would not trap behind it. */
    if (step->plan.kind == STEP_WRMSR && (uint32_t)v->regs.gpr[GPR_RCX] == MSR_DEBUGCTL)
        step->plan.guard_next = true;
    if (step->plan.guard_next || step->plan.guard_target) {
        step->guard = guard_address(v, &step->plan);
        arm_guard(v, step->guard);
        step->guarded = true;
    }
    return true;
}

/* PUSHF left an image with our TF in it on the guest's stack. */
static void repair_image(struct vcpu *v, const struct step_state *step)
{
    uint64_t image = 0;
    unsigned size = step->plan.image_size;

    gva_t top = vcpu_linear_rsp(v);
    if (guest_linear_read(v, top, &image, size) != size)
        return;
    image = step_repair_image(image, step->flags);
    guest_linear_write(v, top, &image, size);
}

/* The instruction is done: what it left of our TF goes, what it owes the guest is raised. */
static void finish_step(struct vcpu *v, struct step_state *step)
{
    if (step->plan.kind == STEP_MOV_SS && vcpu_linear_rip(v) != step->guard) {
        step->rip += step->plan.length;
        step->plan = step->behind;
    }
    if (step->plan.image_size)
        repair_image(v, step);
    if (step->plan.repair_r11)
        v->regs.gpr[GPR_R11] = step_repair_image(v->regs.gpr[GPR_R11], step->flags);
    v->regs.rflags = step_repair_flags(step->plan.kind, step->flags, v->regs.rflags);
    if (step_traps(step->plan.kind, step->flags, v->regs.rflags) &&
        vcpu_owes_step(v, RFLAGS_TF, step_branched(&step->plan, v->regs.rip - step->rip)))
        vcpu_raise_step(v);
}

/* What the guest itself has just written to it stays. */
static void restore_debugctl(struct vcpu *v, const struct step_state *step,
                             const struct hv_exit *exit)
{
    bool wrote = step->plan.kind == STEP_WRMSR && step->plan.guard_next;

    if (!wrote || exit->kind != HV_EXIT_DEBUG)
        v->debug_regs.debugctl = step->debugctl;
}

void core_step_by_trap(struct vcpu *v, struct hv_exit *exit)
{
    struct step_state step;

    if (!plan_step(v, &step)) {
        *exit = (struct hv_exit){.kind = HV_EXIT_STEP};
        return;
    }
    v->regs.rflags |= RFLAGS_TF;
    v->debug_regs.debugctl &= ~DEBUGCTL_BTF; /* or TF would trap behind branches only */
    hv_backend->run(v, RUN_STEP, exit);
    restore_debugctl(v, &step, exit);
    if (step.guarded)
        debug_regs_update(v);

    /* A processor may fetch there before it looks at the register, from a page it cannot execute.
     */
    if (exit->kind == HV_EXIT_STAGE2 && exit->stage2.execute && step.guarded &&
        vcpu_linear_rip(v) == step.guard)
        *exit = (struct hv_exit){.kind = HV_EXIT_DEBUG, .debug = {DR6_B(GUARD)}};
    bool at_guard = exit->kind == HV_EXIT_DEBUG && step.guarded && (exit->debug.dr6 & DR6_B(GUARD));
    if (exit->kind == HV_EXIT_DEBUG && ((exit->debug.dr6 & DR6_BS) || at_guard)) {
        exit->kind = HV_EXIT_STEP;
        exit->debug.dr6 &= (debug_regs_armed(v) & (step.guarded ? 7 : 0xf)) | DR6_BLD | DR6_RTM;
        finish_step(v, &step);
        return;
    }
    v->regs.rflags = (v->regs.rflags & ~RFLAGS_TF) | (step.flags & RFLAGS_TF);
}
