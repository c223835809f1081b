/* What the parts of debug/ share of the session: the guest's CPU threads and what is asked of them.
 */
#ifndef DEBUG_STATE_H
#define DEBUG_STATE_H

#include "arch/x86/acpi_power.h"
#include "debug/baud.h"
#include "debug/judge.h"
#include "debug/registers.h"
#include "debug/session.h"
#include "gdbstub/gdbstub.h"

/* QEMU's bits of how to step (Qqemu.sstep). */
enum { STEP_ENABLE = 1, STEP_NO_INTERRUPTS = 2, STEP_NO_TIMERS = 4, STEP_DEFAULT = 7 };

/* `monitor step count`: how many the next step is made of, and where the last such led. */
struct debug_steps {
    uint64_t left; /* to come; 0: each step is told */
    uint64_t done;
    uint64_t places; /* of them led elsewhere: a REP stays where it is until it is done */
    uint64_t hash;   /* of the places' addresses, in order: FNV-1a, 64 bits, 8 bytes each */
    gva_t last[16];  /* place of number n: n modulo 16 */
};

/* Each CPU's own; others look and write only while it stands. */
struct debug_cpu {
    enum gdb_action action;
    gva_t range_start, range_end; /* GDB_STEP: steps that end in there are not told */
    struct debug_steps steps;     /* GDB_STEP: of these only the last is told */
    uint64_t trace_steps;         /* that a tracepoint still collects */
    unsigned trace_point;         /* which one: an index */
    struct debug_event event;     /* to be told */
    bool leaving;                 /* the user was told of a stop, and it has not moved since, */
    gva_t stopped_at;             /* from here; */
    bool caught;                  /* told of what it is about to do there, which it does now */
    bool looks;                   /* at what waits (debug/waiting.h): its paging has changed */
    bool restart_told;            /* told of the INIT that it takes next */
};

/* Belongs to who holds all CPUs (core/park.h). */
struct debug_state {
    const struct debug_config *config;
    struct gdbstub stub;
    bool attached;            /* gdb is there */
    bool resume_asked;        /* the stub has let the guest go */
    bool interrupt_asked;     /* Ctrl-C, BREAK, or a gdb that comes anew */
    bool reset_asked;         /* `monitor reset` was answered */
    unsigned stops;           /* enum death: what the user wants to see while gdb is there */
    bool exceptions;          /* all are kept, debug/exceptions.h */
    bool int3_stops;          /* INT3s of the guest's own stop, and do nothing else */
    bool stop_ap;             /* a CPU that the guest starts stops at its first instruction */
    enum registers_arch arch; /* the layout that gdb is told of when it reads it next, */
    bool arch_auto;           /* or what suits the CPU's mode then */
    struct baud baud;         /* the line's speed */
    unsigned step_flags;      /* STEP_*: how gdb's steps are made */
    uint64_t heard;           /* stops that the user was told of */
    struct acpi_power power;  /* how, when power_off_asked: `monitor poweroff` was answered */
    bool power_off_asked;
    bool physical; /* gdb's memory commands take physical addresses */
    struct debug_cpu cpus[HV_MAX_CPUS];

    /* CPU 0's alone: the line's interrupt is on; bytes of its wait for the stub. */
    bool line_open, line_heard;
};

extern struct debug_state debug;

/* gdb's thread number of a CPU and back (NULL: no such thread). */
unsigned debug_thread(const struct vcpu *v);
struct vcpu *debug_vcpu(unsigned thread);

/* The table for the stub. */
extern const struct gdb_target debug_target;

/* Traps are on exactly while what is set needs them. */
void debug_update_traps(void);

/* Breakpoints, watchpoints, traps, what was switched on: nothing of the user's stays. */
void debug_remove_all(void);

/* `monitor TEXT`. */
enum hv_status debug_monitor(const char *text, gdb_print_fn print);

#endif
