/* m, M, X, Z, z: memory and what watches it, by the linear addresses of the thread Hg chose. */
#include "gdbstub/internal.h"
#include "lib/hex.h"

/* m: as much as is mapped and fits in a reply; an error when that is nothing. */
bool packet_read_memory(struct gdbstub *stub, struct gdb_args *args)
{
    enum { MOST = GDBSTUB_PACKET_SIZE / 2 };
    uint64_t length;
    gva_t address;
    char *raw;
    size_t done;

    if (!args_range(args, &address, &length) || !args_at_end(args) || length == 0)
        return reply_error(stub, GDB_EINVAL);
    length = clip_range(address, HV_MIN(length, MOST));
    /* The bytes are read to where the last of their digits will be: hex_encode() allows it. */
    raw = stub->out + length;
    done = gdbstub_read(stub, address, raw, length);
    if (done == 0)
        return reply_error(stub, GDB_EFAULT);
    stub->out_len = hex_encode(stub->out, raw, HV_MIN(done, length));
    return true;
}

static bool write_memory(struct gdbstub *stub, gva_t address, const char *data, size_t length)
{
    size_t done = 0;

    if (length == 0)
        return reply_ok(stub);
    if (clip_range(address, length) == length)
        done = stub->target->mem_write(stub->thread_g, address, data, length);
    return done == length ? reply_ok(stub) : reply_error(stub, GDB_EFAULT);
}

bool packet_write_memory_hex(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t length;
    gva_t address;

    if (!args_range(args, &address, &length) || !args_char(args, ':') || args_left(args) % 2 != 0 ||
        args_left(args) / 2 != length || !hex_decode(args->p, args->p, length))
        return reply_error(stub, GDB_EINVAL);
    return write_memory(stub, address, args->p, length);
}

/* Packets of QEMU's: `maintenance packet Qqemu.PhyMemMode:1`, and memory is physical. */
bool packet_qemu_supported(struct gdbstub *stub, struct gdb_args *args)
{
    if (args_at_end(args) && stub->target->set_physical)
        reply_text(stub, "PhyMemMode");
    return true;
}

bool packet_memory_mode(struct gdbstub *stub, struct gdb_args *args)
{
    if (args_at_end(args) && stub->target->is_physical)
        reply_char(stub, stub->target->is_physical() ? '1' : '0');
    return true;
}

bool packet_set_memory_mode(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t on;

    if (!stub->target->set_physical)
        return reply_empty(stub);
    if (!args_char(args, ':') || !args_number(args, &on) || !args_at_end(args) || on > 1)
        return reply_error(stub, GDB_EINVAL);
    stub->target->set_physical(on);
    return reply_ok(stub);
}

/* X: with length 0 it is gdb's question whether there is an X. */
bool packet_write_memory(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t length;
    gva_t address;

    if (!args_range(args, &address, &length) || !args_char(args, ':') || args_left(args) != length)
        return reply_error(stub, GDB_EINVAL);
    return write_memory(stub, address, args->p, length);
}

/* An x86 breakpoint has kind 1; a watchpoint's kind is its size, of which the target judges. */
static bool is_kind(enum gdb_break_type type, uint64_t kind)
{
    if (type == GDB_BREAK_SOFT || type == GDB_BREAK_HARD)
        return kind == 1;
    return kind != 0;
}

/* What Z and z begin with: `TYPE,ADDRESS,KIND`. */
struct break_args {
    enum gdb_break_type type;
    gva_t address;
    uint64_t kind;
};

/* False, with what to answer in out[], when there is nothing to do. */
static bool parse_break(struct gdbstub *stub, struct gdb_args *args, struct break_args *b)
{
    uint64_t type;

    if (!args_number(args, &type) || !args_char(args, ',')) {
        reply_error(stub, GDB_EINVAL);
        return false;
    }
    if (type > GDB_WATCH_ACCESS) {
        reply_empty(stub);
        return false;
    }
    b->type = (enum gdb_break_type)type;
    if (!args_range(args, &b->address, &b->kind) || !is_kind(b->type, b->kind)) {
        reply_error(stub, GDB_EINVAL);
        return false;
    }
    return true;
}

/*
 * `X LENGTH,CODE`, once or more: decoded to where *to is, each behind its length in two bytes.
 * That is never longer than the text.
 */
static bool parse_expressions(struct gdb_args *args, uint8_t **to)
{
    do {
        uint64_t length;

        if (!args_char(args, 'X') || !args_number(args, &length) || !args_char(args, ',') ||
            length == 0 || length > args_left(args) / 2)
            return false;
        if (!hex_decode(*to + 2, args->p, length))
            return false;
        (*to)[0] = (uint8_t)length;
        (*to)[1] = (uint8_t)(length >> 8);
        *to += 2 + length;
        args->p += 2 * length;
    } while (!args_at_end(args) && *args->p != ';');
    return true;
}

/* `;X...` conditions, then `;cmds:PERSIST,X...` commands; each may be missing. */
static bool parse_agent(struct gdb_args *args, struct gdb_break_agent *agent)
{
    uint8_t *to = (uint8_t *)args->p;
    uint64_t persist;

    *agent = (struct gdb_break_agent){.conditions = to};
    if (args_at_end(args))
        return true;
    if (!args_char(args, ';'))
        return false;
    if (!args_text(args, "cmds:")) {
        if (!parse_expressions(args, &to))
            return false;
        agent->conditions_size = (size_t)(to - agent->conditions);
        if (args_at_end(args))
            return true;
        if (!args_text(args, ";cmds:"))
            return false;
    }
    agent->commands = to;
    /* Whether they are to stay when gdb goes: nothing does. */
    if (!args_number(args, &persist) || !args_char(args, ',') || !parse_expressions(args, &to))
        return false;
    agent->commands_size = (size_t)(to - agent->commands);
    return args_at_end(args);
}

/*
 * What the packet carries is done with the breakpoint or not at all: without its condition it would
 * be a wrong one (BP-20).
 */
bool packet_insert_break(struct gdbstub *stub, struct gdb_args *args)
{
    const struct gdb_target *target = stub->target;
    struct gdb_break_agent agent;
    struct break_args b;
    enum hv_status status;

    if (!parse_break(stub, args, &b))
        return true;
    if (!args_at_end(args) && *args->p == ';' &&
        (target->break_agent == NULL || b.type > GDB_BREAK_HARD))
        return reply_empty(stub);
    if (!parse_agent(args, &agent))
        return reply_error(stub, GDB_EINVAL);
    status = target->break_insert(b.type, b.address, b.kind);
    if (status == HV_OK && target->break_agent != NULL && b.type <= GDB_BREAK_HARD) {
        status = target->break_agent(b.type, b.address, &agent);
        if (status != HV_OK)
            target->break_remove(b.type, b.address, b.kind);
    }
    return reply_status(stub, status);
}

bool packet_remove_break(struct gdbstub *stub, struct gdb_args *args)
{
    struct break_args b;

    if (!parse_break(stub, args, &b))
        return true;
    if (!args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    return reply_status(stub, stub->target->break_remove(b.type, b.address, b.kind));
}
