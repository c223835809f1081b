/* gdbvisor itself and the session. */
#include "core/guest_memory.h"
#include "debug/breakpoints.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "lib/log.h"

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

bool monitor_log(const char *rest)
{
    char text[256];
    size_t offset = 0, n;

    if (!monitor_at_end(rest))
        return false;
    while ((n = log_read(offset, text, sizeof(text))) != 0) {
        monitor_text(text, n);
        offset += n;
    }
    return true;
}

bool monitor_stop(const char *rest)
{
    bool on = debug.stop_ap;

    if (!monitor_take(&rest, "ap"))
        return false;
    monitor_take_switch(&rest, &on);
    if (!monitor_at_end(rest))
        return false;
    debug.stop_ap = on;
    monitor_line("stopping each CPU that the guest starts is %s", on ? "on" : "off");
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
