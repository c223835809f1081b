/* QT...: tracepoints are defined, the run is started and stopped, frames are chosen. */
#include "gdbstub/internal.h"
#include "gdbstub/trace.h"
#include "lib/hex.h"
#include "lib/string.h"

/* No QTNotes' texts are kept: they would only come back to the gdb that has them. */

static bool args_separated(struct gdb_args *args, uint64_t *value)
{
    return args_char(args, ':') && args_number(args, value);
}

/* `LENGTH,CODE`: decoded in place. */
static bool args_code(struct gdb_args *args, const char **code, size_t *size)
{
    uint64_t length;

    if (!args_number(args, &length) || !args_char(args, ',') || length > args_left(args) / 2 ||
        length > UINT16_MAX || !hex_decode(args->p, args->p, length))
        return false;
    *code = args->p;
    *size = length;
    args->p += 2 * length;
    return true;
}

/* A head and what it tells the length of: both or neither. */
static enum hv_status add_record(struct gdb_trace *trace, size_t *where, size_t *count,
                                 const uint8_t *head, size_t head_size, const void *bytes,
                                 size_t size)
{
    enum hv_status status;

    if (head_size + size > TRACE_CODE - trace->code_used)
        return HV_ENOSPC;
    status = trace_add_code(trace, where, count, head, head_size);
    if (status == HV_OK && size > 0)
        status = trace_add_code(trace, where, count, bytes, size);
    return status;
}

static enum hv_status add_action(struct gdb_trace *trace, struct trace_point *point, char kind,
                                 const void *what, size_t size)
{
    uint8_t head[3] = {(uint8_t)((uint8_t)kind | (point->stepping ? TRACE_STEP : 0)), (uint8_t)size,
                       (uint8_t)(size >> 8)};

    return add_record(trace, &point->action, &point->actions, head, sizeof(head), what, size);
}

/* `BASEREG,OFFSET,LENGTH` */
static bool args_memory(struct gdb_args *args, uint8_t *what)
{
    uint64_t number, offset, length;
    bool negative = args_char(args, '-');
    int32_t base;

    if (!args_number(args, &number) || !args_char(args, ',') || !args_number(args, &offset) ||
        !args_char(args, ',') || !args_number(args, &length))
        return false;
    base = negative ? -1 : (int32_t)number;
    memcpy(what, &base, sizeof(base));
    memcpy(what + 4, &offset, sizeof(offset));
    memcpy(what + 12, &length, sizeof(length));
    return true;
}

/* R, M, X; S: from here on for steps. Which registers R names does not matter: it collects all. */
static enum hv_status parse_action(struct gdb_trace *trace, struct trace_point *point,
                                   struct gdb_args *args)
{
    uint8_t what[20];
    const char *code;
    size_t size;

    if (args_char(args, 'S'))
        point->stepping = true;
    if (args_char(args, 'R')) {
        while (args_left(args) > 0 && hex_value(*args->p) >= 0)
            args->p++;
        return add_action(trace, point, 'R', NULL, 0);
    }
    if (args_char(args, 'M'))
        return args_memory(args, what) ? add_action(trace, point, 'M', what, sizeof(what))
                                       : HV_EINVAL;
    if (args_char(args, 'X'))
        return args_code(args, &code, &size) ? add_action(trace, point, 'X', code, size)
                                             : HV_EINVAL;
    if (args_char(args, 'L')) /* static tracepoints' data: there are none */
        return HV_OK;
    return HV_EINVAL;
}

static bool add_actions(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;
    struct trace_point *point;
    uint64_t number, address;
    enum hv_status status = HV_OK;

    if (!args_number(args, &number) || !args_separated(args, &address) || !args_char(args, ':'))
        return reply_error(stub, GDB_EINVAL);
    point = trace_find(trace, (unsigned)number, address);
    if (point == NULL)
        return reply_error(stub, GDB_ENOENT);
    while (status == HV_OK && !args_at_end(args) && *args->p != '-')
        status = parse_action(trace, point, args);
    args_char(args, '-');
    if (status == HV_OK && !args_at_end(args))
        status = HV_EINVAL;
    return reply_status(stub, status);
}

