#include "debug/report.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "debug/catch.h"
#include "debug/death.h"
#include "debug/exceptions.h"
#include "debug/guest_console.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/log.h"
#include "lib/string.h"

static void say(const char *text)
{
    char line[256];
    size_t length = fmt_print(line, sizeof(line), "%s\n", text);

    guest_console_say(line, HV_MIN(length, sizeof(line) - 1));
}

/* On the console; for gdb; and in plain text on the line when no gdb is there to hide it. */
static void report_line(const char *text)
{
    const struct debug_link *link = debug.config->link;

    log_print("%s", text);
    if (debug.attached) {
        say(text);
    } else if (link) {
        link->put(text, strlen(text));
        link->put("\r\n", 2);
    }
}

void report_death(struct vcpu *v, enum hv_exit_kind exit)
{
    char text[160];

    fmt_print(text, sizeof(text), "gdbvisor: the guest's CPU %u stopped: %s at %llx (%s)",
              v->number, exit == HV_EXIT_SHUTDOWN ? "triple fault" : hv_exit_name(exit),
              (unsigned long long)vcpu_linear_rip(v), vcpu_mode_name(v));
    report_line(text);
    const struct exception_record *last = exceptions_get(v->number, 0);
    if (exit == HV_EXIT_SHUTDOWN && last && last->vector == VECTOR_DF) {
        fmt_print(text, sizeof(text), "behind a double fault at %04x:%llx, cr2 %llx, cr3 %llx",
                  (unsigned)last->cs, (unsigned long long)last->rip, (unsigned long long)last->cr2,
                  (unsigned long long)last->cr3);
        report_line(text);
    }
    hv_backend->dump(v, report_line);
}

void report_catch(struct vcpu *v, const struct debug_event *event)
{
    const struct catch *c = event->kind == EVENT_PHASE   ? catch_of_phase(event->hits)
                            : event->kind == EVENT_WATCH ? catch_door_at(vcpu_linear_rip(v))
                                                         : catch_find(v, &event->seen);
    char text[128];

    if (!c) {
        death_say(v, &event->seen, text, sizeof(text));
        report_line(text);
        return;
    }
    catch_say(v, c, &event->seen, text, sizeof(text));
    say(text);
    if (c->kind == CATCH_PHASE) {
        catch_remove(c->number);
        debug_update_traps();
    }
}
