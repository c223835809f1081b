/* `monitor exceptions`, `monitor int3`. */
#include "arch/x86/registers.h"
#include "debug/catch.h"
#include "debug/exceptions.h"
#include "debug/monitor.h"
#include "debug/state.h"

static void print_record(const struct exception_record *r)
{
    const char *name = catch_exception_name(r->vector);

    monitor_line("%s %08x at %04x:%016llx cr2 %016llx cr3 %010llx", name ? name : "   ",
                 (unsigned)r->error, (unsigned)r->cs, U(r->rip), U(r->cr2), U(r->cr3));
}

bool monitor_exceptions(const char *rest)
{
    const struct vcpu *v = monitor_vcpu();
    const struct exception_record *r;

    if (monitor_take_switch(&rest, &debug.exceptions)) {
        if (!monitor_at_end(rest))
            return false;
        if (debug.exceptions)
            exceptions_clear();
        debug_update_traps();
        monitor_line("keeping the last %u exceptions of each CPU is %s", (unsigned)EXCEPTIONS_KEPT,
                     debug.exceptions ? "on" : "off");
        return true;
    }
    if (!monitor_at_end(rest))
        return false;
    for (unsigned i = EXCEPTIONS_KEPT; i-- > 0;) {
        if ((r = exceptions_get(v->number, i)) != NULL)
            print_record(r);
    }
    if (!exceptions_get(v->number, 0))
        monitor_line("none was seen; `monitor exceptions on` keeps them");
    return true;
}

bool monitor_int3(const char *rest)
{
    bool stops = debug.int3_stops;

    if (monitor_take(&rest, "stop"))
        stops = true;
    else if (monitor_take(&rest, "guest"))
        stops = false;
    if (!monitor_at_end(rest))
        return false;
    debug.int3_stops = stops;
    debug_update_traps();
    monitor_line("an INT3 of the guest's own %s",
                 stops ? "stops, and has no other effect" : "goes to its handler");
    return true;
}
