#include "core/run.h"

#include "core/backend.h"
#include "core/exec_views.h"
#include "core/handle.h"
#include "core/mediate.h"
#include "core/step.h"
#include "core/watch_pages.h"

void core_forward_nmi(struct vcpu *v)
{
    v->nmi_pending = true;
}

/*
 * The guest's NMI goes in when it is not in its handler and no shadow holds it. While it is in its
 * handler, IRET exits: an injected NMI does not block others by itself on every processor. True
 * when a shadow or another event keeps it waiting: that ends with the next instruction, and the
 * next exit may be far.
 */
static bool offer_nmi(struct vcpu *v)
{
    if (v->nmi_pending && !v->nmi_blocked && !v->interrupt_shadow &&
        v->event.type == HV_EVENT_NONE) {
        v->event = (struct hv_event){.type = HV_EVENT_NMI, .vector = 2};
        v->nmi_pending = false;
        v->nmi_blocked = true;
    }
    v->core_traps = v->nmi_blocked ? TRAP_IRET : 0;
    return v->nmi_pending && !v->nmi_blocked;
}

/* The instruction at RIP runs under a step, on dummy pages or because an NMI must wait for it. */
static bool step_over(struct vcpu *v, struct hv_exit *exit)
{
    if (v->event.type == HV_EVENT_NONE && exec_views_at(v, vcpu_linear_rip(v))) {
        mediate_end(v, false); /* what was opened for it closes: it does not run now */
        watch_pages_finish_step(v, false);
        *exit = (struct hv_exit){.kind = HV_EXIT_BREAKPOINT};
        return true;
    }
    core_step(v, exit);
    if (exit->kind != HV_EXIT_STEP)
        return true;
    exit->kind = HV_EXIT_DEBUG; /* it may have hit a watchpoint besides */
    return exit->debug.dr6 != 0 || v->watch_hits;
}

/* True when the fault comes up. */
static bool handle_fault(struct vcpu *v, struct hv_exit *exit)
{
    switch (exec_views_fault(v, exit)) {
    case EXEC_RETRY:
        return false;
    case EXEC_BREAKPOINT:
        *exit = (struct hv_exit){.kind = HV_EXIT_BREAKPOINT};
        return true;
    case EXEC_STEP:
        if (step_over(v, exit))
            return true;
        exec_views_resume(v);
        return false;
    case EXEC_NOT_OURS:
        if (!watch_pages_open(v, exit) &&
            !mediate_begin(v, exit->stage2.address, exit->stage2.write))
            return true;
        break;
    }
    return step_over(v, exit);
}

void core_run(struct vcpu *v, struct hv_exit *exit)
{
    enum hv_run_mode mode = RUN_FREE;

    exec_views_resume(v);
    for (;;) {
        while (offer_nmi(v)) {
            if (step_over(v, exit))
                return;
        }
        exec_views_prepare(v);
        hv_backend->run(v, mode, exit);
        mode = RUN_FREE;
        switch (core_handle(v, exit)) {
        case CORE_RETRY:
            if (exit->kind != HV_EXIT_IRET)
                break;
            v->core_traps = 0;
            if (step_over(v, exit))
                return;
            break;
        case CORE_DONE:
        case CORE_RAISED:
            break;
        case CORE_HALT: /* it does, until an interrupt comes; then HLT is trapped again */
            mode = RUN_HALTED;
            break;
        case CORE_PASS:
            v->passing = true;
            bool ends = step_over(v, exit);
            v->passing = false;
            if (ends)
                return;
            break;
        case CORE_STAGE2:
            if (handle_fault(v, exit))
                return;
            break;
        case CORE_UP:
            if (exit->kind == HV_EXIT_DEBUG && exec_views_debug(v, exit) &&
                exit->kind == HV_EXIT_NONE)
                break;
            return;
        }
        if (v->noticed) {
            exit->kind = HV_EXIT_NONE;
            return;
        }
    }
}
