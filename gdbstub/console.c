/* Text for gdb's console: `monitor` commands (qRcmd) and what the target says while it runs. */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

/* The stub whose monitor command is being run: the print callback takes no cookie. */
static struct gdbstub *printing;

/* Adds text to the O packet in out[]; full ones are sent. */
static void add_text(struct gdbstub *stub, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (stub->out_len + 2 > GDBSTUB_PACKET_SIZE)
            gdbstub_send(stub);
        if (stub->out_len == 0)
            reply_char(stub, 'O');
        reply_hex(stub, text + i, 1);
    }
}

static void print(const char *text, size_t size)
{
    add_text(printing, text, size);
}

static void print_text(const char *text)
{
    print(text, strlen(text));
}

/* gdb shows nothing of an error reply but its number, so the reason is printed, always. */
static void print_refusal(enum hv_status status, const char *command)
{
    print_text("monitor ");
    print_text(command);
    switch (status) {
    case HV_OK:
    case HV_ENOENT:
        print_text(": there is no such command; `monitor help` lists them\n");
        return;
    case HV_EINVAL:
        print_text(": the arguments make no sense; `monitor help` tells them\n");
        return;
    case HV_ENOTSUP:
        print_text(": not supported here\n");
        return;
    case HV_ENOSPC:
        print_text(": no room left for it\n");
        return;
    case HV_EFAULT:
        print_text(": that address is not mapped, or is not memory\n");
        return;
    case HV_EBUSY:
        print_text(": not possible now\n");
        return;
    }
}

bool packet_monitor(struct gdbstub *stub, struct gdb_args *args)
{
    enum hv_status status;
    size_t size;

    if (stub->target->monitor == NULL)
        return reply_empty(stub);
    if (!args_char(args, ','))
        return reply_error(stub, GDB_EINVAL);
    size = args_left(args) / 2;
    if (args_left(args) % 2 != 0 || !hex_decode(args->p, args->p, size))
        return reply_error(stub, GDB_EINVAL);
    args->p[size] = '\0';

    printing = stub;
    status = stub->target->monitor(args->p, print);
    if (status != HV_OK)
        print_refusal(status, args->p);
    printing = NULL;

    if (stub->out_len > 0)
        gdbstub_send(stub);
    return reply_ok(stub);
}

void gdbstub_console(struct gdbstub *stub, const char *text, size_t size)
{
    if (stub->target == NULL || !stub->stop_due)
        return;
    stub->out_len = 0;
    add_text(stub, text, size);
    if (stub->out_len > 0)
        gdbstub_send(stub);
}
