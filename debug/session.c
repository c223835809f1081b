#include "debug/session.h"

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/debug_regs.h"
#include "core/exec_views.h"
#include "core/ipi.h"
#include "core/machine.h"
#include "core/park.h"
#include "core/run.h"
#include "core/step.h"
#include "debug/breakpoints.h"
#include "debug/catch.h"
#include "debug/conditions.h"
#include "debug/guest_console.h"
#include "debug/line.h"
#include "debug/registers.h"
#include "debug/report.h"
#include "debug/state.h"
#include "debug/steps.h"
#include "debug/traces.h"
#include "debug/waiting.h"
#include "debug/watch.h"
#include "hv/compiler.h"

struct debug_state debug;

static const struct debug_link *link(void)
{
    return debug.config->link;
}

static struct debug_cpu *cpu_of(const struct vcpu *v)
{
    return &debug.cpus[v->number];
}

/* Instead of what v had to tell; a Ctrl-C that it has heard stays. */
static void note(const struct vcpu *v, enum debug_event_kind kind)
{
    struct debug_event *event = &cpu_of(v)->event;

    *event = (struct debug_event){.kind = kind,
                                  .heard = debug.heard,
                                  .interrupted = event->interrupted,
                                  .asked = event->asked};
}

/* Ctrl-C: what v has to tell already is a stop, too. */
static void note_interrupt(const struct vcpu *v)
{
    struct debug_event *event = &cpu_of(v)->event;

    if (event->kind == EVENT_NONE)
        note(v, EVENT_INTERRUPT);
    event->interrupted = true;
    event->asked = debug.heard;
}

/*
 * The instruction under a breakpoint of ours is done with the true byte in place. alone: while all
 * others stand.
 */
static void step_off(struct vcpu *v, gva_t address, bool alone, struct hv_exit *exit)
{
    if (alone) {
        park_gather(v);
        breakpoints_lift(v, address);
    }
    core_step(v, exit);
    if (exit->kind == HV_EXIT_BREAKPOINT) {
        /* Under ours stands the guest's own INT3: the step goes to its handler. */
        judge_raise_breakpoint(v, exit);
        core_step(v, exit);
    }
    breakpoints_drop(v);
    if (alone)
        park_release(v);
}

/*
 * leaving: RIP is still where the user was told of a stop; what stands there is not hit again.
 * False: another CPU holds, nothing was done.
 */
static bool run_once(struct vcpu *v, bool leaving, struct hv_exit *exit)
{
    gva_t rip = vcpu_linear_rip(v);
    bool stepping = cpu_of(v)->action == GDB_STEP || cpu_of(v)->trace_steps;
    bool ready =
        breakpoints_count() && v->event.type == HV_EVENT_NONE; /* to execute what is here */
    bool off = ready && leaving && breakpoints_at(v, rip);
    bool alone = off && !breakpoints_begin_step(v, rip);
    uint64_t own_rf = v->regs.rflags & RFLAGS_RF;

    if (alone && !park_claim(v))
        return false;
    if (leaving && (watch_executes_at(rip) || breakpoints_waits_at(rip)))
        v->regs.rflags |= RFLAGS_RF;
    if (off) {
        step_off(v, rip, alone, exit);
    } else if (stepping && ready && !leaving && breakpoints_hidden_at(v, rip)) {
        *exit = (struct hv_exit){.kind = HV_EXIT_BREAKPOINT};
    } else if (stepping && !v->passing && !(debug.step_flags & STEP_NO_INTERRUPTS)) {
        core_step_interruptible(v, exit);
    } else if (stepping || v->passing) {
        core_step(v, exit);
    } else {
        core_run(v, exit);
    }
    if (!stepping && exit->kind == HV_EXIT_STEP)
        exit->kind = exit->debug.dr6 || v->watch_hits ? HV_EXIT_DEBUG : HV_EXIT_NONE;
    if (leaving && exit->kind == HV_EXIT_NMI && vcpu_linear_rip(v) == rip)
        v->regs.rflags = (v->regs.rflags & ~RFLAGS_RF) | own_rf; /* ours does not show */
    return true;
}

