#include "debug/console_filter.h"

#include "lib/hex.h"
#include "lib/string.h"

static enum console_verdict typed(struct console_filter *f, size_t *count)
{
    f->sum_at = 0;
    *count = f->count;
    return CONSOLE_TYPED;
}

/* At the digits behind '#'. */
static enum console_verdict look_at_sum(struct console_filter *f, size_t *count)
{
    size_t digits = f->count - f->sum_at;
    int high = hex_value(f->held[f->sum_at]), low;

    if (high < 0)
        return typed(f, count);
    if (digits < 2)
        return CONSOLE_HELD;
    low = hex_value(f->held[f->sum_at + 1]);
    if (low < 0 || (high << 4 | low) != f->sum)
        return typed(f, count);
    f->sum_at = 0;
    *count = f->count;
    return CONSOLE_PACKET;
}

/* Amid a packet, if it is one. */
static enum console_verdict look_at_body(struct console_filter *f, char c, size_t *count)
{
    if ((uint8_t)c < ' ' || (uint8_t)c > '~' || f->count == sizeof(f->held))
        return typed(f, count);
    if (c == '#')
        f->sum_at = f->count;
    else
        f->sum = (uint8_t)(f->sum + (uint8_t)c);
    return CONSOLE_HELD;
}

enum console_verdict console_filter(struct console_filter *f, char c, size_t *count)
{
    size_t before = f->count;

    if (c == '$' && before && (before > 1 || f->held[0] == '$')) {
        /* A packet has none inside: what was held is none, and this may begin one. */
        f->sum_at = 0;
        f->sum = 0;
        f->held[f->count++] = c;
        *count = before;
        return CONSOLE_TYPED;
    }
    f->held[f->count++] = c;
    if (f->sum_at)
        return look_at_sum(f, count);
    if (c == '$') {
        f->sum = 0;
        return CONSOLE_HELD;
    }
    if (before == 0)
        return c == '+' ? CONSOLE_HELD : typed(f, count);
    if (before == 1 && f->held[0] == '+') {
        *count = c == '+' ? 1 : 2;
        return CONSOLE_TYPED;
    }
    return look_at_body(f, c, count);
}

void console_filter_drop(struct console_filter *f, size_t count)
{
    f->count -= count;
    memmove(f->held, f->held + count, f->count);
}
