/* Did we cause this exit, and is the user to hear of it? */
#ifndef DEBUG_JUDGE_H
#define DEBUG_JUDGE_H

#include "core/exit.h"
#include "core/vcpu.h"
#include "gdbstub/target.h"

/* What a CPU has to tell the user. */
enum debug_event_kind {
    EVENT_NONE,
    EVENT_INTERRUPT,  /* Ctrl-C, a BREAK, or a gdb that comes anew */
    EVENT_STEP,       /* a step is done */
    EVENT_BREAKPOINT, /* in front of a software breakpoint of ours */
    EVENT_WATCH,      /* hits: a bit for each of the user's debug registers */
    EVENT_INT3,       /* behind an INT3 of the guest's own, which did nothing */
    EVENT_CATCH,      /* in front of something that is caught: seen */
    EVENT_PHASE,      /* the first instruction in phases that are waited for: hits */
    EVENT_START,      /* the CPU was started by the guest, and the user asked for that */
    EVENT_DEATH,      /* something that no guest comes back from: exit */
};

struct debug_event {
    enum debug_event_kind kind;
    /* A Ctrl-C came besides, when the user had heard of `asked` stops; told where all else is void.
     */
    bool interrupted;
    uint64_t asked;
    unsigned hits;    /* EVENT_WATCH, and EVENT_STEP when it hit something besides */
    uint32_t ranges;  /* the same for watch_ranges.h */
    uint64_t heard;   /* how many stops the user had heard of when this came */
    gva_t watched[4]; /* EVENT_WATCH: the addresses of the hits */
    enum hv_exit_kind exit;
    struct hv_exit seen; /* EVENT_CATCH */
};

/*
 * An exit that came up from core, all but HV_EXIT_NMI and HV_EXIT_NONE. What is the guest's it gets
 * (raised in v). False: there is nothing to tell, v goes on.
 */
bool judge_exit(struct vcpu *v, const struct hv_exit *exit, struct debug_event *event);

/* For core_set_catch(): does the user want to see this exit before it is carried out? */
bool judge_sees(struct vcpu *v, const struct hv_exit *exit);

/* v stands in front of our INT3, and of one of the guest's own under it: that is delivered. */
void judge_raise_breakpoint(struct vcpu *v, const struct hv_exit *exit);

/*
 * The stop reply for an event, when all CPUs stand. False: the event is void. heard: how many stops
 * the user has heard of now. One that came in between has shown where this CPU is: then what
 * happens again by itself (a breakpoint) or needs no telling (a step) is dropped, and a watchpoint
 * counts if it is still set.
 */
bool judge_is_due(struct vcpu *v, const struct debug_event *event, uint64_t heard,
                  struct gdb_stop *stop);

#endif
