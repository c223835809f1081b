#include "debug/line.h"

#include "arch/x86/insn.h"
#include "arch/x86/traps.h"
#include "arch/x86/tsc.h"
#include "core/backend.h"
#include "core/park.h"
#include "core/run.h"
#include "debug/guest_console.h"
#include "debug/state.h"
#include "lib/log.h"

enum { LINE_CPU = 0 };

static const struct debug_link *link_of(const struct vcpu *v)
{
    return v->number == LINE_CPU && debug.config ? debug.config->link : NULL;
}

void line_open(const struct vcpu *v)
{
    if (link_of(v) && !debug.line_open) {
        debug.line_open = true;
        link_of(v)->listen();
    }
}

/*
 * The line has spoken: asked first thing on an NMI, it turns its interrupt off and empties its
 * receiver.
 */
static bool interrupted(const struct vcpu *v)
{
    bool was_open = debug.line_open;

    if (!link_of(v))
        return false;
    debug.line_open = false;
    return was_open && link_of(v)->interrupted();
}

/* The line's NMI may be pending behind what was drained. */
static void swallow_nmi(const struct vcpu *v)
{
    if (hv_backend->take_nmi())
        park_other_nmis(v, 1);
}

void line_close(const struct vcpu *v)
{
    if (!link_of(v))
        return;
    if (interrupted(v)) {
        debug.line_heard = true;
        swallow_nmi(v);
    }
    link_of(v)->hush();
}

void line_take(const struct vcpu *v)
{
    if (v->number != LINE_CPU)
        park_gather(v);
    line_close(v);
}

void line_sort_nmi(struct vcpu *v, unsigned taken)
{
    bool lines = interrupted(v);

    if (lines)
        debug.line_heard = true;
    if (!taken)
        taken = HV_MAX(hv_backend->take_nmi(), 1U);
    /* How many the line has sent nobody knows. */
    if (park_other_nmis(v, taken) && !lines)
        core_forward_nmi(v);
}

bool line_heard(const struct vcpu *v)
{
    return v->number == LINE_CPU && debug.line_heard;
}

bool line_waits(void)
{
    debug.config->link->poll();
    return debug.config->link->waits();
}

static struct baud_signs signs(void)
{
    const struct gdbstub_stats *stub = &debug.stub.stats;

    return (struct baud_signs){.time = rdtsc(),
                               .second = tsc_hz(),
                               .good = stub->acknowledged,
                               .errors = debug.config->link->errors() + stub->bad_checksums};
}

bool line_ask_baud(uint32_t speed)
{
    if (!debug.config->link->set_baud(speed, true))
        return false;
    struct baud_signs s = signs();
    baud_ask(&debug.baud, speed, &s);
    return true;
}

static void look_at_baud(void)
{
    if (baud_is_settled(&debug.baud))
        return;
    struct baud_signs s = signs();
    uint32_t speed = baud_look(&debug.baud, &s);
    if (!speed)
        return;
    debug.config->link->set_baud(speed, false);
    log_print("uart: the line is at %u baud", (unsigned)speed);
}

void line_feed_stub(void)
{
    const struct debug_link *link = debug.config->link;
    int byte;

    debug.line_heard = false;
    link->poll();
    while ((byte = link->get()) != LINK_EMPTY) {
        if (byte == LINK_BREAK)
            debug.interrupt_asked = true;
        else if (!guest_console_take((uint8_t)byte))
            gdbstub_receive(&debug.stub, (uint8_t)byte);
    }
    look_at_baud();
}
