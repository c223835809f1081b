/*
 * x, qCRC, qSearch:memory: much memory with few bytes on the line. The last two look at any amount
 * of it for one short answer; they end early, with an error, when gdb says something meanwhile.
 */
#include "gdbstub/internal.h"
#include "lib/string.h"

/* A piece of memory between two looks at the line. */
enum { PIECE = 1024 };

static bool is_called_off(const struct gdbstub *stub)
{
    return stub->target->line_waits != NULL && stub->target->line_waits();
}

/* x (gdb 16): as m, in binary, behind a `b`. */
bool packet_read_binary(struct gdbstub *stub, struct gdb_args *args)
{
    uint64_t length;
    gva_t address;

    if (!args_range(args, &address, &length) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    reply_char(stub, 'b');
    if (length > 0 && reply_memory(stub, address, clip_range(address, length)) == 0)
        return reply_error(stub, GDB_EFAULT);
    return true;
}

/* The CRC of "Debugging with GDB", "Separate Debug Files", with the most significant bit first. */
static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
    crc ^= (uint32_t)byte << 24;
    for (unsigned bit = 0; bit < 8; bit++)
        crc = crc << 1 ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
    return crc;
}

bool packet_checksum(struct gdbstub *stub, struct gdb_args *args)
{
    uint32_t crc = UINT32_MAX;
    uint8_t piece[PIECE];
    uint64_t length;
    gva_t address;

    if (!args_char(args, ':') || !args_range(args, &address, &length) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    if (clip_range(address, length) != length)
        return reply_error(stub, GDB_EFAULT);
    while (length > 0) {
        size_t size = HV_MIN(length, PIECE);

        if (stub->target->mem_read(stub->thread_g, address, piece, size) != size)
            return reply_error(stub, GDB_EFAULT);
        for (size_t i = 0; i < size; i++)
            crc = crc_byte(crc, piece[i]);
        address += size;
        length -= size;
        if (length > 0 && is_called_off(stub))
            return reply_error(stub, GDB_EINTR);
    }
    reply_char(stub, 'C');
    reply_number(stub, crc);
    return true;
}

/* Where in text the pattern first begins; size when nowhere. */
static size_t find(const char *text, size_t size, const char *pattern, size_t length)
{
    for (size_t at = 0; at + length <= size; at++) {
        const char *first = memchr(text + at, pattern[0], size - length + 1 - at);

        if (first == NULL)
            break;
        at = (size_t)(first - text);
        if (memcmp(first, pattern, length) == 0)
            return at;
    }
    return size;
}

/*
 * qSearch:memory:ADDRESS;LENGTH;PATTERN: `1,ADDRESS` of the first place, or `0`. out[] is the
 * window through which memory is looked at: a piece, and of the one before what may be the
 * beginning of the pattern.
 */
bool packet_search_memory(struct gdbstub *stub, struct gdb_args *args)
{
    size_t kept = 0, pattern;
    uint64_t length;
    gva_t address;

    if (!args_text(args, ":memory:"))
        return reply_empty(stub);
    if (!args_number(args, &address) || !args_char(args, ';') || !args_number(args, &length) ||
        !args_char(args, ';') || args_left(args) == 0)
        return reply_error(stub, GDB_EINVAL);
    pattern = args_left(args);
    length = clip_range(address, length);
    while (length > 0) {
        size_t size = HV_MIN(HV_MIN(length, GDBSTUB_PACKET_SIZE - kept), PIECE);
        size_t done = stub->target->mem_read(stub->thread_g, address, stub->out + kept, size);
        size_t at = find(stub->out, kept + done, args->p, pattern);

        if (at < kept + done) {
            stub->out_len = 0;
            reply_text(stub, "1,");
            reply_number(stub, address - kept + at);
            return true;
        }
        if (done < size)
            return reply_error(stub, GDB_EFAULT);
        address += size;
        length -= size;
        if (length > 0 && is_called_off(stub))
            return reply_error(stub, GDB_EINTR);
        at = HV_MIN(kept + size, pattern - 1);
        memmove(stub->out, stub->out + kept + size - at, at);
        kept = at;
    }
    reply_char(stub, '0');
    return true;
}
