/* gdbvisor itself and the session. */
#include "core/guest_memory.h"
#include "debug/breakpoints.h"
#include "debug/catch.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "lib/log.h"
#include "lib/string.h"

bool monitor_reset(const char *rest)
{
    if (!monitor_at_end(rest))
        return false;
    debug.reset_asked = true; /* gdb gets its answer first */
    monitor_line("the machine is reset");
    return true;
}

bool monitor_version(const char *rest)
{
    char text[100];

    if (!monitor_at_end(rest))
        return false;
    monitor_line("%s", debug.config->about);
    if (debug.config->link && debug.config->link->describe(text, sizeof(text)))
        monitor_line("line: %s", text);
    monitor_line("breakpoints: %u software of %u, %u hardware of %u", breakpoints_count(),
                 (unsigned)BREAKPOINTS_MAX, watch_count(), (unsigned)DEBUG_SLOTS);
    return true;
}

bool monitor_mmio(const char *rest)
{
    bool on = guest_memory_devices_allowed();

    monitor_take_switch(&rest, &on);
    if (!monitor_at_end(rest))
        return false;
    guest_memory_allow_devices(on);
    monitor_line("reading and writing device memory is %s",
                 on ? "on: it may have side effects" : "off");
    return true;
}

enum { COLUMNS = 80, INDENT = 2 };

/*
 * Prints a full line, behind which c follows, up to its last whole word; the rest begins the next
 * one. Returns its length.
 */
static size_t break_line(char *line, char c)
{
    size_t end = COLUMNS, next;

    while (c != ' ' && end > INDENT && line[end - 1] != ' ')
        end--;
    if (end == INDENT) /* one long word */
        end = COLUMNS;
    for (next = end; end > INDENT && line[end - 1] == ' ';)
        end--;
    monitor_line("%.*s", (int)end, line);
    memmove(line + INDENT, line + next, COLUMNS - next);
    memset(line, ' ', INDENT);
    return INDENT + COLUMNS - next;
}

bool monitor_log(const char *rest)
{
    char line[COLUMNS], c;
    size_t used = 0;

    if (!monitor_at_end(rest))
        return false;
    for (size_t offset = 0; log_read(offset, &c, 1) == 1; offset++) {
        if (c == '\n') {
            monitor_line("%.*s", (int)used, line);
            used = 0;
            continue;
        }
        if (used == COLUMNS) {
            used = break_line(line, c);
            if (c == ' ')
                continue;
        }
        line[used++] = c;
    }
    return true;
}

static void print_stops(void)
{
    static const struct {
        const char *name;
        unsigned stop;
        const char *text;
    } lines[] = {
        {"reset", DEATH_RESET, "in front of a reset or power off that the guest asks for"},
        {"df", DEATH_DOUBLE_FAULT, "in front of a double fault's handler"},
        {"halt", DEATH_HALT, "when all CPUs are halted with interrupts off"},
    };

    monitor_line("%-6s %-3s  at the first instruction of each CPU that the guest starts", "ap",
                 debug.stop_ap ? "on" : "off");
    for (unsigned i = 0; i < HV_ARRAY_SIZE(lines); i++)
        monitor_line("%-6s %-3s  %s", lines[i].name, debug.stops & lines[i].stop ? "on" : "off",
                     lines[i].text);
}

bool monitor_stop(const char *rest)
{
    static const struct {
        const char *name;
        unsigned stop; /* 0: AP */
    } words[] = {
        {"ap", 0}, {"reset", DEATH_RESET}, {"df", DEATH_DOUBLE_FAULT}, {"halt", DEATH_HALT}};
    unsigned i = 0;
    bool on;

    if (monitor_at_end(rest)) {
        print_stops();
        return true;
    }
    while (i < HV_ARRAY_SIZE(words) && !monitor_take(&rest, words[i].name))
        i++;
    if (i == HV_ARRAY_SIZE(words) || !monitor_take_switch(&rest, &on) || !monitor_at_end(rest))
        return false;
    if (!words[i].stop)
        debug.stop_ap = on;
    debug.stops = on ? debug.stops | words[i].stop : debug.stops & ~words[i].stop;
    catch_update();
    debug_update_traps();
    print_stops();
    return true;
}

bool monitor_arch(const char *rest)
{
    static const struct {
        const char *name;
        enum registers_arch arch;
        bool by_mode;
    } layouts[] = {
        {"auto", REGISTERS_X86_64, true},
        {"i8086", REGISTERS_I8086, false},
        {"i386", REGISTERS_I386, false},
        {"x86-64", REGISTERS_X86_64, false},
    };
    bool asked = monitor_at_end(rest);

    for (unsigned i = 0; i < HV_ARRAY_SIZE(layouts); i++) {
        bool is_set = debug.arch == layouts[i].arch && debug.arch_auto == layouts[i].by_mode;

        if (asked && is_set)
            monitor_line("arch %s", layouts[i].name);
        if (!monitor_take(&rest, layouts[i].name))
            continue;
        if (!monitor_at_end(rest))
            return false;
        debug.arch = layouts[i].arch;
        debug.arch_auto = layouts[i].by_mode;
        monitor_line("arch %s: gdb reads it by: unset tdesc filename", layouts[i].name);
        return true;
    }
    return asked;
}
