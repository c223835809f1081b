/* The software breakpoints, and how each is armed. */
#include "debug/breakpoints.h"
#include "debug/monitor.h"

static const char *how_text(enum break_how how)
{
    switch (how) {
    case BREAK_IN_VIEW:
        return "armed, seen by nobody";
    case BREAK_IN_PLACE:
        return "armed, an INT3 in memory";
    case BREAK_IN_REGISTER:
        return "armed by a debug register";
    case BREAK_WAITS:
        break;
    }
    return "waits for a debug register";
}

static const char *why_text(enum break_why why)
{
    switch (why) {
    case BREAK_READY:
        return "";
    case BREAK_NOT_MAPPED:
        return ": not mapped yet";
    case BREAK_NOT_MEMORY:
        return ": no memory there";
    case BREAK_TOO_HIGH:
        return ": not in long mode yet";
    case BREAK_NO_PAGING:
        return ": no paging here";
    case BREAK_NOT_EXECUTABLE:
        break;
    }
    return ": mapped, but not to be executed";
}

bool monitor_break(const char *rest)
{
    if (!monitor_at_end(rest))
        return false;
    if (!breakpoints_count())
        monitor_line("no software breakpoints (gdb removes its own at each stop; to see them:");
    if (!breakpoints_count())
        monitor_line("set breakpoint always-inserted on)");
    for (unsigned i = 0; i < breakpoints_count(); i++) {
        struct break_info info = breakpoints_get(monitor_vcpu(), i);
        if (info.why == BREAK_READY)
            monitor_line("%016llx  at %012llx  %s", U(info.gva), U(info.gpa), how_text(info.how));
        else
            monitor_line("%016llx  %s%s", U(info.gva), how_text(info.how), why_text(info.why));
    }
    return true;
}
