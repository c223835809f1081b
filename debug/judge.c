#include "debug/judge.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/machine.h"
#include "debug/breakpoints.h"
#include "debug/catch.h"
#include "debug/exceptions.h"
#include "debug/state.h"
#include "debug/waiting.h"
#include "debug/watch.h"
#include "debug/watch_ranges.h"
#include "hv/compiler.h"

/* Not carried out yet, unless the user was told of it. */
static bool judge_caught(struct vcpu *v, const struct hv_exit *exit, struct debug_event *event)
{
    if (v->passing || !(catch_find(v, exit) || death_find(v, exit)))
        return false;
    event->kind = EVENT_CATCH;
    event->seen = *exit;
    return true;
}

static bool judge_debug(struct vcpu *v, const struct hv_exit *exit, struct debug_event *event)
{
    unsigned hits = debug_regs_user_hits(v, exit->debug.dr6);
    uint64_t guests = debug_regs_guest_hits(v, exit->debug.dr6);
    bool waited = debug_regs_spare_hits(v, exit->debug.dr6);

    event->ranges = v->watch_hits;
    v->watch_hits = 0;
    if (guests || (!hits && !waited && !event->ranges)) {
        debug_regs_raise(v, guests);
        if (judge_caught(v, exit, event)) /* a trap cannot be had again: it waits in v->event */
            return true;
    }
    event->kind = hits || event->ranges ? EVENT_WATCH : waited ? EVENT_BREAKPOINT : EVENT_NONE;
    event->hits = hits;
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        event->watched[i] = debug_regs_user(i)->address;
    return event->kind != EVENT_NONE;
}

static bool judge_step(struct vcpu *v, const struct hv_exit *exit, struct debug_event *event)
{
    if (exit->debug.dr6 || v->watch_hits)
        judge_debug(v, exit, event);
    event->kind = EVENT_STEP;
    return true;
}

void judge_raise_breakpoint(struct vcpu *v, const struct hv_exit *exit)
{
    vcpu_raise_soft(v, VECTOR_BP, exit->insn_length ? exit->insn_length : 1);
}

bool judge_sees(struct vcpu *v, const struct hv_exit *exit)
{
    if (exit->kind == HV_EXIT_EXCEPTION)
        exceptions_record(v, exit);
    return catch_find(v, exit) || death_find(v, exit) ||
           (exit->kind == HV_EXIT_CR_WRITE && (catch_of_phase(~0U) || waiting_unarmed())) ||
           (exit->kind == HV_EXIT_TASK_SWITCH && waiting_unarmed()); /* it loads CR3 */
}

static bool judge_breakpoint(struct vcpu *v, const struct hv_exit *exit, struct debug_event *event)
{
    if (!breakpoints_at(v, vcpu_linear_rip(v))) {
        if (judge_caught(v, exit, event))
            return true;
        if (debug.int3_stops) {
            vcpu_skip(v, exit->insn_length ? exit->insn_length : 1);
            event->kind = EVENT_INT3;
            return true;
        }
        judge_raise_breakpoint(v, exit);
        return false;
    }
    event->kind = EVENT_BREAKPOINT;
    return true;
}

