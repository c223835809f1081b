/* The guest's console on the line (debug/guest_console.h). */
#include "debug/guest_console.h"
#include "debug/monitor.h"
#include "lib/hex.h"
#include "lib/string.h"

enum { TYPED_MAX = 256 };

static bool is_closed(void)
{
    if (guest_console_report().open)
        return false;
    monitor_line("the guest's console is not on this line: boot with console=guest");
    return true;
}

/* The character that an escape stands for; *s is behind the backslash, and moved. -1: no such. */
static int unescape(const char **s)
{
    static const char names[] = "nrte\\", values[] = "\n\r\t\x1b\\";
    const char *found = **s ? strchr(names, **s) : NULL;

    if (found) {
        (*s)++;
        return values[found - names];
    }
    if (**s == 'x' && hex_value((*s)[1]) >= 0 && hex_value((*s)[2]) >= 0) {
        *s += 3;
        return hex_value((*s)[-2]) << 4 | hex_value((*s)[-1]);
    }
    return -1;
}

bool monitor_type(const char *rest)
{
    char text[TYPED_MAX];
    size_t count = 0, taken;

    if (*rest == ' ')
        rest++;
    if (!*rest)
        return false;
    while (*rest && count < sizeof(text)) {
        int c = *rest++;
        if (c == '\\')
            c = unescape(&rest);
        if (c < 0)
            return false;
        text[count++] = (char)c;
    }
    if (*rest) {
        monitor_line("too long: at most %u characters at once", (unsigned)TYPED_MAX);
        return true;
    }
    if (is_closed())
        return true;
    taken = guest_console_type(text, count);
    monitor_line("%u characters typed%s", (unsigned)taken,
                 taken < count ? "; the guest has not read what was typed before" : "");
    return true;
}

static const char *on_off(bool on)
{
    return on ? "on" : "off";
}

bool monitor_console(const char *rest)
{
    struct guest_console_report r = guest_console_report();
    bool *which = monitor_take(&rest, "timestamp") ? &r.stamps
                  : monitor_take(&rest, "port80")  ? &r.codes
                  : monitor_take(&rest, "debug")   ? &r.debug
                                                   : NULL;

    if ((which && !monitor_take_switch(&rest, which)) || !monitor_at_end(rest))
        return false;
    guest_console_stamp(r.stamps);
    guest_console_tap_codes(r.codes);
    guest_console_tap_debug(r.debug);
    if (!is_closed())
        monitor_line("the guest's console is on this line");
    monitor_line("timestamp %s, port80 %s, debug (ports e9 and 402) %s", on_off(r.stamps),
                 on_off(r.codes), on_off(r.debug));
    monitor_line("%llu bytes sent, %u wait, %llu typed, %llu dropped", U(r.sent), r.waiting,
                 U(r.typed), U(r.dropped));
    return true;
}
