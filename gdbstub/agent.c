#include "gdbstub/agent.h"

#include "hv/compiler.h"

/* "Bytecode Descriptions". */
enum opcode {
    OP_FLOAT = 0x01,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV_SIGNED,
    OP_DIV_UNSIGNED,
    OP_REM_SIGNED,
    OP_REM_UNSIGNED,
    OP_LSH,
    OP_RSH_SIGNED,
    OP_RSH_UNSIGNED,
    OP_TRACE,
    OP_TRACE_QUICK,
    OP_LOG_NOT,
    OP_BIT_AND,
    OP_BIT_OR,
    OP_BIT_XOR,
    OP_BIT_NOT,
    OP_EQUAL,
    OP_LESS_SIGNED,
    OP_LESS_UNSIGNED,
    OP_EXT,
    OP_REF8,
    OP_REF16,
    OP_REF32,
    OP_REF64,
    OP_IF_GOTO = 0x20,
    OP_GOTO,
    OP_CONST8,
    OP_CONST16,
    OP_CONST32,
    OP_CONST64,
    OP_REG,
    OP_END,
    OP_DUP,
    OP_POP,
    OP_ZERO_EXT,
    OP_SWAP,
    OP_GETV,
    OP_SETV,
    OP_TRACEV,
    OP_TRACENZ,
    OP_TRACE16,
    OP_PICK = 0x32,
    OP_ROT,
    OP_PRINTF,
};

struct run {
    const struct agent_machine *machine;
    unsigned thread;
    const uint8_t *code;
    size_t size, pc;
    uint64_t stack[AGENT_STACK];
    unsigned depth;
    size_t collected;         /* bytes */
    enum agent_result result; /* the first one that is not AGENT_DONE stays */
};

static void fail(struct run *run, enum agent_result why)
{
    if (run->result == AGENT_DONE)
        run->result = why;
}

static void push(struct run *run, uint64_t value)
{
    if (run->depth == AGENT_STACK)
        fail(run, AGENT_OVERFLOW);
    else
        run->stack[run->depth++] = value;
}

static uint64_t pop(struct run *run)
{
    if (run->depth > 0)
        return run->stack[--run->depth];
    fail(run, AGENT_UNDERFLOW);
    return 0;
}

/* The item n below the top. */
static uint64_t peek(struct run *run, unsigned n)
{
    if (n < run->depth)
        return run->stack[run->depth - 1 - n];
    fail(run, AGENT_UNDERFLOW);
    return 0;
}

/* An operand in the code: size bytes, big-endian. */
static uint64_t operand(struct run *run, unsigned size)
{
    uint64_t value = 0;

    if (run->size - run->pc < size) {
        fail(run, AGENT_BAD_END);
        return 0;
    }
    while (size-- > 0)
        value = value << 8 | run->code[run->pc++];
    return value;
}

/* The lowest bits of value, as a signed number or not; 64 and more are all of it. */
static uint64_t extend(uint64_t value, uint64_t bits, bool is_signed)
{
    uint64_t mask = bits < 64 ? (1ULL << bits) - 1 : UINT64_MAX;
    bool negative = is_signed && bits > 0 && bits < 64 && (value >> (bits - 1) & 1);

    return negative ? value | ~mask : value & mask;
}

/* Division of signed numbers: towards zero, and it wraps as the other operations do. */
static uint64_t divide(uint64_t a, uint64_t b, bool remainder)
{
    if (b == UINT64_MAX)
        return remainder ? 0 : 0 - a;
    return (uint64_t)(remainder ? (int64_t)a % (int64_t)b : (int64_t)a / (int64_t)b);
}

static uint64_t shift_right(uint64_t value, uint64_t by, bool is_signed)
{
    uint64_t fill = is_signed && value >> 63 ? UINT64_MAX : 0;

    if (by == 0)
        return value;
    return by < 64 ? value >> by | fill << (64 - by) : fill;
}

