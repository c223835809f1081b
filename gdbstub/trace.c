#include "gdbstub/trace.h"

#include "gdbstub/agent.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* The hit that is being collected: the callbacks of agent expressions take no cookie. */
static struct gdb_trace *at_work;
static const struct trace_source *source_at_work;

void trace_init(struct gdb_trace *trace, uint8_t *bytes, size_t size)
{
    memset(trace, 0, sizeof(*trace));
    trace->buffer.bytes = bytes;
    trace->buffer.size = trace->capacity = size;
}

void trace_clear(struct gdb_trace *trace)
{
    trace->running = false;
    trace->reason = TRACE_NOT_RUN;
    trace->points = trace->variables = trace->ranges = 0;
    trace->code_used = 0;
    trace_buffer_clear(&trace->buffer);
}

void trace_start(struct gdb_trace *trace)
{
    trace_buffer_clear(&trace->buffer);
    for (unsigned i = 0; i < trace->points; i++)
        trace->point[i].hits = trace->point[i].bytes = 0;
    for (unsigned i = 0; i < trace->variables; i++)
        trace->variable[i].value = trace->variable[i].initial;
    trace->running = true;
}

void trace_stop(struct gdb_trace *trace, enum trace_reason reason)
{
    if (trace->running)
        trace->reason = reason;
    trace->running = false;
}

enum hv_status trace_add_code(struct gdb_trace *trace, size_t *where, size_t *size,
                              const void *bytes, size_t count)
{
    if (*size == 0)
        *where = trace->code_used;
    else if (*where + *size != trace->code_used)
        return HV_EINVAL;
    if (count > TRACE_CODE - trace->code_used)
        return HV_ENOSPC;
    memcpy(trace->code + trace->code_used, bytes, count);
    trace->code_used += count;
    *size += count;
    return HV_OK;
}

struct trace_point *trace_find(struct gdb_trace *trace, unsigned number, gva_t address)
{
    for (unsigned i = 0; i < trace->points; i++) {
        if (trace->point[i].number == number && trace->point[i].address == address)
            return &trace->point[i];
    }
    return NULL;
}

struct trace_variable *trace_find_variable(struct gdb_trace *trace, unsigned number)
{
    for (unsigned i = 0; i < trace->variables; i++) {
        if (trace->variable[i].number == number)
            return &trace->variable[i];
    }
    return NULL;
}

/* ---- collecting ------------------------------------------------------------------------------ */

static bool get_variable(unsigned thread, unsigned number, uint64_t *value)
{
    const struct trace_variable *variable = trace_find_variable(at_work, number);

    (void)thread;
    if (variable)
        *value = variable->value;
    return variable != NULL;
}

static bool set_variable(unsigned thread, unsigned number, uint64_t value)
{
    struct trace_variable *variable = trace_find_variable(at_work, number);

    (void)thread;
    if (variable)
        variable->value = value;
    return variable != NULL;
}

/* What cannot be read is left out. */
static bool collect(unsigned thread, gva_t address, size_t size)
{
    struct trace_buffer *buffer = &at_work->buffer;

    while (size > 0) {
        size_t part = HV_MIN(size, 0x1000 - (address & 0xfff));
        uint8_t *bytes = trace_add_memory(buffer, address, part);

        if (!bytes)
            return false;
        if (source_at_work->read(thread, address, bytes, part) != part)
            buffer->end = (size_t)(bytes - buffer->bytes) - (1 + 8 + 2);
        address += part;
        size -= part;
    }
    return true;
}

static bool collect_variable(unsigned thread, unsigned number)
{
    uint64_t value;

    return get_variable(thread, number, &value) &&
           trace_add_variable(&at_work->buffer, number, value);
}

/* The run ends: why, and by whom. */
static void end_run(struct gdb_trace *trace, enum trace_reason reason, unsigned culprit,
                    const char *error)
{
    trace_stop(trace, reason);
    trace->culprit = culprit;
    trace->error = error;
}

static const char *const errors[AGENT_RESULTS] = {
    [AGENT_BAD_OPCODE] = "unknown bytecode", [AGENT_BAD_END] = "malformed expression",
    [AGENT_OVERFLOW] = "stack overflow",     [AGENT_UNDERFLOW] = "stack underflow",
    [AGENT_DIVISION] = "division by zero",   [AGENT_MEMORY] = "memory is not mapped",
    [AGENT_REGISTER] = "no such register",   [AGENT_VARIABLE] = "no such variable",
    [AGENT_FORMAT] = "bad format",           [AGENT_COLLECTS] = "no room",
    [AGENT_PRINTS] = "nothing prints here",  [AGENT_TOO_LONG] = "expression runs too long",
};

static enum agent_result evaluate(const struct trace_source *source, unsigned thread,
                                  const uint8_t *code, size_t size, uint64_t *value)
{
    struct agent_machine machine = {.reg = source->reg,
                                    .read = source->read,
                                    .get_variable = get_variable,
                                    .set_variable = set_variable,
                                    .collect = collect,
                                    .collect_variable = collect_variable};

    return agent_run(&machine, thread, code, size, value);
}