/* A step of those that are counted, or within the range that gdb named: it wants to hear of the
 * last one only. */
static bool is_amid_steps(struct vcpu *v)
{
    struct debug_cpu *cpu = cpu_of(v);
    gva_t rip = vcpu_linear_rip(v);

    if (cpu->event.kind != EVENT_STEP || cpu->event.ranges)
        return false;
    if (steps_count(&cpu->steps, rip))
        return !cpu->event.hits;
    return !cpu->event.hits && rip >= cpu->range_start && rip < cpu->range_end;
}

/* It stays where it is, and what stands there is not hit again. */
static void leave(struct vcpu *v)
{
    struct debug_cpu *cpu = cpu_of(v);

    cpu->leaving = true;
    cpu->caught = false;
    cpu->stopped_at = vcpu_linear_rip(v);
}

/* Events that v itself can tell to need no telling. */
static void settle(struct vcpu *v)
{
    enum debug_event_kind kind = cpu_of(v)->event.kind;

    if (traces_take(v, &cpu_of(v)->event)) {
        note(v, EVENT_NONE);
        if (kind == EVENT_BREAKPOINT)
            leave(v);
    } else if (is_amid_steps(v)) {
        note(v, EVENT_NONE);
    } else if (conditions_deny(v, &cpu_of(v)->event)) {
        note(v, EVENT_NONE);
        leave(v);
    }
}

/* An exit that came up from core. */
static void take_exit(struct vcpu *v, const struct hv_exit *exit)
{
    if (exit->kind == HV_EXIT_NMI)
        line_sort_nmi(v, 0);
    else if (exit->kind != HV_EXIT_NONE && judge_exit(v, exit, &cpu_of(v)->event))
        settle(v);
}

/*
 * Paging has changed: what waits may be memory now. While another CPU holds, which looks by its own
 * paging, it is to be done still.
 */
static void resolve_breakpoints(struct vcpu *v)
{
    cpu_of(v)->looks = waiting_unarmed();
    if (!cpu_of(v)->looks || !park_claim(v))
        return;
    cpu_of(v)->looks = false;
    park_gather(v);
    exec_views_leave(v);
    if (breakpoints_resolve(v))
        debug_update_traps();
    park_release(v);
}

/* v comes to what the user was told of, and does it. */
static void run_caught(struct vcpu *v)
{
    struct debug_cpu *cpu = cpu_of(v);
    gva_t rip = vcpu_linear_rip(v);
    unsigned before = catch_phases(v);
    struct hv_exit exit;

    v->passing = true;
    bool ran = run_once(v, true, &exit);
    if (ran)
        take_exit(v, &exit);
    v->passing = false;
    resolve_breakpoints(v);
    /* A string instruction is caught once. */
    cpu->leaving = !ran || exit.kind == HV_EXIT_NMI || vcpu_linear_rip(v) == rip;
    unsigned begun = catch_phases(v) & ~before;
    if (catch_of_phase(begun)) {
        note(v, EVENT_PHASE);
        cpu->event.hits = begun;
    }
}

static void run(struct vcpu *v)
{
    struct debug_cpu *cpu = cpu_of(v);
    struct hv_exit exit;

    line_open(v);
    death_forget_halt(v);
    cpu->leaving = cpu->leaving && vcpu_linear_rip(v) == cpu->stopped_at;
    if (cpu->leaving && cpu->caught) {
        run_caught(v);
        return;
    }
    if (!run_once(v, cpu->leaving, &exit))
        return;
    /* Anything but an NMI has moved it on, if only to come back. */
    cpu->leaving = cpu->leaving && exit.kind == HV_EXIT_NMI;
    take_exit(v, &exit);
    bool paging = exit.kind == HV_EXIT_CR_WRITE || exit.kind == HV_EXIT_TASK_SWITCH;
    if (paging && cpu->event.kind == EVENT_NONE) {
        /* A phase may begin with it, what waits may be mapped. */
        leave(v);
        cpu->caught = true;
    }
}