static uint64_t binary(struct run *run, enum opcode op, uint64_t a, uint64_t b)
{
    switch (op) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_MUL:
        return a * b;
    case OP_DIV_SIGNED:
    case OP_DIV_UNSIGNED:
    case OP_REM_SIGNED:
    case OP_REM_UNSIGNED:
        if (b == 0) {
            fail(run, AGENT_DIVISION);
            return 0;
        }
        if (op == OP_DIV_SIGNED || op == OP_REM_SIGNED)
            return divide(a, b, op == OP_REM_SIGNED);
        return op == OP_DIV_UNSIGNED ? a / b : a % b;
    case OP_LSH:
        return b < 64 ? a << b : 0;
    case OP_RSH_SIGNED:
    case OP_RSH_UNSIGNED:
        return shift_right(a, b, op == OP_RSH_SIGNED);
    case OP_BIT_AND:
        return a & b;
    case OP_BIT_OR:
        return a | b;
    case OP_BIT_XOR:
        return a ^ b;
    case OP_EQUAL:
        return a == b;
    case OP_LESS_SIGNED:
        return (int64_t)a < (int64_t)b;
    default: /* OP_LESS_UNSIGNED */
        return a < b;
    }
}

static void reference(struct run *run, unsigned size)
{
    gva_t address = pop(run);
    uint64_t value = 0;

    if (run->result == AGENT_DONE && run->machine->read(run->thread, address, &value, size) != size)
        fail(run, AGENT_MEMORY);
    push(run, value);
}

static void jump(struct run *run, bool always)
{
    uint64_t to = operand(run, 2);

    if (!always && pop(run) == 0)
        return;
    if (to >= run->size)
        fail(run, AGENT_BAD_END);
    run->pc = to;
}

static void reg(struct run *run)
{
    unsigned number = (unsigned)operand(run, 2);
    uint64_t value = 0;

    if (run->result == AGENT_DONE && !run->machine->reg(run->thread, number, &value))
        fail(run, AGENT_REGISTER);
    push(run, value);
}

static void variable(struct run *run, enum opcode op)
{
    const struct agent_machine *machine = run->machine;
    unsigned number = (unsigned)operand(run, 2);
    uint64_t value = op == OP_SETV ? peek(run, 0) : 0;
    bool good;

    if (run->result != AGENT_DONE)
        return;
    if (op == OP_SETV)
        good = machine->set_variable && machine->set_variable(run->thread, number, value);
    else if (op == OP_GETV)
        good = machine->get_variable && machine->get_variable(run->thread, number, &value);
    else
        good = machine->collect_variable && machine->collect_variable(run->thread, number);
    if (!good)
        fail(run, op == OP_TRACEV ? AGENT_COLLECTS : AGENT_VARIABLE);
    if (op == OP_GETV)
        push(run, value);
}

static void collect(struct run *run, gva_t address, uint64_t size)
{
    if (run->result != AGENT_DONE)
        return;
    if (run->machine->collect == NULL || size > AGENT_COLLECT - run->collected ||
        (size > 0 && !run->machine->collect(run->thread, address, size)))
        fail(run, AGENT_COLLECTS);
    else
        run->collected += size;
}

/* A string: up to and with its 0, at most so many bytes. */
static void collect_string(struct run *run, gva_t address, uint64_t most)
{
    uint64_t size = 0;
    uint8_t byte = 1;

    most = HV_MIN(most, AGENT_COLLECT - run->collected);
    while (run->result == AGENT_DONE && size < most && byte != 0) {
        if (run->machine->read(run->thread, address + size, &byte, 1) != 1)
            break;
        size++;
    }
    collect(run, address, size);
}

static void trace(struct run *run, enum opcode op)
{
    uint64_t a;

    switch (op) {
    case OP_TRACE:
    case OP_TRACENZ:
        a = pop(run);
        if (op == OP_TRACE)
            collect(run, pop(run), a);
        else
            collect_string(run, pop(run), a);
        return;
    default: /* OP_TRACE_QUICK, OP_TRACE16: the address stays */
        a = operand(run, op == OP_TRACE16 ? 2 : 1);
        collect(run, peek(run, 0), a);
        return;
    }
}