/* QTDP:NUMBER:ADDRESS:E|D:STEPS:PASS[:Fn][:XLENGTH,CODE][-], or QTDP:-NUMBER:ADDRESS:ACTIONS[-] */
static bool define_point(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;
    uint64_t number, address, steps, pass;
    enum hv_status status = HV_OK;
    struct trace_point point;
    const char *code;
    size_t size;
    bool enabled;

    if (args_char(args, '-'))
        return add_actions(stub, args);
    if (!args_number(args, &number) || !args_separated(args, &address) || !args_char(args, ':'))
        return reply_error(stub, GDB_EINVAL);
    enabled = args_char(args, 'E');
    if ((!enabled && !args_char(args, 'D')) || !args_separated(args, &steps) ||
        !args_separated(args, &pass))
        return reply_error(stub, GDB_EINVAL);
    if (trace->points == TRACE_POINTS)
        return reply_error(stub, GDB_ENOSPC);
    point = (struct trace_point){.number = (unsigned)number,
                                 .address = address,
                                 .enabled = enabled,
                                 .steps = steps,
                                 .pass = pass};
    if (args_text(args, ":X")) {
        if (!args_code(args, &code, &size))
            return reply_error(stub, GDB_EINVAL);
        status = trace_add_code(trace, &point.condition, &point.conditions, code, size);
    }
    args_char(args, '-');
    if (status == HV_OK && !args_at_end(args)) /* F: a fast one; S: a static one */
        status = HV_ENOTSUP;
    if (status == HV_OK)
        trace->point[trace->points++] = point;
    return reply_status(stub, status);
}

/* KIND:START:SIZE:TEXT, the text in hexadecimal. */
static bool is_source(struct gdb_args args)
{
    uint64_t start, size;

    if ((!args_text(&args, "at:") && !args_text(&args, "cond:") && !args_text(&args, "cmd:")) ||
        !args_number(&args, &start) || !args_separated(&args, &size) || !args_char(&args, ':'))
        return false;
    while (args_left(&args) > 0 && hex_value(*args.p) >= 0)
        args.p++;
    return args_at_end(&args);
}

/* QTDPsrc:NUMBER:ADDRESS:KIND:START:SIZE:TEXT: kept as it is. */
static bool add_source(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;
    struct trace_point *point;
    uint64_t number, address;
    uint8_t head[TRACE_SOURCE_HEAD];
    size_t size;

    if (!args_number(args, &number) || !args_separated(args, &address) || !args_char(args, ':') ||
        !is_source(*args))
        return reply_error(stub, GDB_EINVAL);
    point = trace_find(trace, (unsigned)number, address);
    if (point == NULL)
        return reply_error(stub, GDB_ENOENT);
    size = args_left(args);
    head[0] = (uint8_t)size;
    head[1] = (uint8_t)(size >> 8);
    return reply_status(stub, add_record(trace, &point->source, &point->sources, head, sizeof(head),
                                         args->p, size));
}

/* QTEnable:NUMBER:ADDRESS, QTDisable: also amid a run. */
static bool enable(struct gdbstub *stub, struct gdb_args *args, bool enabled)
{
    struct gdb_trace *trace = stub->target->trace;
    enum hv_status status = HV_OK;
    struct trace_point *point;
    uint64_t number, address;

    if (!args_number(args, &number) || !args_separated(args, &address) || !args_at_end(args))
        return reply_error(stub, GDB_EINVAL);
    point = trace_find(trace, (unsigned)number, address);
    if (point == NULL)
        return reply_error(stub, GDB_ENOENT);
    point->enabled = enabled;
    if (trace->running)
        status = stub->target->trace_arm();
    if (status != HV_OK) {
        point->enabled = false;
        stub->target->trace_arm(); /* what was armed before */
    }
    return status == HV_ENOTSUP ? reply_error(stub, GDB_EINVAL) : reply_status(stub, status);
}

/* QTDV:NUMBER:VALUE:BUILTIN:NAME */
static bool define_variable(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;
    struct trace_variable *variable;
    uint64_t number, value, builtin;
    size_t size;

    if (!args_number(args, &number) || !args_separated(args, &value) ||
        !args_separated(args, &builtin) || !args_char(args, ':'))
        return reply_error(stub, GDB_EINVAL);
    variable = trace_find_variable(trace, (unsigned)number);
    if (variable == NULL && trace->variables == TRACE_VARIABLES)
        return reply_error(stub, GDB_ENOSPC);
    if (variable == NULL)
        variable = &trace->variable[trace->variables++];
    memset(variable, 0, sizeof(*variable));
    variable->number = (unsigned)number;
    variable->value = variable->initial = value;
    size = HV_MIN(args_left(args) / 2, sizeof(variable->name) - 1);
    if (!hex_decode(variable->name, args->p, size))
        variable->name[0] = '\0';
    return reply_ok(stub);
}

