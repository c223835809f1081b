/* g, G, p, P: registers of the thread that Hg chose. */
#include "gdbstub/internal.h"
#include "lib/hex.h"

/*
 * g has only the first registers of the description: gdb takes a g reply that is cut short at a
 * register and asks for the rest by p when it needs them.
 */
bool packet_read_registers(struct gdbstub *stub, struct gdb_args *args)
{
    if (!args_at_end(args))
        return reply_empty(stub);
    for (unsigned i = 0; i < stub->target->g_count; i++)
        reply_register(stub, i, stub->target->reg_size(i));
    return true;
}

/* True when args hold whole registers from number 0 on, and nothing else. */
static bool is_register_set(const struct gdbstub *stub, const struct gdb_args *args)
{
    size_t left = args_left(args);
    unsigned number = 0;

    while (left > 0) {
        size_t digits;

        if (number == stub->target->g_max)
            return false;
        digits = 2 * stub->target->reg_size(number++);
        if (digits > left)
            return false;
        left -= digits;
    }
    for (const char *p = args->p; p < args->end; p++) {
        if (hex_value(*p) < 0)
            return false;
    }
    return number > 0;
}

/* All or nothing as far as the packet goes; a register that refuses does not keep the others. */
bool packet_write_registers(struct gdbstub *stub, struct gdb_args *args)
{
    enum hv_status result = HV_OK;

    if (!is_register_set(stub, args))
        return reply_error(stub, GDB_EINVAL);
    for (unsigned i = 0; args_left(args) > 0; i++) {
        size_t size = stub->target->reg_size(i);
        enum hv_status status;

        if (size == 0)
            continue;
        hex_decode(args->p, args->p, size);
        status = stub->target->reg_write(stub->thread_g, i, (const uint8_t *)args->p);
        if (result == HV_OK)
            result = status;
        args->p += 2 * size;
    }
    /* An empty reply would say that there is no G at all. */
    return result == HV_ENOTSUP ? reply_error(stub, GDB_EINVAL) : reply_status(stub, result);
}

/*
 * A number that the description does not have: without a description gdb asks for registers of
 * its own idea of an amd64 (orig_rax, fs_base), and an error would fail the user's command.
 */
static bool is_known(const struct gdbstub *stub, uint64_t number)
{
    return number <= UINT32_MAX && stub->target->reg_size((unsigned)number) != 0;
}

bool packet_read_register(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t number;

    if (!args_number(args, &number) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    if (is_known(stub, number))
        reply_register(stub, (unsigned)number, stub->target->reg_size((unsigned)number));
    else
        reply_text(stub, "xxxxxxxxxxxxxxxx");
    return true;
}

bool packet_write_register(struct gdbstub *stub, struct gdb_args *args)
{
    enum hv_status status;
    uint64_t number;
    size_t size;

    if (!args_number(args, &number) || !args_char(args, '='))
        return reply_error(stub, GDB_EINVAL);
    if (!is_known(stub, number))
        return reply_ok(stub);
    size = stub->target->reg_size((unsigned)number);
    if (args_left(args) != 2 * size || !hex_decode(args->p, args->p, size))
        return reply_error(stub, GDB_EINVAL);
    status = stub->target->reg_write(stub->thread_g, (unsigned)number, (const uint8_t *)args->p);
    return status == HV_ENOTSUP ? reply_error(stub, GDB_EINVAL) : reply_status(stub, status);
}
