/* Parsing what follows a packet's name. */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

bool args_window(struct gdb_args *args, struct reply_window *window)
{
    *window = (struct reply_window){.cut = false};
    return args_number(args, &window->skip) && args_char(args, ',') &&
           args_number(args, &window->left) && args_at_end(args);
}

bool args_at_end(const struct gdb_args *args)
{
    return args->p == args->end;
}

bool args_char(struct gdb_args *args, char c)
{
    if (args->p == args->end || *args->p != c)
        return false;
    args->p++;
    return true;
}

bool args_text(struct gdb_args *args, const char *text)
{
    size_t len = strlen(text);

    if (args_left(args) < len || memcmp(args->p, text, len) != 0)
        return false;
    args->p += len;
    return true;
}

bool args_number(struct gdb_args *args, uint64_t *value)
{
    const char *p = args->p;

    if (!hex_number(&p, args->end, value))
        return false;
    args->p += p - args->p;
    return true;
}

bool args_range(struct gdb_args *args, gva_t *address, uint64_t *length)
{
    return args_number(args, address) && args_char(args, ',') && args_number(args, length);
}

bool args_thread(struct gdb_args *args, int *thread)
{
    uint64_t number;

    if (args_char(args, '-')) {
        *thread = GDB_THREAD_ALL;
        return args_char(args, '1');
    }
    if (!args_number(args, &number) || number > INT32_MAX)
        return false;
    *thread = (int)number;
    return true;
}