/* All CPUs stand: the stub talks until it lets them go. */
static void converse(struct vcpu *v)
{
    while (!debug.resume_asked) {
        line_feed_stub();
        if (debug.reset_asked)
            machine_reset();
        if (debug.power_off_asked && !debug.stub.acks_due) {
            debug.power_off_asked = false;
            machine_power_off(&debug.power);
        }
    }
    registers_flush(v);
    watch_remember(v);
    if (debug.interrupt_asked) /* Ctrl-C came right behind the resume */
        note_interrupt(v);
}

/* The user hears of it, and lets the guest go. */
static void stop_for(struct vcpu *v, const struct debug_event *event, const struct gdb_stop *stop)
{
    guest_console_drain(); /* what the guest said is told before what became of it */
    debug.heard++;
    leave(v);
    /* A halt that was told of is one, not a step. */
    cpu_of(v)->caught = event->kind == EVENT_CATCH && event->seen.kind != HV_EXIT_HLT;
    if (event->kind == EVENT_CATCH || event->kind == EVENT_PHASE ||
        (event->kind == EVENT_WATCH && catch_door_at(vcpu_linear_rip(v))))
        report_catch(v, event);
    if (event->kind == EVENT_CATCH)
        death_told(&event->seen);
    if (event->kind == EVENT_DEATH)
        report_death(v, event->exit);
    if (!link())
        machine_halt();
    debug.resume_asked = debug.interrupt_asked = false;
    gdbstub_stopped(&debug.stub, stop); /* a packet that was kept may let it go */
    converse(v);
    death_goes_on();
    v->noticed = guest_console_due();
}

/* v has something to say. While another CPU holds it waits for its turn. */
static void tell(struct vcpu *v)
{
    struct debug_event event = cpu_of(v)->event;
    bool restarts = event.kind == EVENT_CATCH && event.seen.kind == HV_EXIT_INIT;
    struct gdb_stop stop;

    if (!park_claim(v))
        return;
    park_gather(v);
    exec_views_leave(v);
    if (breakpoints_resolve(v))
        debug_update_traps();
    line_close(v);
    cpu_of(v)->event = (struct debug_event){.kind = EVENT_NONE};
    if (judge_is_due(v, &event, debug.heard, &stop)) {
        if (!event.interrupted && conditions_run_commands(v, &stop)) {
            leave(v);
        } else {
            stop_for(v, &event, &stop);
            cpu_of(v)->restart_told = restarts;
        }
    }
    if (restarts)
        ipi_note_init(v); /* now it comes; or it is told anew, for the user has heard of another */
    park_release(v);
}

/*
 * Bytes came while the guest runs, or its console has some: they disturb nobody unless they ask for
 * a stop.
 */
static void hear(struct vcpu *v)
{
    if (!park_claim(v))
        return;
    if (v->noticed || guest_console_due())
        line_take(v);
    v->noticed = false;
    debug.interrupt_asked = false;
    guest_console_turn();
    if (debug.interrupt_asked)
        note_interrupt(v);
    park_release(v);
}

/* All of v can be looked at by others, who hold, until `until` ends. */
static void stand(struct vcpu *v, void (*until)(struct vcpu *v))
{
    line_close(v);
    exec_views_leave(v);
    vcpu_need(v, REGS_ALL | REGS_PAT);
    registers_keep(v);
    until(v);
    registers_flush(v);
}

/*
 * Not by gdb's will: until an NMI (the line's, the guest's, or a kick, which says that something
 * has changed), an INIT or a start-up.
 */
static void rest(struct vcpu *v)
{
    line_open(v);
    unsigned nmis = hv_backend->wait(v);
    if (nmis)
        line_sort_nmi(v, nmis);
}

/*
 * An INIT that ends the guest has come where nobody looked: v stood, or did what the user was told
 * of. It waits for the user, too; a CPU that gdb holds tells of it when it is let go.
 */
