/*
 * Tracepoints: where, on what condition, what is collected, and the state of the trace run. The
 * packets are answered by trace_packets.c; what hits is told by the target, which keeps the lock:
 * at any time at most one CPU is in here.
 *
 * "Debugging with GDB", "Tracepoints" and "Tracepoint Packets".
 */
#ifndef GDBSTUB_TRACE_H
#define GDBSTUB_TRACE_H

#include "gdbstub/trace_buffer.h"
#include "hv/status.h"

enum {
    TRACE_POINTS = 64,
    TRACE_CODE = 16384, /* bytes of all conditions and actions */
    TRACE_VARIABLES = 32,
    TRACE_NAME = 32,
    TRACE_RANGES = 16, /* of read-only memory */
};

struct trace_point {
    unsigned number;
    gva_t address;
    bool enabled;
    bool stepping;                /* the next actions are for steps */
    uint64_t steps, pass;         /* instructions to step; hits after which the run ends, 0: none */
    uint64_t hits, bytes;         /* so far */
    size_t condition, conditions; /* in code[]: where, and how many bytes; 0: none */
    size_t action, actions;       /* the same of the actions, of hits and of steps */
    size_t source, sources;       /* and of what the user said, see below */
};

struct trace_variable {
    unsigned number;
    uint64_t value, initial;
    char name[TRACE_NAME];
};

enum trace_reason {
    TRACE_NOT_RUN,
    TRACE_STOPPED,
    TRACE_FULL,
    TRACE_PASSED,
    TRACE_ERROR,
    TRACE_GONE
};

struct gdb_trace {
    struct trace_buffer buffer;
    size_t capacity; /* of the buffer's memory; it may be set to use less */
    bool running;
    enum trace_reason reason; /* for which it does not run */
    unsigned culprit;         /* the tracepoint of TRACE_PASSED, TRACE_ERROR */
    const char *error;
    unsigned points, variables, ranges;
    struct trace_point point[TRACE_POINTS];
    struct trace_variable variable[TRACE_VARIABLES];
    gva_t range[TRACE_RANGES][2];
    size_t code_used;
    uint8_t code[TRACE_CODE];
};

/* What is collected from: a CPU that has hit. Less than size: not mapped. */
struct trace_source {
    bool (*reg)(unsigned thread, unsigned number, uint64_t *value);
    size_t (*read)(unsigned thread, gva_t address, void *buf, size_t size);
    void (*registers)(unsigned thread, uint8_t *g); /* TRACE_REGISTERS bytes, as in a g reply */
};

/* bytes: memory for what is collected. */
void trace_init(struct gdb_trace *trace, uint8_t *bytes, size_t size);

/* Forgets tracepoints, variables and frames (QTinit). */
void trace_clear(struct gdb_trace *trace);

void trace_start(struct gdb_trace *trace);
void trace_stop(struct gdb_trace *trace, enum trace_reason reason);

/* The kinds of actions: a byte of kind, its length in two bytes, the low one first, and what it is
 * about. With TRACE_STEP it is for steps. */
enum { TRACE_STEP = 0x80 };

/* What the user said, for a gdb that comes later: the length in two bytes, then
 * KIND:START:SIZE:TEXT as QTDPsrc has it. */
enum { TRACE_SOURCE_HEAD = 2 };

/* HV_ENOSPC, HV_EINVAL: it comes neither with nor right behind its tracepoint. */
enum hv_status trace_add_code(struct gdb_trace *trace, size_t *where, size_t *size,
                              const void *bytes, size_t count);

struct trace_point *trace_find(struct gdb_trace *trace, unsigned number, gva_t address);
struct trace_variable *trace_find_variable(struct gdb_trace *trace, unsigned number);

/*
 * thread is at address, in front of the instruction. Returns how many of its steps are to be told
 * by trace_step(), for the tracepoint *point.
 */
uint64_t trace_hit(struct gdb_trace *trace, const struct trace_source *source, unsigned thread,
                   gva_t address, unsigned *point);
void trace_step(struct gdb_trace *trace, const struct trace_source *source, unsigned thread,
                unsigned point);

/* Where a frame's tracepoint is. */
gva_t trace_frame_address(const struct gdb_trace *trace, const struct trace_frame *frame);

/* The registers of a frame, as in a g reply; NULL: it has none. */
const uint8_t *trace_frame_registers(const struct trace_frame *frame);

/* Memory of a frame; how many bytes from address on it has. */
size_t trace_frame_memory(const struct trace_frame *frame, gva_t address, void *buf, size_t size);

#endif
