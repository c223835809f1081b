#include "arch/x86/traps.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"

/* A place that may fault, and where to go on: offsets from the fields themselves. */
struct fixup {
    int32_t from;
    int32_t to;
};

extern const struct fixup extable_start[], extable_end[];

static trap_fatal_fn fatal;
static uint64_t nmis;

void traps_set_fatal(trap_fatal_fn handler)
{
    fatal = handler;
}

uint64_t traps_nmi_count(void)
{
    return nmis;
}

const uint64_t *traps_nmi_counter(void)
{
    return &nmis;
}

static struct {
    uint64_t start, end, to;
} nmi_window;

void traps_set_nmi_window(uint64_t start, uint64_t end, uint64_t to)
{
    nmi_window.start = start;
    nmi_window.end = end;
    nmi_window.to = to;
}

static bool repair(struct trap_frame *frame)
{
    for (const struct fixup *f = extable_start; f < extable_end; f++) {
        if ((uint64_t)&f->from + (uint64_t)(int64_t)f->from == frame->rip) {
            frame->rip = (uint64_t)&f->to + (uint64_t)(int64_t)f->to;
            return true;
        }
    }
    return false;
}

void trap_dispatch(struct trap_frame *frame)
{
    switch (frame->vector) {
    case VECTOR_NMI:
        nmis++;
        if (frame->rip >= nmi_window.start && frame->rip < nmi_window.end)
            frame->rip = nmi_window.to;
        return;
    case VECTOR_DB:
        /*
         * A guest's breakpoint address that is also an address of ours, in the moment between an
         * exit and our clearing DR7: go on, with RF so that it does not hit again.
         */
        frame->rflags |= RFLAGS_RF;
        frame->rflags &= ~RFLAGS_TF;
        return;
    case VECTOR_GP:
        if (repair(frame))
            return;
        break;
    default:
        break;
    }
    if (fatal)
        fatal(frame, read_cr2());
    for (;;)
        cpu_halt();
}