/* `printf NARGS LENGTH FORMAT`: on the stack function, channel, and the arguments, first one up. */
static void print(struct run *run)
{
    unsigned count = (unsigned)operand(run, 1);
    size_t length = operand(run, 2);
    const char *format = (const char *)run->code + run->pc;
    uint64_t args[AGENT_STACK];

    if (run->result != AGENT_DONE)
        return;
    if (run->size - run->pc < length || count > AGENT_STACK) {
        fail(run, count > AGENT_STACK ? AGENT_UNDERFLOW : AGENT_BAD_END);
        return;
    }
    run->pc += length;
    pop(run);
    pop(run);
    for (unsigned i = 0; i < count; i++)
        args[i] = pop(run);
    if (run->result == AGENT_DONE && run->machine->print == NULL)
        fail(run, AGENT_PRINTS);
    else if (run->result == AGENT_DONE &&
             (length == 0 || format[length - 1] != '\0' ||
              !agent_print(run->machine, run->thread, format, args, count)))
        fail(run, AGENT_FORMAT);
}

static void shuffle(struct run *run, enum opcode op)
{
    uint64_t c, b, a;

    switch (op) {
    case OP_DUP:
        push(run, peek(run, 0));
        return;
    case OP_POP:
        pop(run);
        return;
    case OP_PICK:
        push(run, peek(run, (unsigned)operand(run, 1)));
        return;
    case OP_SWAP:
        b = pop(run);
        a = pop(run);
        push(run, b);
        push(run, a);
        return;
    default: /* OP_ROT: a b c -> c a b */
        c = pop(run);
        b = pop(run);
        a = pop(run);
        push(run, c);
        push(run, a);
        push(run, b);
        return;
    }
}

static void unary(struct run *run, enum opcode op)
{
    uint64_t value = pop(run);

    if (op == OP_LOG_NOT)
        push(run, value == 0);
    else if (op == OP_BIT_NOT)
        push(run, ~value);
    else
        push(run, extend(value, operand(run, 1), op == OP_EXT));
}

static void execute(struct run *run, enum opcode op)
{
    uint64_t b;

    switch (op) {
    case OP_ADD ... OP_RSH_UNSIGNED:
    case OP_BIT_AND ... OP_BIT_XOR:
    case OP_EQUAL ... OP_LESS_UNSIGNED:
        b = pop(run);
        push(run, binary(run, op, pop(run), b));
        return;
    case OP_LOG_NOT:
    case OP_BIT_NOT:
    case OP_EXT:
    case OP_ZERO_EXT:
        unary(run, op);
        return;
    case OP_REF8 ... OP_REF64:
        reference(run, 1U << (op - OP_REF8));
        return;
    case OP_CONST8 ... OP_CONST64:
        push(run, operand(run, 1U << (op - OP_CONST8)));
        return;
    case OP_IF_GOTO:
    case OP_GOTO:
        jump(run, op == OP_GOTO);
        return;
    case OP_REG:
        reg(run);
        return;
    case OP_DUP:
    case OP_POP:
    case OP_SWAP:
    case OP_PICK:
    case OP_ROT:
        shuffle(run, op);
        return;
    case OP_GETV:
    case OP_SETV:
    case OP_TRACEV:
        variable(run, op);
        return;
    case OP_TRACE:
    case OP_TRACE_QUICK:
    case OP_TRACENZ:
    case OP_TRACE16:
        trace(run, op);
        return;
    case OP_PRINTF:
        print(run);
        return;
    case OP_FLOAT: /* "not defined yet", says the manual, as of those between ref64 and if_goto */
    case OP_END:   /* not here */
        break;
    }
    fail(run, AGENT_BAD_OPCODE);
}

enum agent_result agent_run(const struct agent_machine *machine, unsigned thread,
                            const uint8_t *code, size_t size, uint64_t *value)
{
    struct run run;

    run.machine = machine;
    run.thread = thread;
    run.code = code;
    run.size = size;
    run.pc = 0;
    run.depth = 0;
    run.collected = 0;
    run.result = AGENT_DONE;
    for (unsigned steps = 0; run.result == AGENT_DONE; steps++) {
        enum opcode op;

        if (run.pc >= size)
            return AGENT_BAD_END;
        if (steps == AGENT_STEPS)
            return AGENT_TOO_LONG;
        op = code[run.pc++];
        if (op == OP_END) {
            if (value != NULL)
                *value = peek(&run, 0);
            return run.result;
        }
        execute(&run, op);
    }
    return run.result;
}
