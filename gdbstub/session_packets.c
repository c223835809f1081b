/* The packets about the session itself: why the target stands, which thread, and gdb's leaving. */
#include "gdbstub/internal.h"
#include "lib/hex.h"

static void let_go(struct gdbstub *stub, void (*how)(void))
{
    stub->attached = false;
    stub->running = true;
    stub->stop_due = false;
    how();
}

static void reply_stop_reason(struct gdbstub *stub)
{
    const char *watch;

    switch (stub->stop.reason) {
    case GDB_STOP_PLAIN:
        return;
    case GDB_STOP_SWBREAK:
        if (stub->swbreak)
            reply_text(stub, "swbreak:;");
        return;
    case GDB_STOP_HWBREAK:
        if (stub->hwbreak)
            reply_text(stub, "hwbreak:;");
        return;
    case GDB_STOP_WATCH:
        watch = "watch:";
        break;
    case GDB_STOP_RWATCH:
        watch = "rwatch:";
        break;
    case GDB_STOP_AWATCH:
        watch = "awatch:";
        break;
    default:
        return;
    }
    reply_text(stub, watch);
    reply_number(stub, stub->stop.data_address);
    reply_char(stub, ';');
}

void reply_stop(struct gdbstub *stub)
{
    const struct gdb_target *target = stub->target;

    reply_char(stub, 'T');
    reply_hex(stub, &stub->stop.signal, 1);
    reply_stop_reason(stub);
    for (unsigned i = 0; i < target->expedited_count; i++) {
        unsigned number = target->expedited[i];
        uint8_t value[GDB_REGISTER_MAX];

        /* gdb takes no 'x' digits here. */
        if (!target->reg_read(stub->stop.thread, number, value))
            continue;
        reply_number(stub, number);
        reply_char(stub, ':');
        reply_hex(stub, value, target->reg_size(number));
        reply_char(stub, ';');
    }
    reply_text(stub, "thread:");
    reply_number(stub, stub->stop.thread);
    reply_char(stub, ';');
}

/* ?: why the target is stopped. Changes nothing (BP-11). */
bool packet_why(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args))
        return reply_empty(stub);
    reply_stop(stub);
    return true;
}

/* Hg and Hc: the thread for what follows. */
bool packet_select_thread(struct gdbstub *stub, struct gdb_args *args)
{
    bool general = args_char(args, 'g');
    int thread;

    if (!general && !args_char(args, 'c'))
        return reply_error(stub, GDB_EINVAL);
    if (!args_thread(args, &thread) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    if (thread > 0 && !gdbstub_has_thread(stub, thread))
        return reply_error(stub, GDB_ESRCH);
    if (general)
        stub->thread_g = thread > 0 ? (unsigned)thread : stub->stop.thread;
    else
        stub->thread_c = thread > 0 ? (unsigned)thread : GDB_THREAD_ANY;
    return reply_ok(stub);
}

/* T: is the thread alive? */
bool packet_thread_alive(struct gdbstub *stub, struct gdb_args *args)
{
    int thread;

    if (!args_thread(args, &thread) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    if (!gdbstub_has_thread(stub, thread))
        return reply_error(stub, GDB_ESRCH);
    return reply_ok(stub);
}

/* What may follow D and vKill: a process id, of which we have but one. */
static bool skip_process(struct gdb_args *args)
{
    uint64_t process;

    return args_char(args, ';') && args_number(args, &process) && args_at_end(args);
}

/* D: gdb goes, the target goes on. */
bool packet_detach(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args) && !skip_process(args))
        return reply_error(stub, GDB_EINVAL);
    reply_ok(stub);
    gdbstub_send(stub);
    let_go(stub, stub->target->detach);
    return false;
}

static void kill_target(struct gdbstub *stub)
{
    let_go(stub, stub->target->kill != NULL ? stub->target->kill : stub->target->detach);
}

/* k: as D, for a machine cannot be killed; without a reply. */
bool packet_kill(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args))
        return reply_empty(stub);
    kill_target(stub);
    return false;
}

/* vKill: the same, with a reply. */
bool packet_vkill(struct gdbstub *stub, struct gdb_args *args)
{
    if (!skip_process(args))
        return reply_error(stub, GDB_EINVAL);
    reply_ok(stub);
    gdbstub_send(stub);
    kill_target(stub);
    return false;
}

/* R: two digits follow that mean nothing; no reply. */
bool packet_restart(struct gdbstub *stub, struct gdb_args *args)
{
    uint8_t ignored;

    if (stub->target->restart == NULL || args_left(args) > 2)
        return reply_empty(stub);
    if (!args_at_end(args) && (args_left(args) != 2 || !hex_decode(&ignored, args->p, 1)))
        return reply_empty(stub);
    stub->target->restart();
    return false;
}
