/*
 * What the stub asks of the thing that is debugged. The stub knows nothing else of it.
 *
 * One machine, one table: members take no cookie. Members marked optional may be NULL; the stub
 * then answers the packets that need them as unsupported (an empty reply).
 *
 * All but interrupt() are called only while the target is stopped.
 */
#ifndef GDBSTUB_TARGET_H
#define GDBSTUB_TARGET_H

#include "hv/status.h"
#include "hv/types.h"

/* Threads are numbered from 1. */

enum gdb_stop_reason {
    GDB_STOP_PLAIN,   /* nothing beyond the signal */
    GDB_STOP_SWBREAK, /* a software breakpoint of ours */
    GDB_STOP_HWBREAK, /* a hardware breakpoint of ours */
    GDB_STOP_WATCH,   /* write, */
    GDB_STOP_RWATCH,  /* read, */
    GDB_STOP_AWATCH,  /* access: data_address was touched */
};

enum {
    GDB_SIGINT = 2,
    GDB_SIGILL = 4,
    GDB_SIGTRAP = 5,
    GDB_SIGABRT = 6,
    GDB_SIGSEGV = 11,
    GDB_SIGTERM = 15
};

struct gdb_stop {
    uint8_t signal;
    enum gdb_stop_reason reason;
    unsigned thread;
    uint64_t data_address; /* for the watch reasons */
};

struct gdb_trace; /* gdbstub/trace.h */

/* The kinds of Z and z packets, by their numbers. */
enum gdb_break_type {
    GDB_BREAK_SOFT = 0,
    GDB_BREAK_HARD = 1,
    GDB_WATCH_WRITE = 2,
    GDB_WATCH_READ = 3,
    GDB_WATCH_ACCESS = 4,
};

/*
 * What the target itself does when a breakpoint is hit: agent expressions (gdbstub/agent.h), each
 * behind its length in two bytes, the low one first. It is a hit only if one of the conditions is
 * not 0, or cannot be evaluated, or there is none. One with commands does not stop: they are
 * evaluated instead.
 */
struct gdb_break_agent {
    const uint8_t *conditions, *commands;
    size_t conditions_size, commands_size;
};

enum gdb_action { GDB_HOLD, GDB_CONTINUE, GDB_STEP };

/* Prints a line of a monitor command's answer (the text as is; the caller ends lines). */
typedef void (*gdb_print_fn)(const char *text, size_t size);

struct gdb_target {
    /* Threads. */
    unsigned (*thread_count)(void); /* CPUs are threads 1..count */
    /* What `info threads` shows behind the name; writes at most size bytes, returns them. */
    size_t (*thread_info)(unsigned thread, char *text, size_t size);

    /*
     * Registers, by gdb's numbers in the target description. reg_size: bytes (at most 64), 0 when
     * there is no such register. reg_read: false when it cannot be had now (gdb shows
     * <unavailable>). reg_write: size is always reg_size(number).
     */
    size_t (*reg_size)(unsigned number);
    bool (*reg_read)(unsigned thread, unsigned number, uint8_t *value);
    enum hv_status (*reg_write)(unsigned thread, unsigned number, const uint8_t *value);
    unsigned g_count;                 /* registers 0..g_count-1 make up a g reply ... */
    unsigned g_max;                   /* ... and a G packet may carry up to this many */
    const unsigned *expedited;        /* registers in every stop reply, */
    unsigned expedited_count;         /* in this order */
    const char *(*description)(void); /* target.xml, terminated; constant for a session */

    /* Memory, by the linear addresses of a thread's CPU. Return how many bytes were done. */
    size_t (*mem_read)(unsigned thread, gva_t address, void *buf, size_t size);
    size_t (*mem_write)(unsigned thread, gva_t address, const void *buf, size_t size);

    /*
     * True when something has come over the line that the stub was not given yet: what takes long
     * (a search, a checksum) then ends. Optional.
     */
    bool (*line_waits)(void);

    /* Z and z: both idempotent. size: the packet's kind field. HV_ENOTSUP: an empty reply. */
    enum hv_status (*break_insert)(enum gdb_break_type type, gva_t address, uint64_t size);
    enum hv_status (*break_remove)(enum gdb_break_type type, gva_t address, uint64_t size);

    /*
     * For a breakpoint (GDB_BREAK_SOFT or HARD) that was just inserted: instead of what it had;
     * what agent points to is the caller's. Goes with break_remove. Optional.
     */
    enum hv_status (*break_agent)(enum gdb_break_type type, gva_t address,
                                  const struct gdb_break_agent *agent);

    /*
     * Tracepoints; NULL: there are none. trace_arm() has all that are enabled hit from now on
     * (trace_hit() in trace.h), or none, with what went wrong; trace_disarm() none.
     */
    struct gdb_trace *trace;
    enum hv_status (*trace_arm)(void);
    void (*trace_disarm)(void);

    /*
     * Resuming: set_action for each thread that does not just GDB_CONTINUE (all are reset to
     * `others` first), then resume. signal is advisory: a CPU has no signals. The target calls
     * gdbstub_stopped() once when it has stopped; resume() returns before that.
     */
    void (*resume_begin)(enum gdb_action others);
    void (*resume_thread)(unsigned thread, enum gdb_action action);
    /*
     * As resume_thread with GDB_STEP, again and again while the thread's pc is at or above start
     * and below end; whatever else stops it ends that. Optional: vCont's `r`.
     */
    void (*resume_range)(unsigned thread, gva_t start, gva_t end);
    void (*resume)(void);
    /*
     * How steps are made, in QEMU's bits: 1 they are made at all, 2 without interrupts, 4 without
     * timers. Both or neither; optional.
     */
    unsigned (*step_flags)(void);
    void (*set_step_flags)(unsigned flags);
    void (*set_pc)(unsigned thread, uint64_t pc); /* for `c ADDR` and `s ADDR` */
    /* Ctrl-C while running: asks for a stop; gdbstub_stopped() follows. */
    void (*interrupt)(void);

    /* Session. */
    /*
     * The first good packet of a session, before it is answered. A serial line does not tell when
     * a gdb vanishes: what the session before left behind (breakpoints) is to be removed here.
     */
    void (*attached)(void);
    void (*detach)(void);  /* D and k: remove everything of ours, let it run */
    void (*kill)(void);    /* k; NULL: as detach */
    void (*restart)(void); /* R and `monitor reset`; does not return on a real machine. Optional */

    /* `monitor TEXT`, terminated. HV_ENOENT: no such command. Optional. */
    enum hv_status (*monitor)(const char *text, gdb_print_fn print);

    /* Whether mem_read and mem_write take physical addresses; for the packets of QEMU's. Optional.
     */
    bool (*is_physical)(void);
    void (*set_physical)(bool physical);
};

#endif
