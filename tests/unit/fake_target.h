/*
 * A target for tests of the stub: some memory, registers as amd64 has them, a CPU that knows six
 * instructions, breakpoints and watchpoints, up to four threads.
 *
 * Memory: 64 KiB at 0 and again at FAKE_HIGH (where kernels are), with a hole of 4 KiB at
 * FAKE_HOLE; the last 4 KiB of the address space are those at FAKE_TOP.
 */
#ifndef TESTS_UNIT_FAKE_TARGET_H
#define TESTS_UNIT_FAKE_TARGET_H

#include "gdbstub/target.h"

#define FAKE_HIGH 0xffffffff80000000ull

enum {
    FAKE_SIZE = 0x10000,
    FAKE_HOLE = 0xa000,
    FAKE_TOP = 0xf000,
    FAKE_CODE = 0x1000,    /* thread 1 runs a loop here: see fake_target.c */
    FAKE_COUNTER = 0x2000, /* that loop increments these 8 bytes, */
    FAKE_CELL = 0x2008,    /* and reads these */
    FAKE_SPIN = 0x3000,    /* the other threads: jump to itself */
    FAKE_THREADS = 4,
    FAKE_BREAKS = 16,
    FAKE_HW_SLOTS = 4,
};

/* Register numbers: amd64's core has 0 to 39. */
enum {
    FAKE_RAX = 0,
    FAKE_RBP = 6,
    FAKE_RSP = 7,
    FAKE_RIP = 16,
    FAKE_EFLAGS = 17,
    FAKE_G_COUNT = 24,
    FAKE_ST0 = 24,
    FAKE_G_MAX = 40,
    FAKE_CR0 = 40,
    FAKE_CR3 = 41,
    FAKE_GHOST = 42, /* cannot be read now */
    FAKE_FIXED = 43, /* cannot be written */
    FAKE_REGISTERS = 44,
};

struct fake_break {
    bool used;
    enum gdb_break_type type;
    gva_t address;
    uint64_t size;
    uint8_t conditions[256], commands[256]; /* as the stub gives them */
    size_t conditions_size, commands_size;
};

struct fake {
    unsigned threads;
    uint8_t memory[FAKE_SIZE];
    uint8_t registers[FAKE_THREADS + 1][FAKE_REGISTERS][16]; /* by thread, from 1 */
    struct fake_break breaks[FAKE_BREAKS];
    enum gdb_action actions[FAKE_THREADS + 1];
    gva_t range_start[FAKE_THREADS + 1], range_end[FAKE_THREADS + 1]; /* for steps */
    unsigned patience; /* line_waits() is true after so many calls; 0: never */
    bool running;
    bool interrupt_wanted;
    bool physical;
    struct gdb_stop stop; /* set by fake_run() */

    /* What the stub has called. */
    unsigned attached, detached, killed, restarted, interrupts, resumes;
    unsigned writes[FAKE_REGISTERS]; /* by register */
    unsigned break_calls;
    unsigned pc_sets;
    unsigned step_flags; /* how steps are made */
};

extern struct fake fake;
/* What breakpoint commands print; NULL: thrown away. */
extern void (*fake_print)(const char *text, size_t size);
extern struct gdb_target fake_target; /* not const: tests take optional members away */

/* Everything as at the start: 1 to FAKE_THREADS threads, stopped. */
void fake_reset(unsigned threads);

/*
 * Lets the threads run, at most count instructions each. True when one stopped; fake.stop then
 * says why, and it is for the caller to tell the stub. False at once when not running.
 */
bool fake_run(unsigned count);

uint64_t fake_get(unsigned thread, unsigned number);
void fake_set(unsigned thread, unsigned number, uint64_t value);
size_t fake_break_count(void);
bool fake_has_break(enum gdb_break_type type, gva_t address);
struct fake_break *fake_find_break(enum gdb_break_type type, gva_t address, uint64_t size);

/* fake_registers.c: the target's reg_size and description. */
size_t fake_register_size(unsigned number);
const char *fake_description(void);

/* fake_agent.c: the target's break_agent; no room for more than 256 bytes of either. */
enum hv_status fake_break_agent(enum gdb_break_type type, gva_t address,
                                const struct gdb_break_agent *agent);
bool fake_agent_register(unsigned thread, unsigned number, uint64_t *value);

/* fake_trace.c: the target's tracepoints; 16 KiB of buffer. */
extern struct gdb_trace fake_trace;
/* How often it was armed; how often it refuses that. */
extern unsigned fake_trace_arms, fake_trace_refusals;
void fake_trace_reset(void);
enum hv_status fake_trace_arm(void);
void fake_trace_disarm(void);
/* The thread is about to execute what is at pc. */
void fake_trace_execute(unsigned thread, gva_t pc);

/* Evaluates expressions as they are there; true when one is not 0 or cannot be evaluated. */
bool fake_evaluate(unsigned thread, const uint8_t *code, size_t size);

#endif
