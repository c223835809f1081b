/*
 * vFile: memory as a file, for gdbs that have no binary memory read: `remote get mem/START,LENGTH
 * FILE` (both hexadecimal) costs half the bytes of `dump memory`. Nothing else is a file here.
 */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

/* There is one file, open or not. "Debugging with GDB", "Errno Values": numbers in hexadecimal. */
enum { THE_FILE = 1, FILE_ENOENT = 2, FILE_EBADF = 9, FILE_EFAULT = 14, FILE_EINVAL = 22 };

static bool reply_file_error(struct gdbstub *stub, unsigned error)
{
    stub->out_len = 0;
    reply_text(stub, "F-1,");
    reply_number(stub, error);
    return true;
}

static bool reply_file(struct gdbstub *stub, uint64_t result)
{
    stub->out_len = 0;
    reply_char(stub, 'F');
    reply_number(stub, result);
    return true;
}

/* open:NAME,FLAGS,MODE: the name in hexadecimal; reading is the only flag, 0. */
static bool open_file(struct gdbstub *stub, struct gdb_args *args)
{
    char *comma = memchr(args->p, ',', args_left(args));
    uint64_t flags, mode, length;
    struct gdb_args name;
    gva_t start;
    size_t size;

    if (comma == NULL || (comma - args->p) % 2 != 0)
        return reply_file_error(stub, FILE_EINVAL);
    size = (size_t)(comma - args->p) / 2;
    name = (struct gdb_args){args->p, args->p + size};
    args->p = comma + 1;
    if (!args_number(args, &flags) || !args_char(args, ',') || !args_number(args, &mode) ||
        !args_at_end(args) || !hex_decode(name.p, name.p, size))
        return reply_file_error(stub, FILE_EINVAL);
    if (flags != 0 || !args_text(&name, "mem/") || !args_range(&name, &start, &length) ||
        !args_at_end(&name))
        return reply_file_error(stub, FILE_ENOENT);
    stub->file_open = true;
    stub->file_start = start;
    stub->file_length = clip_range(start, length);
    return reply_file(stub, THE_FILE);
}

/* The file's number, which comes first and must be open. */
static bool is_open(const struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t number;

    return args_number(args, &number) && number == THE_FILE && stub->file_open;
}

/* pread:NUMBER,COUNT,OFFSET: `F` and how many bytes, `;` and the bytes. */
static bool read_file(struct gdbstub *stub, struct gdb_args *args)
{
    enum { HEAD = 16 };
    uint64_t count, offset;
    size_t done = 0, size;

    if (!is_open(stub, args))
        return reply_file_error(stub, FILE_EBADF);
    if (!args_char(args, ',') || !args_number(args, &count) || !args_char(args, ',') ||
        !args_number(args, &offset) || !args_at_end(args))
        return reply_file_error(stub, FILE_EINVAL);
    /* The data go behind where the longest head ends, and are moved to where this one does. */
    stub->out_len = HEAD;
    if (offset < stub->file_length && count > 0) {
        count = HV_MIN(count, stub->file_length - offset);
        done = reply_memory(stub, stub->file_start + offset, count);
        if (done == 0)
            return reply_file_error(stub, FILE_EFAULT);
    }
    size = stub->out_len - HEAD;
    reply_file(stub, done);
    reply_char(stub, ';');
    memmove(stub->out + stub->out_len, stub->out + HEAD, size);
    stub->out_len += size;
    return true;
}

static void put32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* fstat:NUMBER: "Debugging with GDB", "struct stat": 64 bytes, big-endian, most of them 0. */
static bool stat_file(struct gdbstub *stub, struct gdb_args *args)
{
    enum { SIZE = 64, MODE_AT = 8, LINKS_AT = 12, LENGTH_AT = 28 };
    enum { MODE_FILE_READABLE = 0100444 };
    uint8_t bytes[SIZE] = {0};

    if (!is_open(stub, args) || !args_at_end(args))
        return reply_file_error(stub, FILE_EBADF);
    put32(bytes + MODE_AT, MODE_FILE_READABLE);
    put32(bytes + LINKS_AT, 1);
    put32(bytes + LENGTH_AT, (uint32_t)(stub->file_length >> 32));
    put32(bytes + LENGTH_AT + 4, (uint32_t)stub->file_length);
    reply_file(stub, SIZE);
    reply_char(stub, ';');
    for (size_t i = 0; i < SIZE; i++)
        reply_binary(stub, (char)bytes[i]);
    return true;
}

static bool close_file(struct gdbstub *stub, struct gdb_args *args)
{
    if (!is_open(stub, args) || !args_at_end(args))
        return reply_file_error(stub, FILE_EBADF);
    stub->file_open = false;
    return reply_file(stub, 0);
}

bool packet_file(struct gdbstub *stub, struct gdb_args *args)
{
    if (args_text(args, ":open:"))
        return open_file(stub, args);
    if (args_text(args, ":pread:"))
        return read_file(stub, args);
    if (args_text(args, ":fstat:"))
        return stat_file(stub, args);
    if (args_text(args, ":close:"))
        return close_file(stub, args);
    return reply_empty(stub);
}