static bool tells_restart(struct vcpu *v)
{
    static const struct hv_exit init = {.kind = HV_EXIT_INIT};
    struct debug_cpu *cpu = cpu_of(v);

    if (!ipi_by_exits() || !ipi_init_noted(v->number) || cpu->restart_told || !death_find(v, &init))
        return false;
    if (cpu->action != GDB_HOLD) {
        note(v, EVENT_CATCH);
        cpu->event.seen = init;
    }
    return true;
}

/* What the guest's CPUs do to each other. */
static void take_ipis(struct vcpu *v)
{
    enum ap_action action;
    uint8_t vector;

    if (tells_restart(v))
        return;
    while ((action = ipi_take(v, &vector)) != AP_NOTHING) {
        switch (action) {
        case AP_RESET:
            exec_views_leave(v);
            vcpu_init(v, cpuid(1, 0).eax);
            hv_backend->reset(v);
            debug_regs_update(v);
            apic_reset();
            note(v, EVENT_NONE);
            cpu_of(v)->restart_told = false;
            break;
        case AP_START:
            vcpu_start(v, vector);
            if (debug.stop_ap)
                note(v, EVENT_START);
            break;
        case AP_TAKE_NMI:
            core_forward_nmi(v);
            break;
        case AP_NOTHING:
            break;
        }
    }
}

void debug_session_cpu(struct vcpu *v)
{
    for (;;) {
        const struct debug_event *event = &cpu_of(v)->event;
        bool held = cpu_of(v)->action == GDB_HOLD;

        if (park_wanted(v))
            stand(v, park_stand);
        else if (event->interrupted || (event->kind != EVENT_NONE && !held))
            tell(v);
        else if (cpu_of(v)->looks)
            resolve_breakpoints(v);
        else if (line_heard(v) || v->noticed)
            hear(v);
        else if (ipi_waits(v->number))
            stand(v, park_rest);
        else if (held)
            rest(v);
        else
            run(v);
        take_ipis(v);
    }
}

static void put(const char *bytes, size_t size)
{
    link()->put(bytes, size);
}

/*
 * The guest has begun, what the user wants to see has not: v runs alone, and nobody is heard on the
 * line.
 */
static void run_to_entry(struct vcpu *v, const struct debug_config *config, struct gdb_stop *stop)
{
    struct debug_event event = {.kind = EVENT_NONE};
    struct gdb_stop reached;
    struct hv_exit exit;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(config->entry); i++)
        watch_insert(GDB_BREAK_HARD, config->entry[i], 1);
    debug_update_traps();
    do {
        core_run(v, &exit);
        if (exit.kind == HV_EXIT_NMI)
            line_sort_nmi(v, 0);
        take_ipis(v);
    } while (exit.kind == HV_EXIT_NMI || exit.kind == HV_EXIT_NONE ||
             !judge_exit(v, &exit, &event));
    judge_is_due(v, &event, debug.heard, &reached);
    watch_remove_all();
    debug_update_traps();
    leave(v);
    if (event.kind == EVENT_DEATH)
        report_death(v, event.exit);
    if (reached.reason != GDB_STOP_HWBREAK)
        *stop = reached;
}

void debug_session_run(struct vcpu *v, const struct debug_config *config)
{
    struct gdb_stop stop = {.signal = GDB_SIGTRAP, .thread = debug_thread(v)};

    park_claim(v); /* it may hold already */
    park_gather(v);
    debug.config = config;
    debug.stop_ap = config->stop_ap;
    debug.stops = DEATH_ALL;
    for (unsigned i = 0; i < HV_MAX_CPUS; i++)
        debug.cpus[i].action = GDB_CONTINUE;
    debug_update_traps();
    if (config->link && config->stop_at_entry && config->entry[0])
        run_to_entry(v, config, &stop);
    if (config->link) {
        baud_init(&debug.baud, config->link->baud());
        traces_init(config->trace, config->trace_size);
        gdbstub_init(&debug.stub, &debug_target, put, &stop);
        if (!config->stop_at_entry)
            debug.stub.running = true;
    }
    if (config->link && config->stop_at_entry)
        converse(v);
    park_release(v);
    debug_session_cpu(v);
}
