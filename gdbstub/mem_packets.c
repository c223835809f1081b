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
    done = stub->target->mem_read(stub->thread_g, address, raw, length);
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

/* X: with length 0 it is gdb's question whether there is an X. */
bool packet_write_memory(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t length;
    gva_t address;

    if (!args_range(args, &address, &length) || !args_char(args, ':') || args_left(args) != length)
        return reply_error(stub, GDB_EINVAL);
    return write_memory(stub, address, args->p, length);
}

/* An x86 breakpoint has kind 1; a watchpoint's kind is its size. */
static bool is_kind(enum gdb_break_type type, uint64_t kind)
{
    if (type == GDB_BREAK_SOFT || type == GDB_BREAK_HARD)
        return kind == 1;
    return kind == 1 || kind == 2 || kind == 4 || kind == 8;
}

/*
 * `TYPE,ADDRESS,KIND`. What may follow after ';' are conditions and commands, which we did not
 * offer: such a packet is not supported, for without its condition the breakpoint would be wrong
 * (BP-20).
 */
static bool change_break(struct gdbstub *stub, struct gdb_args *args,
                         enum hv_status (*change)(enum gdb_break_type, gva_t, uint64_t))
{
    uint64_t type;
    uint64_t kind;
    gva_t address;

    if (!args_number(args, &type) || !args_char(args, ','))
        return reply_error(stub, GDB_EINVAL);
    if (type > GDB_WATCH_ACCESS)
        return reply_empty(stub);
    if (!args_range(args, &address, &kind))
        return reply_error(stub, GDB_EINVAL);
    if (args_left(args) > 0 && *args->p == ';')
        return reply_empty(stub);
    if (!args_at_end(args) || !is_kind((enum gdb_break_type)type, kind))
        return reply_error(stub, GDB_EINVAL);
    return reply_status(stub, change((enum gdb_break_type)type, address, kind));
}

bool packet_insert_break(struct gdbstub *stub, struct gdb_args *args)
{
    return change_break(stub, args, stub->target->break_insert);
}

bool packet_remove_break(struct gdbstub *stub, struct gdb_args *args)
{
    return change_break(stub, args, stub->target->break_remove);
}