/* QTro:START,END:START,END...: what is read from memory as it is. */
static bool define_ranges(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;
    uint64_t start, end;

    trace->ranges = 0;
    while (args_separated(args, &start) && args_char(args, ',') && args_number(args, &end)) {
        if (trace->ranges < TRACE_RANGES) {
            trace->range[trace->ranges][0] = start;
            trace->range[trace->ranges++][1] = end;
        }
    }
    return reply_ok(stub);
}

/* QTBuffer:circular:N, QTBuffer:size:N; -1: all there is. */
static bool set_buffer(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;
    uint64_t value;

    if (args_text(args, "circular:") && args_number(args, &value)) {
        trace->buffer.circular = value != 0;
        return reply_ok(stub);
    }
    if (!args_text(args, "size:"))
        return reply_error(stub, GDB_EINVAL);
    if (args_text(args, "-1"))
        value = trace->capacity;
    else if (!args_number(args, &value) || value > trace->capacity)
        return reply_error(stub, GDB_EINVAL);
    trace_buffer_clear(&trace->buffer);
    trace->buffer.size = value;
    return reply_ok(stub);
}

static bool start(struct gdbstub *stub)
{
    enum hv_status status = stub->target->trace_arm();

    if (status == HV_OK)
        trace_start(stub->target->trace);
    return status == HV_ENOTSUP ? reply_error(stub, GDB_EINVAL) : reply_status(stub, status);
}

static bool stop(struct gdbstub *stub)
{
    trace_stop(stub->target->trace, TRACE_STOPPED);
    stub->target->trace_disarm();
    return reply_ok(stub);
}

/* QTFrame: by number, or the next one that fits. */
static bool choose_frame(struct gdbstub *stub, struct gdb_args *args)
{
    const struct gdb_trace *trace = stub->target->trace;
    unsigned from = stub->frame_chosen ? stub->chosen.number + 1 : 0;
    bool by_pc = args_text(args, "pc:"), by_point = !by_pc && args_text(args, "tdp:");
    bool inside = !by_pc && !by_point && args_text(args, "range:");
    bool outside = !by_pc && !by_point && !inside && args_text(args, "outside:");
    struct trace_frame frame;
    uint64_t a, b;

    if (!args_number(args, &a))
        return reply_error(stub, GDB_EINVAL);
    b = a;
    if ((inside || outside) &&
        (!args_separated(args, &b) && (!args_char(args, ',') || !args_number(args, &b))))
        return reply_error(stub, GDB_EINVAL);
    if (!by_pc && !by_point && !inside && !outside) {
        if ((uint32_t)a == UINT32_MAX) {
            stub->frame_chosen = false;
            return reply_ok(stub);
        }
        from = (unsigned)a;
    }
    for (unsigned n = from; trace_frame_get(&trace->buffer, n, &frame); n++) {
        gva_t pc = trace_pc(stub, &frame);

        if ((by_pc && pc != a) || (by_point && frame.point != a) ||
            (inside && (pc < a || pc > b)) || (outside && pc >= a && pc <= b))
            continue;
        stub->frame_chosen = true;
        stub->chosen = frame;
        reply_char(stub, 'F');
        reply_number(stub, n);
        reply_char(stub, 'T');
        reply_number(stub, frame.point);
        return true;
    }
    reply_text(stub, "F-1");
    return true;
}

bool packet_trace_set(struct gdbstub *stub, struct gdb_args *args)
{
    struct gdb_trace *trace = stub->target->trace;

    if (trace == NULL)
        return reply_empty(stub);
    if (args_text(args, "Frame:"))
        return choose_frame(stub, args);
    stub->frame_chosen = false;
    if (args_text(args, "init")) {
        stub->target->trace_disarm();
        trace_clear(trace);
        return reply_ok(stub);
    }
    if (args_text(args, "Start"))
        return start(stub);
    if (args_text(args, "Stop"))
        return stop(stub);
    if (args_text(args, "Disconnected:") || args_text(args, "Notes:"))
        return reply_ok(stub);
    if (args_text(args, "Enable:"))
        return enable(stub, args, true);
    if (args_text(args, "Disable:"))
        return enable(stub, args, false);
    /* What follows would change a run. */
    if (trace->running)
        return reply_error(stub, GDB_EBUSY);
    if (args_text(args, "DP:"))
        return define_point(stub, args);
    if (args_text(args, "DPsrc:"))
        return add_source(stub, args);
    if (args_text(args, "DV:"))
        return define_variable(stub, args);
    if (args_text(args, "ro"))
        return define_ranges(stub, args);
    if (args_text(args, "Buffer:"))
        return set_buffer(stub, args);
    return reply_empty(stub);
}
