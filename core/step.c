#include "core/step.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/exec_views.h"
#include "core/handle.h"
#include "core/insn_bytes.h"
#include "core/mediate.h"
#include "core/watch_pages.h"

/* Delivers v->event and stops in front of the handler's first instruction. */
static void deliver_once(struct vcpu *v, struct hv_exit *exit)
{
    hv_backend->run(v, RUN_TO_FETCH, exit);
    if (exit->kind == HV_EXIT_FETCH) {
        exit->kind = HV_EXIT_STEP;
        exit->debug.dr6 = 0;
    }
}

static bool is_over(struct vcpu *v, struct hv_exit *exit)
{
    switch (core_handle(v, exit)) {
    case CORE_RETRY:
        return false;
    case CORE_RAISED: /* the next round delivers it; what was begun to write does not count */
        mediate_end(v, false);
        watch_pages_finish_step(v, false);
        return false;
    case CORE_DONE:
        *exit = (struct hv_exit){.kind = HV_EXIT_STEP};
        return true;
    case CORE_HALT: /* as if it woke at once */
        vcpu_skip(v, insn_length(v, exit));
        if (v->regs.rflags & RFLAGS_TF)
            vcpu_raise_step(v);
        *exit = (struct hv_exit){.kind = HV_EXIT_STEP};
        return true;
    case CORE_PASS:
        v->passing = true;
        return false;
    case CORE_STAGE2:
        return !exec_views_open(v, exit) && !watch_pages_open(v, exit) &&
               !mediate_begin(v, exit->stage2.address, exit->stage2.write);
    case CORE_UP:
        return true;
    }
    return true;
}

/* False: none was due, nothing happened. */
static bool take_interrupt(struct vcpu *v, struct hv_exit *exit)
{
    uint64_t rip = v->regs.rip, rsp = v->regs.gpr[GPR_RSP], rflags = v->regs.rflags;

    if (!(rflags & RFLAGS_IF) || v->interrupt_shadow)
        return false;
    hv_backend->run(v, RUN_TO_INTERRUPT, exit);
    if (exit->kind != HV_EXIT_FETCH)
        return true;
    if (v->regs.rip == rip && v->regs.gpr[GPR_RSP] == rsp) {
        v->regs.rflags = rflags; /* a fetch that faulted may have set RF */
        return false;
    }
    *exit = (struct hv_exit){.kind = HV_EXIT_STEP};
    return true;
}

static void step(struct vcpu *v, bool interruptible, struct hv_exit *exit)
{
    bool passing = v->passing;

    exec_views_begin_step(v);
    do {
        if (v->event.type != HV_EVENT_NONE)
            deliver_once(v, exit);
        else if (!interruptible || !take_interrupt(v, exit)) {
            watch_pages_note_reads(v);
            hv_backend->step(v, exit);
        }
    } while (!is_over(v, exit));
    v->passing = passing;
    mediate_end(v, exit->kind == HV_EXIT_STEP);
    watch_pages_finish_step(v, exit->kind == HV_EXIT_STEP);
    exec_views_finish_step(v);
}

void core_step(struct vcpu *v, struct hv_exit *exit)
{
    step(v, false, exit);
}

void core_step_interruptible(struct vcpu *v, struct hv_exit *exit)
{
    step(v, true, exit);
}
