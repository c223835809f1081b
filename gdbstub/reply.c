/* Building a reply in out[]. */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

void reply_char(struct gdbstub *stub, char c)
{
    if (stub->out_len < GDBSTUB_PACKET_SIZE)
        stub->out[stub->out_len++] = c;
}

void reply_text(struct gdbstub *stub, const char *text)
{
    while (*text != '\0')
        reply_char(stub, *text++);
}

void reply_hex(struct gdbstub *stub, const void *bytes, size_t size)
{
    size_t room = (GDBSTUB_PACKET_SIZE - stub->out_len) / 2;

    stub->out_len += hex_encode(stub->out + stub->out_len, bytes, size < room ? size : room);
}

bool reply_binary(struct gdbstub *stub, char c)
{
    bool escaped = memchr("#$}*", c, 4) != NULL;

    if (stub->out_len + (escaped ? 2 : 1) > GDBSTUB_PACKET_SIZE)
        return false;
    if (escaped) {
        reply_char(stub, '}');
        c ^= 0x20;
    }
    reply_char(stub, c);
    return true;
}

void reply_piece(struct gdbstub *stub, struct reply_window *window, const char *text)
{
    for (; *text != '\0' && !window->cut; text++) {
        if (window->skip > 0)
            window->skip--;
        else if (window->left > 0 && reply_binary(stub, *text))
            window->left--;
        else
            window->cut = true;
    }
}

bool reply_window_end(struct gdbstub *stub, const struct reply_window *window)
{
    if (window->skip > 0)
        return reply_error(stub, GDB_EINVAL);
    if (!window->cut)
        stub->out[0] = 'l';
    return true;
}

size_t gdbstub_read(const struct gdbstub *stub, gva_t address, void *buf, size_t size)
{
    return stub->frame_chosen ? trace_memory(stub, address, buf, size)
                              : stub->target->mem_read(stub->thread_g, address, buf, size);
}

size_t reply_memory(struct gdbstub *stub, gva_t address, uint64_t length)
{
    char piece[256];
    size_t done = 0;

    while (done < length) {
        size_t size = HV_MIN(length - done, sizeof(piece));
        size_t read = gdbstub_read(stub, address + done, piece, size);

        for (size_t i = 0; i < read; i++) {
            if (!reply_binary(stub, piece[i]))
                return done;
            done++;
        }
        if (read < size)
            break;
    }
    return done;
}

void reply_number(struct gdbstub *stub, uint64_t value)
{
    char digits[16];
    size_t count = hex_put(digits, value);

    for (size_t i = 0; i < count; i++)
        reply_char(stub, digits[i]);
}

void reply_register(struct gdbstub *stub, unsigned number, size_t size)
{
    uint8_t value[GDB_REGISTER_MAX] = {0};

    if (size > GDB_REGISTER_MAX)
        size = GDB_REGISTER_MAX;
    if (stub->frame_chosen ? trace_register(stub, number, value)
                           : stub->target->reg_read(stub->thread_g, number, value)) {
        reply_hex(stub, value, size);
        return;
    }
    for (size_t i = 0; i < 2 * size; i++)
        reply_char(stub, 'x');
}

bool reply_ok(struct gdbstub *stub)
{
    stub->out_len = 0;
    reply_text(stub, "OK");
    return true;
}

bool reply_error(struct gdbstub *stub, enum gdb_error error)
{
    stub->out_len = 0;
    reply_char(stub, 'E');
    reply_char(stub, (char)('0' + error / 10));
    reply_char(stub, (char)('0' + error % 10));
    return true;
}

bool reply_empty(struct gdbstub *stub)
{
    stub->out_len = 0;
    return true;
}

bool reply_status(struct gdbstub *stub, enum hv_status status)
{
    switch (status) {
    case HV_OK:
        return reply_ok(stub);
    case HV_EINVAL:
        return reply_error(stub, GDB_EINVAL);
    case HV_ENOTSUP:
        return reply_empty(stub);
    case HV_ENOENT:
        return reply_error(stub, GDB_ENOENT);
    case HV_ENOSPC:
        return reply_error(stub, GDB_ENOSPC);
    case HV_EFAULT:
        return reply_error(stub, GDB_EFAULT);
    case HV_EBUSY:
        return reply_error(stub, GDB_EBUSY);
    }
    return reply_error(stub, GDB_EINVAL);
}