bool judge_exit(struct vcpu *v, const struct hv_exit *exit, struct debug_event *event)
{
    *event = (struct debug_event){.kind = EVENT_NONE, .heard = debug.heard, .exit = exit->kind};
    switch (exit->kind) {
    case HV_EXIT_DEBUG:
        return judge_debug(v, exit, event);
    case HV_EXIT_STEP:
        return judge_step(v, exit, event);
    case HV_EXIT_BREAKPOINT:
        return judge_breakpoint(v, exit, event);
    case HV_EXIT_ICEBP:
        if (judge_caught(v, exit, event))
            return true;
        /* A trap: the handler returns behind it, and DR6 stays. */
        vcpu_skip(v, exit->insn_length ? exit->insn_length : 1);
        vcpu_raise(v, VECTOR_DB);
        return false;
    case HV_EXIT_CPUID:
    case HV_EXIT_MSR_READ:
    case HV_EXIT_MSR_WRITE:
    case HV_EXIT_IO:
    case HV_EXIT_CR_WRITE:
    case HV_EXIT_TASK_SWITCH:
    case HV_EXIT_SOFT_INT:
    case HV_EXIT_EXCEPTION:
    case HV_EXIT_HLT:
    case HV_EXIT_INIT: /* else it is noted */
        return judge_caught(v, exit, event);
    case HV_EXIT_STAGE2:
        if (judge_caught(v, exit, event))
            return true;
        event->kind = EVENT_DEATH;
        return true;
    case HV_EXIT_SHUTDOWN:
    case HV_EXIT_INVALID:
    case HV_EXIT_UNKNOWN:
        event->kind = EVENT_DEATH;
        return true;
    case HV_EXIT_NONE:
    case HV_EXIT_NMI:
    case HV_EXIT_MWAIT:
    case HV_EXIT_DR:
    case HV_EXIT_IRET:
    case HV_EXIT_FETCH:
    case HV_EXIT_VIRT_INSN:
    case HV_EXIT_INVD:
    case HV_EXIT_XSETBV:
    case HV_EXIT_BAD_CR:
    case HV_EXIT_KINDS:
        break;
    }
    machine_panic("exit '%s' came up from core", hv_exit_name(exit->kind));
}

/* Those of the hits whose watchpoints are still where they were. */
static unsigned still_set(const struct debug_event *event)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        const struct debug_slot *slot = debug_regs_user(i);
        if ((event->hits & HV_BIT(i)) && slot->used && slot->kind != DEBUG_EXECUTE &&
            slot->address == event->watched[i])
            hits |= (unsigned)HV_BIT(i);
    }
    return hits;
}

/* The same without a Ctrl-C that came besides. */
static bool is_due_itself(struct vcpu *v, const struct debug_event *event, bool old,
                          struct gdb_stop *stop)
{
    unsigned hits = old ? still_set(event) : event->hits;
    uint32_t ranges = watch_ranges_still_set(event->ranges);

    *stop = (struct gdb_stop){.signal = GDB_SIGTRAP, .thread = debug_thread(v)};
    switch (event->kind) {
    case EVENT_NONE:
        return false;
    case EVENT_INTERRUPT:
        stop->signal = GDB_SIGINT;
        return !old;
    case EVENT_BREAKPOINT:
        stop->reason = GDB_STOP_SWBREAK;
        return !old;
    case EVENT_STEP:
    case EVENT_WATCH:
        hits = watch_filter(v, hits);
        if (hits)
            *stop = watch_stop(hits, debug_thread(v));
        else if (ranges)
            *stop = watch_ranges_stop(ranges, debug_thread(v));
        /* gdb knows of no breakpoint there, and would ignore one. */
        if (stop->reason == GDB_STOP_HWBREAK && catch_door_at(vcpu_linear_rip(v)))
            stop->reason = GDB_STOP_PLAIN;
        return hits || ranges || (event->kind == EVENT_STEP && !old);
    case EVENT_CATCH:
    case EVENT_PHASE:
        /* In a step gdb would take SIGTRAP for the step's end, and go on if it wants more. */
        if (debug.cpus[v->number].action == GDB_STEP)
            stop->signal = GDB_SIGINT;
        if (event->kind == EVENT_CATCH && !catch_find(v, &event->seen))
            stop->signal = death_signal(&event->seen);
        return event->kind == EVENT_PHASE ? catch_of_phase(event->hits) != NULL : !old;
    case EVENT_INT3:
    case EVENT_START:
        return true;
    case EVENT_DEATH:
        stop->signal = event->exit == HV_EXIT_SHUTDOWN ? GDB_SIGSEGV : GDB_SIGABRT;
        return true;
    }
    return false;
}

bool judge_is_due(struct vcpu *v, const struct debug_event *event, uint64_t heard,
                  struct gdb_stop *stop)
{
    bool old = event->heard != heard;

    if (is_due_itself(v, event, old, stop))
        return true;
    *stop = (struct gdb_stop){.signal = GDB_SIGINT, .thread = debug_thread(v)};
    return event->interrupted && event->asked == heard;
}
