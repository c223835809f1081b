#include "debug/session.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/machine.h"
#include "core/run.h"
#include "core/step.h"
#include "debug/breakpoints.h"
#include "debug/registers.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/log.h"
#include "lib/string.h"

struct debug_state debug;

enum verdict { RESUME, STOP };

static const struct debug_link *link(void)
{
    return debug.config->link;
}

/* What has come over the line goes to the stub; a BREAK is a Ctrl-C. */
static void feed_stub(void)
{
    int byte;

    link()->poll();
    while ((byte = link()->get()) != LINK_EMPTY) {
        if (byte == LINK_BREAK)
            debug.interrupt_asked = true;
        else
            gdbstub_receive(&debug.stub, (uint8_t)byte);
    }
}

/* A byte that came behind the exit has raised an NMI, which the guest would get later. */
static void quiet_line(void)
{
    if (link() && link()->hush())
        hv_backend->take_nmi();
}

/*
 * An NMI is ours when the line has something; then the order is: its interrupt off, its receiver
 * emptied (both by interrupted()), talk, take the pending NMI, its interrupt on. Else it is the
 * guest's.
 */
static enum verdict judge_nmi(struct vcpu *v, struct gdb_stop *stop)
{
    if (!link() || !link()->interrupted()) {
        hv_backend->take_nmi();
        core_forward_nmi(v);
        if (link())
            link()->listen();
        return RESUME;
    }
    feed_stub();
    hv_backend->take_nmi();
    if (debug.interrupt_asked) {
        *stop = (struct gdb_stop){.signal = GDB_SIGINT, .thread = debug_thread(v)};
        return STOP;
    }
    link()->listen();
    return RESUME;
}

/* The guest's part of a #DB: its DR6 says what it would have said without us. */
static void raise_debug(struct vcpu *v, uint64_t causes)
{
    v->debug_regs.dr6 = (v->debug_regs.dr6 & ~0xfULL) | causes;
    if (v->debug_regs.dr7 & DR7_GD) {
        v->debug_regs.dr7 &= ~DR7_GD; /* the processor clears it on delivery */
        debug_regs_update(v);
    }
    vcpu_raise(v, VECTOR_DB);
}

static enum verdict judge_debug(struct vcpu *v, const struct hv_exit *exit, struct gdb_stop *stop)
{
    unsigned hits = debug_regs_user_hits(v, exit->debug.dr6);
    uint64_t guests = debug_regs_guest_hits(v, exit->debug.dr6);

    if (guests || !hits)
        raise_debug(v, guests);
    hits = watch_filter(v, hits);
    if (!hits)
        return RESUME;
    *stop = watch_stop(hits, debug_thread(v));
    return STOP;
}

static enum verdict judge_step(struct vcpu *v, const struct hv_exit *exit, struct gdb_stop *stop)
{
    *stop = (struct gdb_stop){.signal = GDB_SIGTRAP, .thread = debug_thread(v)};
    if (exit->debug.dr6)
        judge_debug(v, exit, stop);
    return STOP;
}

/* An INT3 of the guest's own. */
static void raise_breakpoint(struct vcpu *v, const struct hv_exit *exit)
{
    v->event = (struct hv_event){.type = HV_EVENT_SOFT,
                                 .vector = VECTOR_BP,
                                 .insn_length = exit->insn_length ? exit->insn_length : 1};
}

static enum verdict judge_breakpoint(struct vcpu *v, const struct hv_exit *exit,
                                     struct gdb_stop *stop)
{
    if (!breakpoints_at(v, vcpu_linear_rip(v))) {
        raise_breakpoint(v, exit);
        return RESUME;
    }
    *stop = (struct gdb_stop){
        .signal = GDB_SIGTRAP, .reason = GDB_STOP_SWBREAK, .thread = debug_thread(v)};
    return STOP;
}

/* On the console; for gdb; and in plain text on the line when no gdb is there to hide it. */
static void report_line(const char *text)
{
    log_print("%s", text);
    if (debug.attached) {
        gdbstub_console(&debug.stub, text, strlen(text));
        gdbstub_console(&debug.stub, "\n", 1);
    } else if (link()) {
        link()->put(text, strlen(text));
        link()->put("\r\n", 2);
    }
}

/* Something that no guest comes back from: said in words, then the user looks at it. */
static enum verdict judge_death(struct vcpu *v, const struct hv_exit *exit, struct gdb_stop *stop)
{
    char text[160];

    quiet_line(); /* what gdb answers now is no NMI that the guest would get later */
    fmt_print(text, sizeof(text), "gdbvisor: the guest's CPU %u stopped: %s at %llx (%s)",
              v->number, exit->kind == HV_EXIT_SHUTDOWN ? "triple fault" : hv_exit_name(exit->kind),
              (unsigned long long)vcpu_linear_rip(v), vcpu_mode_name(v));
    report_line(text);
    hv_backend->dump(v, report_line);
    *stop = (struct gdb_stop){.signal = exit->kind == HV_EXIT_SHUTDOWN ? GDB_SIGSEGV : GDB_SIGABRT,
                              .thread = debug_thread(v)};
    return STOP;
}

