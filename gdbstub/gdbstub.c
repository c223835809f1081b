/*
 * The session: which packet is whose, when gdb is there and when the target runs.
 *
 * gdb attaches without a word of its own: the first packet after a detach begins a session, and
 * so does every qSupported, which gdb sends first and only once. That way a gdb whose predecessor
 * vanished amid anything finds a stub without memories.
 */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

void gdbstub_init(struct gdbstub *stub, const struct gdb_target *target, gdbstub_put_fn put,
                  const struct gdb_stop *stop)
{
    memset(stub, 0, sizeof(*stub));
    stub->target = target;
    stub->put = put;
    stub->stop = *stop;
    stub->thread_g = stop->thread;
}

bool gdbstub_has_thread(const struct gdbstub *stub, int thread)
{
    return thread > 0 && (unsigned)thread <= stub->target->thread_count();
}

static void begin_session(struct gdbstub *stub)
{
    stub->attached = true;
    stub->swbreak = false;
    stub->hwbreak = false;
    stub->stop_due = false;
    stub->file_open = false;
    stub->frame_chosen = false;
    stub->thread_g = stub->stop.thread;
    stub->thread_c = GDB_THREAD_ANY;
    /* A breakpoint that the session before had set is none of this one's. */
    stub->stop.reason = GDB_STOP_PLAIN;
    stub->target->attached();
}

/*
 * By name; what is not here gets the empty reply that says "not supported". `word`: the name ends
 * there or at one of : ; , (else anything may follow directly, as in `m1000,4`).
 */
static const struct {
    const char *name;
    bool word;
    gdb_packet_fn answer;
} packets[] = {
    {"?", false, packet_why},
    {"g", true, packet_read_registers},
    {"G", false, packet_write_registers},
    {"p", false, packet_read_register},
    {"P", false, packet_write_register},
    {"m", false, packet_read_memory},
    {"M", false, packet_write_memory_hex},
    {"X", false, packet_write_memory},
    {"x", false, packet_read_binary},
    {"c", false, packet_continue},
    {"C", false, packet_continue_signal},
    {"s", false, packet_step},
    {"S", false, packet_step_signal},
    {"vCont?", true, packet_vcont_query},
    {"vCont", true, packet_vcont},
    {"vKill", true, packet_vkill},
    {"vFile", true, packet_file},
    {"Z", false, packet_insert_break},
    {"z", false, packet_remove_break},
    {"H", false, packet_select_thread},
    {"T", false, packet_thread_alive},
    {"D", true, packet_detach},
    {"k", true, packet_kill},
    {"R", false, packet_restart},
    {"qSupported", true, packet_supported},
    {"qC", true, packet_current_thread},
    {"qAttached", true, packet_is_attached},
    {"qfThreadInfo", true, packet_first_threads},
    {"qsThreadInfo", true, packet_more_threads},
    {"qThreadExtraInfo", true, packet_thread_extra_info},
    {"qqemu.Supported", true, packet_qemu_supported},
    {"qqemu.PhyMemMode", true, packet_memory_mode},
    {"Qqemu.PhyMemMode", true, packet_set_memory_mode},
    {"QT", false, packet_trace_set},
    {"qT", false, packet_trace_ask},
    {"qSymbol", true, packet_symbol},
    {"qXfer", true, packet_transfer},
    {"qqemu.sstepbits", true, packet_step_bits},
    {"qqemu.sstep", true, packet_step_flags},
    {"Qqemu.sstep=", false, packet_set_step_flags},
    {"qRcmd", true, packet_monitor},
    {"qCRC", true, packet_checksum},
    {"qSearch", true, packet_search_memory},
};

static bool is_named(const struct gdbstub *stub, const char *name, bool word)
{
    size_t len = strlen(name);

    if (stub->in_len < len || memcmp(stub->in, name, len) != 0)
        return false;
    return !word || stub->in_len == len || memchr(":;,", stub->in[len], 3) != NULL;
}

static bool answer(struct gdbstub *stub)
{
    for (size_t i = 0; i < HV_ARRAY_SIZE(packets); i++) {
        if (is_named(stub, packets[i].name, packets[i].word)) {
            struct gdb_args args = {stub->in + strlen(packets[i].name), stub->in + stub->in_len};

            return packets[i].answer(stub, &args);
        }
    }
    return reply_empty(stub);
}

/* '}' and a byte stand for that byte with bit 5 turned. False when the byte is missing. */
static bool unescape(struct gdbstub *stub)
{
    size_t len = 0;

    for (size_t i = 0; i < stub->in_len; i++) {
        char c = stub->in[i];

        if (c == '}') {
            if (++i == stub->in_len)
                return false;
            c = (char)(stub->in[i] ^ 0x20);
        }
        stub->in[len++] = c;
    }
    stub->in_len = len;
    return true;
}

/* The protocol once had `$NN:packet#`, which a stub "must not accept". */
static bool has_sequence_id(const struct gdbstub *stub)
{
    return stub->in_len >= 3 && stub->in[2] == ':' && hex_value(stub->in[0]) >= 0 &&
           hex_value(stub->in[1]) >= 0;
}

void gdbstub_packet(struct gdbstub *stub)
{
    bool send = true;

    stub->kept = false;
    stub->out_len = 0;
    if (stub->overflow) {
        reply_error(stub, GDB_EMSGSIZE);
    } else if (!unescape(stub) || has_sequence_id(stub)) {
        reply_error(stub, GDB_EINVAL);
    } else {
        if (!stub->attached || is_named(stub, "qSupported", true))
            begin_session(stub);
        send = answer(stub);
    }
    if (send)
        gdbstub_send(stub);
}

void gdbstub_packet_while_running(struct gdbstub *stub)
{
    /* The same gdb once more, for our '+' got lost: it is running already. */
    if (stub->stop_due &&
        (is_named(stub, "vCont", true) || is_named(stub, "c", false) ||
         is_named(stub, "s", false) || is_named(stub, "C", false) || is_named(stub, "S", false)))
        return;
    stub->stop_due = false;
    stub->kept = true;
    stub->target->interrupt();
}

void gdbstub_stopped(struct gdbstub *stub, const struct gdb_stop *stop)
{
    if (stub->target == NULL)
        return;
    stub->running = false;
    stub->stop = *stop;
    stub->thread_g = stop->thread;
    if (stub->kept) {
        gdbstub_packet(stub);
    } else if (stub->stop_due) {
        stub->stop_due = false;
        stub->out_len = 0;
        reply_stop(stub);
        gdbstub_send(stub);
    }
}
