/*
 * vCont, c, C, s, S: letting the target go. A signal that comes with it is accepted and ignored,
 * for a CPU has none. Each of these has exactly one stop reply, later, by gdbstub_stopped().
 */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

static void resume(struct gdbstub *stub)
{
    stub->frame_chosen = false;
    stub->running = true;
    stub->stop_due = true;
    stub->target->resume();
}

/* `SIGNAL`: two digits. */
static bool skip_signal(struct gdb_args *args)
{
    uint8_t signal;

    if (args_left(args) < 2 || !hex_decode(&signal, args->p, 1))
        return false;
    args->p += 2;
    return true;
}

/*
 * c and s, without their signal, args at the address if there is one. With a thread chosen by Hc
 * only that one moves; else all do, and s steps the one that Hg chose.
 */
static bool resume_old(struct gdbstub *stub, struct gdb_args *args, enum gdb_action action)
{
    unsigned thread = stub->thread_c != GDB_THREAD_ANY ? stub->thread_c : stub->thread_g;
    uint64_t pc;

    if (!args_at_end(args)) {
        if (!args_number(args, &pc) || !args_at_end(args))
            return reply_error(stub, GDB_EINVAL);
        stub->target->set_pc(thread, pc);
    }
    stub->target->resume_begin(stub->thread_c != GDB_THREAD_ANY ? GDB_HOLD : GDB_CONTINUE);
    if (stub->thread_c != GDB_THREAD_ANY || action != GDB_CONTINUE)
        stub->target->resume_thread(thread, action);
    resume(stub);
    return false;
}

static bool resume_signal(struct gdbstub *stub, struct gdb_args *args, enum gdb_action action)
{
    if (!skip_signal(args) || (!args_at_end(args) && !args_char(args, ';')))
        return reply_error(stub, GDB_EINVAL);
    return resume_old(stub, args, action);
}

bool packet_continue(struct gdbstub *stub, struct gdb_args *args)
{
    return resume_old(stub, args, GDB_CONTINUE);
}

bool packet_continue_signal(struct gdbstub *stub, struct gdb_args *args)
{
    return resume_signal(stub, args, GDB_CONTINUE);
}

bool packet_step(struct gdbstub *stub, struct gdb_args *args)
{
    return resume_old(stub, args, GDB_STEP);
}

bool packet_step_signal(struct gdbstub *stub, struct gdb_args *args)
{
    return resume_signal(stub, args, GDB_STEP);
}

bool packet_vcont_query(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args))
        return reply_empty(stub);
    reply_text(stub, "vCont;c;C;s;S");
    if (stub->target->resume_range != NULL)
        reply_text(stub, ";r");
    return true;
}

struct action {
    enum gdb_action what;
    gva_t start, end; /* GDB_STEP: and again while the pc is in there */
};

/* What a vCont says, for each thread. */
struct plan {
    bool said[HV_MAX_CPUS + 1]; /* by thread, which are numbered from 1 */
    struct action action[HV_MAX_CPUS + 1];
    bool others_said;
    struct action others;
};

/* `c`, `s`, `CSS`, `SSS`, `rSTART,END`. */
static bool parse_action(const struct gdbstub *stub, struct gdb_args *args, struct action *action)
{
    *action = (struct action){.what = GDB_STEP};
    if (args_char(args, 's'))
        return true;
    if (args_char(args, 'S'))
        return skip_signal(args);
    if (args_char(args, 'r'))
        return stub->target->resume_range != NULL &&
               args_range(args, &action->start, &action->end) && action->start <= action->end;
    action->what = GDB_CONTINUE;
    return args_char(args, 'c') || (args_char(args, 'C') && skip_signal(args));
}

/* Of several actions that fit a thread the leftmost counts. */
static void note_action(struct plan *plan, const struct gdbstub *stub, int thread,
                        const struct action *action)
{
    if (plan->others_said)
        return;
    if (thread == GDB_THREAD_ALL) {
        plan->others_said = true;
        plan->others = *action;
        return;
    }
    if (thread == GDB_THREAD_ANY)
        thread = (int)stub->stop.thread;
    if (!plan->said[thread]) {
        plan->said[thread] = true;
        plan->action[thread] = *action;
    }
}

/* `;ACTION[:THREAD]`, once or more. Returns 0 or an error. */
static int parse_plan(struct plan *plan, const struct gdbstub *stub, struct gdb_args *args)
{
    do {
        struct action action;
        int thread = GDB_THREAD_ALL;

        if (!args_char(args, ';') || !parse_action(stub, args, &action))
            return GDB_EINVAL;
        if (args_char(args, ':') && !args_thread(args, &thread))
            return GDB_EINVAL;
        if (thread > 0 && (!gdbstub_has_thread(stub, thread) || thread > HV_MAX_CPUS))
            return GDB_ESRCH;
        note_action(plan, stub, thread, &action);
    } while (!args_at_end(args));
    return 0;
}

/* Threads that no action fits stay as they are, that is stopped. */
bool packet_vcont(struct gdbstub *stub, struct gdb_args *args)
{
    const struct gdb_target *target = stub->target;
    struct plan plan;
    int error;

    memset(&plan, 0, sizeof(plan));
    plan.others.what = GDB_HOLD;
    error = parse_plan(&plan, stub, args);
    if (error != 0)
        return reply_error(stub, (enum gdb_error)error);
    target->resume_begin(plan.others.what);
    for (int thread = 1; gdbstub_has_thread(stub, thread) && thread <= HV_MAX_CPUS; thread++) {
        const struct action *action = plan.said[thread] ? &plan.action[thread] : &plan.others;

        if (action->what != plan.others.what)
            target->resume_thread((unsigned)thread, action->what);
        if (action->start < action->end)
            target->resume_range((unsigned)thread, action->start, action->end);
    }
    resume(stub);
    return false;
}

enum { STEP_BITS = 7 };

/* QEMU's way to say how steps are made, as its users' editors send it. */
bool packet_step_bits(struct gdbstub *stub, struct gdb_args *args)
{
    if (stub->target->step_flags == NULL || !args_at_end(args))
        return reply_empty(stub);
    reply_text(stub, "ENABLE=1,NOIRQ=2,NOTIMER=4");
    return true;
}

bool packet_step_flags(struct gdbstub *stub, struct gdb_args *args)
{
    if (stub->target->step_flags == NULL || !args_at_end(args))
        return reply_empty(stub);
    reply_text(stub, "0x");
    reply_number(stub, stub->target->step_flags());
    return true;
}

bool packet_set_step_flags(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t flags;

    if (stub->target->set_step_flags == NULL)
        return reply_empty(stub);
    args_text(args, "0x");
    if (!args_number(args, &flags) || !args_at_end(args) || flags > STEP_BITS)
        return reply_error(stub, GDB_EINVAL);
    stub->target->set_step_flags((unsigned)flags);
    return reply_ok(stub);
}
