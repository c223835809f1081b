/* Questions of gdb's about the stub, the threads and the description of the target. */
#include "gdbstub/internal.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* True when the feature is one of the `;`-separated words of args. */
static bool has_feature(const struct gdb_args *args, const char *feature)
{
    size_t len = strlen(feature);
    const char *word = args->p;

    while (word < args->end) {
        const char *stop = memchr(word, ';', (size_t)(args->end - word));

        if (stop == NULL)
            stop = args->end;
        if ((size_t)(stop - word) == len && memcmp(word, feature, len) == 0)
            return true;
        word = stop == args->end ? stop : stop + 1;
    }
    return false;
}

/*
 * Not offered, and why: QStartNoAckMode (bytes get lost on a serial line), the memory map (gdb
 * would refuse every address outside of it).
 */
bool packet_supported(struct gdbstub *stub, struct gdb_args *args)
{
    if (args_char(args, ':')) {
        stub->swbreak = has_feature(args, "swbreak+");
        stub->hwbreak = has_feature(args, "hwbreak+");
    }
    reply_text(stub, "PacketSize=");
    reply_number(stub, GDBSTUB_PACKET_SIZE);
    reply_text(stub, ";swbreak+;hwbreak+;vContSupported+;qXfer:features:read+;binary-upload+");
    if (stub->target->break_agent != NULL)
        reply_text(stub, ";ConditionalBreakpoints+;BreakpointCommands+");
    if (stub->target->trace != NULL)
        reply_text(stub, ";ConditionalTracepoints+;tracenz+;QTBuffer:size+;TracepointSource+;"
                         "EnableDisableTracepoints+;qXfer:traceframe-info:read+");
    return true;
}

bool packet_current_thread(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args))
        return reply_empty(stub);
    reply_text(stub, "QC");
    reply_number(stub, stub->thread_g);
    return true;
}

/* 1: we found the target running, so that gdb detaches when it quits, and does not kill. */
bool packet_is_attached(struct gdbstub *stub, struct gdb_args *args)
{
    (void)args;
    reply_char(stub, '1');
    return true;
}

/*
 * gdb asks at every stop. With one thread the empty list saves the question for the rest of it:
 * gdb keeps the thread that the stop reply names.
 */
bool packet_first_threads(struct gdbstub *stub, struct gdb_args *args)
{
    unsigned count = stub->target->thread_count();

    if (!args_at_end(args))
        return reply_empty(stub);
    if (count == 1) {
        reply_char(stub, 'l');
        return true;
    }
    for (unsigned thread = 1; thread <= count; thread++) {
        reply_char(stub, thread == 1 ? 'm' : ',');
        reply_number(stub, thread);
    }
    return true;
}

bool packet_more_threads(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args))
        return reply_empty(stub);
    reply_char(stub, 'l');
    return true;
}

/* Never empty: gdb would ask for the same in an older way. */
bool packet_thread_extra_info(struct gdbstub *stub, struct gdb_args *args)
{
    char text[128];
    size_t size;
    int thread;

    if (!args_char(args, ',') || !args_thread(args, &thread) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    if (!gdbstub_has_thread(stub, thread))
        return reply_error(stub, GDB_ESRCH);
    size = stub->target->thread_info((unsigned)thread, text, sizeof(text));
    if (size == 0)
        size = fmt_print(text, sizeof(text), "CPU %d", thread - 1);
    reply_hex(stub, text, HV_MIN(size, sizeof(text)));
    return true;
}

/* gdb offers to look up symbols: there is none we want. */
bool packet_symbol(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_char(args, ':'))
        return reply_error(stub, GDB_EINVAL);
    return reply_ok(stub);
}

/* qXfer:features:read:target.xml:OFFSET,LENGTH: `m` and a part of it, or `l` and the last. */
bool packet_transfer(struct gdbstub *stub, struct gdb_args *args)
{
    struct reply_window window;

    if (stub->target->trace != NULL && args_text(args, ":traceframe-info:read::"))
        return packet_trace_info(stub, args);
    if (!args_text(args, ":features:read:"))
        return reply_empty(stub);
    if (!args_text(args, "target.xml:"))
        return reply_error(stub, GDB_ENOANNEX);
    if (!args_window(args, &window))
        return reply_error(stub, GDB_EINVAL);
    reply_char(stub, 'm');
    reply_piece(stub, &window, stub->target->description());
    return reply_window_end(stub, &window);
}
