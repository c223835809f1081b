/* How steps are made. */
#include "debug/monitor.h"
#include "debug/state.h"
#include "debug/steps.h"

/* Where the last counted step led, the oldest address first. */
static void print_trace(const struct debug_steps *steps)
{
    enum { PLACES = HV_ARRAY_SIZE(steps->last) };
    uint64_t first = steps->places > PLACES ? steps->places - PLACES : 0;

    monitor_line("%llu steps to %llu places, hash %016llx, the last of them:", U(steps->done),
                 U(steps->places), U(steps->hash));
    for (uint64_t n = first; n < steps->places; n++)
        monitor_line("  %llx", U(steps->last[n % PLACES]));
}

static void print_state(const struct debug_steps *steps)
{
    monitor_line("device interrupts in a step: %s",
                 debug.step_flags & STEP_NO_INTERRUPTS ? "held" : "delivered");
    if (steps->left)
        monitor_line("the next step is %llu instructions", U(steps->left));
    if (steps->done)
        print_trace(steps);
}

static bool take_interrupts(const char *rest)
{
    bool hold = monitor_take(&rest, "hold");

    if ((!hold && !monitor_take(&rest, "deliver")) || !monitor_at_end(rest))
        return false;
    debug.step_flags &= ~(unsigned)STEP_NO_INTERRUPTS;
    debug.step_flags |= hold ? STEP_NO_INTERRUPTS : 0;
    return true;
}

static bool take_count(const char *rest, struct debug_steps *steps)
{
    uint64_t count;

    if (!monitor_take_number(&rest, &count) || !monitor_at_end(rest))
        return false;
    steps_begin(steps, count);
    return true;
}

bool monitor_step(const char *rest)
{
    struct debug_steps *steps = &debug.cpus[monitor_vcpu()->number].steps;

    if (monitor_take(&rest, "interrupts")) {
        if (!take_interrupts(rest))
            return false;
    } else if (monitor_take(&rest, "count")) {
        if (!take_count(rest, steps))
            return false;
    } else if (!monitor_at_end(rest)) {
        return false;
    }
    print_state(steps);
    return true;
}