/* M: a register's number, -1 for none; an offset; a length. */
static enum agent_result collect_memory(const struct trace_source *source, unsigned thread,
                                        const uint8_t *what)
{
    uint64_t base = 0, length;
    int64_t offset;
    int32_t number;

    memcpy(&number, what, sizeof(number));
    memcpy(&offset, what + 4, sizeof(offset));
    memcpy(&length, what + 12, sizeof(length));
    if (number >= 0 && !source->reg(thread, (unsigned)number, &base))
        return AGENT_REGISTER;
    if (length > AGENT_COLLECT)
        return AGENT_COLLECTS;
    return collect(thread, base + (uint64_t)offset, length) ? AGENT_DONE : AGENT_COLLECTS;
}

static enum agent_result act(const struct trace_source *source, unsigned thread, char kind,
                             const uint8_t *what, size_t size)
{
    uint8_t *registers;

    switch (kind) {
    case 'R':
        registers = trace_add_registers(&at_work->buffer);
        if (!registers)
            return AGENT_COLLECTS;
        source->registers(thread, registers);
        return AGENT_DONE;
    case 'M':
        return collect_memory(source, thread, what);
    default: /* 'X' */
        return evaluate(source, thread, what, size, NULL);
    }
}

/* A frame by those actions that are for steps, or not. */
static void make_frame(struct gdb_trace *trace, const struct trace_source *source, unsigned thread,
                       struct trace_point *point, bool stepping)
{
    enum agent_result result = AGENT_DONE;
    size_t at = point->action;
    bool room = trace_frame_begin(&trace->buffer, point->number);

    while (room && result == AGENT_DONE && at < point->action + point->actions) {
        const uint8_t *action = trace->code + at;
        size_t size = action[1] + 256U * action[2];

        if (((action[0] & TRACE_STEP) != 0) == stepping)
            result = act(source, thread, (char)(action[0] & ~TRACE_STEP), action + 3, size);
        at += 3 + size;
    }
    if (!room || result == AGENT_COLLECTS) {
        end_run(trace, TRACE_FULL, point->number, NULL);
    } else if (result != AGENT_DONE) {
        end_run(trace, TRACE_ERROR, point->number, errors[result]);
    } else {
        point->bytes += trace->buffer.end - trace->buffer.used;
        trace_frame_end(&trace->buffer);
    }
}

/* Its condition holds, or it has none; an error ends the run. */
static bool is_wanted(struct gdb_trace *trace, const struct trace_source *source, unsigned thread,
                      const struct trace_point *point)
{
    enum agent_result result;
    uint64_t value = 0;

    if (!point->conditions)
        return true;
    result = evaluate(source, thread, trace->code + point->condition, point->conditions, &value);
    if (result != AGENT_DONE)
        end_run(trace, TRACE_ERROR, point->number, errors[result]);
    return result == AGENT_DONE && value != 0;
}

uint64_t trace_hit(struct gdb_trace *trace, const struct trace_source *source, unsigned thread,
                   gva_t address, unsigned *point)
{
    uint64_t steps = 0;

    at_work = trace;
    source_at_work = source;
    for (unsigned i = 0; i < trace->points && trace->running; i++) {
        struct trace_point *p = &trace->point[i];

        if (p->address != address || !p->enabled || !is_wanted(trace, source, thread, p))
            continue;
        make_frame(trace, source, thread, p, false);
        if (!trace->running)
            break;
        p->hits++;
        if (p->steps > steps) {
            steps = p->steps;
            *point = i;
        }
        if (p->pass && p->hits >= p->pass)
            end_run(trace, TRACE_PASSED, p->number, NULL);
    }
    return steps;
}

void trace_step(struct gdb_trace *trace, const struct trace_source *source, unsigned thread,
                unsigned point)
{
    at_work = trace;
    source_at_work = source;
    if (trace->running && point < trace->points)
        make_frame(trace, source, thread, &trace->point[point], true);
}

/* ---- frames ---------------------------------------------------------------------------------- */

const uint8_t *trace_frame_registers(const struct trace_frame *frame)
{
    struct trace_block block;
    size_t at = 0;

    while (trace_block_next(frame, &at, &block)) {
        if (block.kind == 'R')
            return block.data;
    }
    return NULL;
}

gva_t trace_frame_address(const struct gdb_trace *trace, const struct trace_frame *frame)
{
    for (unsigned i = 0; i < trace->points; i++) {
        if (trace->point[i].number == frame->point)
            return trace->point[i].address;
    }
    return 0;
}

size_t trace_frame_memory(const struct trace_frame *frame, gva_t address, void *buf, size_t size)
{
    struct trace_block block;
    size_t done = 0, at = 0;

    while (done < size && trace_block_next(frame, &at, &block)) {
        gva_t offset = address + done - block.address;
        size_t part;

        if (block.kind != 'M' || offset >= block.size)
            continue;
        part = HV_MIN(size - done, block.size - offset);
        memcpy((uint8_t *)buf + done, block.data + offset, part);
        done += part;
        at = 0; /* what follows may stand before */
    }
    return done;
}
