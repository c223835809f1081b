/*
 * Agent expressions: the bytecode that gdb compiles conditions, commands and what tracepoints
 * collect to, so that the target can evaluate them by itself.
 *
 * "Debugging with GDB", appendix "The GDB Agent Expression Mechanism".
 */
#ifndef GDBSTUB_AGENT_H
#define GDBSTUB_AGENT_H

#include "hv/types.h"

enum {
    AGENT_STACK = 64,
    AGENT_STEPS = 10000,      /* bytecodes that one evaluation executes at most */
    AGENT_STRING = 256,       /* bytes of a %s that are printed at most */
    AGENT_COLLECT = 1u << 20, /* bytes that one evaluation collects at most */
};

/* Why an evaluation ended. */
enum agent_result {
    AGENT_DONE,
    AGENT_BAD_OPCODE, /* not in the manual, or for floating point, which it does not define */
    AGENT_BAD_END,    /* the code ends without `end`, amid an operand, or a jump leaves it */
    AGENT_OVERFLOW,   /* of the stack */
    AGENT_UNDERFLOW,
    AGENT_DIVISION, /* by zero */
    AGENT_MEMORY,   /* not mapped */
    AGENT_REGISTER, /* there is none with that number, or it is no integer */
    AGENT_VARIABLE, /* the same of trace state variables */
    AGENT_FORMAT,   /* printf: not terminated, or it does not fit its arguments */
    AGENT_COLLECTS, /* there is nothing to collect for, or no room */
    AGENT_PRINTS,   /* there is nobody to print for */
    AGENT_TOO_LONG, /* AGENT_STEPS */
    AGENT_RESULTS,
};

/*
 * What expressions are about. thread is what agent_run() was given. Each member but the first two
 * may be NULL; false, and less than size bytes, end the evaluation.
 */
struct agent_machine {
    bool (*reg)(unsigned thread, unsigned number, uint64_t *value);
    size_t (*read)(unsigned thread, gva_t address, void *buf, size_t size);
    bool (*get_variable)(unsigned thread, unsigned number, uint64_t *value);
    bool (*set_variable)(unsigned thread, unsigned number, uint64_t value);
    bool (*collect)(unsigned thread, gva_t address, size_t size);
    bool (*collect_variable)(unsigned thread, unsigned number);
    void (*print)(unsigned thread, const char *text, size_t size);
};

/*
 * Evaluates size bytes of code. value: the top of the stack at the end, without which it is
 * AGENT_UNDERFLOW; NULL when the expression is there for what it does.
 */
enum agent_result agent_run(const struct agent_machine *machine, unsigned thread,
                            const uint8_t *code, size_t size, uint64_t *value);

/*
 * What printf does, with gdb's format: escapes as in C source, %d %i %u %x %X %c %s %p with flags,
 * width and precision (both up to 255). False: the format wants more arguments, or what is unknown.
 */
bool agent_print(const struct agent_machine *machine, unsigned thread, const char *format,
                 const uint64_t *args, unsigned count);

#endif
