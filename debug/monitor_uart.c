/* The line: its UART, its speed. */
#include "debug/line.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "hv/compiler.h"

bool monitor_uart(const char *rest)
{
    const struct gdbstub_stats *s = &debug.stub.stats;
    char text[100];

    if (!monitor_at_end(rest))
        return false;
    for (unsigned n = 0; debug.config->link->report(n, text, sizeof(text)); n++)
        monitor_line("%s", text);
    monitor_line("packets   %llu received, %llu bad checksums, %llu too long", U(s->packets_in),
                 U(s->bad_checksums), U(s->oversized));
    monitor_line("          %llu sent, %llu sent again, %llu stray bytes", U(s->packets_out),
                 U(s->retransmissions), U(s->junk));
    return true;
}

bool monitor_baud(const char *rest)
{
    uint64_t speed;

    if (!monitor_take_number(&rest, &speed) || !monitor_at_end(rest))
        return false;
    if (!line_ask_baud((uint32_t)HV_MIN(speed, UINT32_MAX))) {
        monitor_line("the UART cannot make %llu baud; `monitor uart` tells its fastest rate",
                     U(speed));
        return true;
    }
    monitor_line("%llu baud in a moment. Connect again at that speed within %u seconds:", U(speed),
                 (unsigned)BAUD_TRIAL_SECONDS);
    monitor_line("  disconnect, set serial baud %llu, target remote ...; else all is as it was",
                 U(speed));
    return true;
}
