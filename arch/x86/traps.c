#include "arch/x86/traps.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"

/* A place that may fault, and where to go on: offsets from the fields themselves. */
struct fixup {
    int32_t from;
    int32_t to;
};

extern const struct fixup extable_start[], extable_end[];

static trap_fatal_fn fatal;
static uint64_t nmis[HV_MAX_CPUS];

void traps_set_fatal(trap_fatal_fn handler)
{
    fatal = handler;
}

uint64_t traps_nmi_count(void)
{
    return nmis[cpu_current()];
}

const uint64_t *traps_nmi_counter(void)
{
    return &nmis[cpu_current()];
}

static struct {
    uint64_t start, end, to;
} nmi_windows[NMI_WINDOWS];

void traps_set_nmi_window(enum nmi_window window, uint64_t start, uint64_t end, uint64_t to)
{
    nmi_windows[window].start = start;
    nmi_windows[window].end = end;
    nmi_windows[window].to = to;
}

static void leave_nmi_window(struct trap_frame *frame)
{
    for (unsigned i = 0; i < NMI_WINDOWS; i++) {
        if (frame->rip >= nmi_windows[i].start && frame->rip < nmi_windows[i].end)
            frame->rip = nmi_windows[i].to;
    }
}

/* traps.asm */
extern const char traps_wait_window[], traps_wait_window_end[];

void traps_init_wait(void)
{
    traps_set_nmi_window(NMI_WINDOW_WAIT, (uint64_t)traps_wait_window,
                         (uint64_t)traps_wait_window_end, (uint64_t)traps_wait_window_end);
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
        nmis[cpu_current()]++;
        leave_nmi_window(frame);
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