static enum verdict judge(struct vcpu *v, const struct hv_exit *exit, struct gdb_stop *stop)
{
    switch (exit->kind) {
    case HV_EXIT_NMI:
        return judge_nmi(v, stop);
    case HV_EXIT_DEBUG:
        return judge_debug(v, exit, stop);
    case HV_EXIT_STEP:
        return judge_step(v, exit, stop);
    case HV_EXIT_BREAKPOINT:
        return judge_breakpoint(v, exit, stop);
    case HV_EXIT_ICEBP: /* a trap: the handler returns behind it, and DR6 stays */
        vcpu_skip(v, exit->insn_length ? exit->insn_length : 1);
        vcpu_raise(v, VECTOR_DB);
        return RESUME;
    case HV_EXIT_SHUTDOWN:
    case HV_EXIT_STAGE2:
    case HV_EXIT_INVALID:
    case HV_EXIT_UNKNOWN:
        return judge_death(v, exit, stop);
    case HV_EXIT_NONE:
    case HV_EXIT_SOFT_INT:
    case HV_EXIT_EXCEPTION:
    case HV_EXIT_CPUID:
    case HV_EXIT_MSR_READ:
    case HV_EXIT_MSR_WRITE:
    case HV_EXIT_IO:
    case HV_EXIT_HLT:
    case HV_EXIT_MWAIT:
    case HV_EXIT_DR:
    case HV_EXIT_IRET:
    case HV_EXIT_FETCH:
    case HV_EXIT_VIRT_INSN:
    case HV_EXIT_TASK_SWITCH:
    case HV_EXIT_INVD:
    case HV_EXIT_XSETBV:
    case HV_EXIT_BAD_CR:
    case HV_EXIT_KINDS:
        break;
    }
    machine_panic("exit '%s' came up from core", hv_exit_name(exit->kind));
}

/* The instruction under a breakpoint of ours is done with the true byte in place. */
static void step_off(struct vcpu *v, gva_t address, struct hv_exit *exit)
{
    breakpoints_lift(v, address);
    core_step(v, exit);
    if (exit->kind == HV_EXIT_BREAKPOINT) {
        /* Under ours stands the guest's own INT3: the step goes to its handler. */
        raise_breakpoint(v, exit);
        core_step(v, exit);
    }
    breakpoints_drop(v);
}

/* leaving: RIP is still where the user was told of a stop; what stands there is not hit again. */
static void run_once(struct vcpu *v, bool leaving, struct hv_exit *exit)
{
    gva_t rip = vcpu_linear_rip(v);
    bool stepping = debug.action[v->number] == GDB_STEP;
    bool on_breakpoint = leaving && breakpoints_count() && breakpoints_at(v, rip);
    uint64_t own_rf = v->regs.rflags & RFLAGS_RF;

    if (leaving && watch_executes_at(rip))
        v->regs.rflags |= RFLAGS_RF;
    if (on_breakpoint && v->event.type == HV_EVENT_NONE) {
        step_off(v, rip, exit);
        if (!stepping && exit->kind == HV_EXIT_STEP)
            exit->kind = exit->debug.dr6 ? HV_EXIT_DEBUG : HV_EXIT_NONE;
    } else if (stepping) {
        core_step(v, exit);
    } else {
        core_run(v, exit);
    }
    if (leaving && exit->kind == HV_EXIT_NMI && vcpu_linear_rip(v) == rip)
        v->regs.rflags = (v->regs.rflags & ~RFLAGS_RF) | own_rf; /* ours does not show */
}

/* Runs until there is something to tell. deaf: the line cannot break in. */
static void run_to_stop(struct vcpu *v, bool deaf, struct gdb_stop *stop)
{
    gva_t stopped_at = debug.stopped_at[v->number];
    bool leaving = debug.stopped[v->number];
    struct hv_exit exit;

    if (debug.interrupt_asked) { /* Ctrl-C came right behind the resume */
        *stop = (struct gdb_stop){.signal = GDB_SIGINT, .thread = debug_thread(v)};
        return;
    }
    registers_flush();
    watch_remember(v);
    if (link() && !deaf)
        link()->listen();
    do {
        leaving = leaving && vcpu_linear_rip(v) == stopped_at;
        run_once(v, leaving, &exit);
        /* Anything but an NMI in between has moved it on, if only to come back. */
        leaving = leaving && exit.kind == HV_EXIT_NMI;
    } while (exit.kind == HV_EXIT_NONE || judge(v, &exit, stop) == RESUME);
    quiet_line();
    debug.stopped_at[v->number] = vcpu_linear_rip(v);
    debug.stopped[v->number] = true;
}

/* The guest is stopped: the stub talks until it lets it go. */
static void converse(void)
{
    debug.resume_asked = debug.interrupt_asked = false;
    while (!debug.resume_asked) {
        feed_stub();
        if (debug.reset_asked)
            machine_reset();
    }
}

static void put(const char *bytes, size_t size)
{
    link()->put(bytes, size);
}

/* The guest has begun, what the user wants to see has not. */
static void run_to_entry(struct vcpu *v, const struct debug_config *config, struct gdb_stop *stop)
{
    struct gdb_stop reached;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(config->entry); i++)
        watch_insert(GDB_BREAK_HARD, config->entry[i], 1);
    debug_update_traps();
    run_to_stop(v, true, &reached);
    watch_remove_all();
    debug_update_traps();
    if (reached.reason != GDB_STOP_HWBREAK)
        *stop = reached;
}

void debug_session_run(struct vcpu *v, const struct debug_config *config)
{
    struct gdb_stop stop = {.signal = GDB_SIGTRAP, .thread = debug_thread(v)};

    debug.config = config;
    debug_update_traps();
    if (config->link && config->stop_at_entry && config->entry[0])
        run_to_entry(v, config, &stop);
    if (config->link) {
        gdbstub_init(&debug.stub, &debug_target, put, &stop);
        if (!config->stop_at_entry)
            debug.stub.running = true;
    }
    if (config->link && config->stop_at_entry)
        converse();
    for (;;) {
        run_to_stop(v, false, &stop);
        if (!config->link)
            machine_halt();
        gdbstub_stopped(&debug.stub, &stop);
        converse();
    }
}
