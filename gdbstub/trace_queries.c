/* qT...: what is asked of tracepoints and frames; registers and memory of a frame. */
#include "gdbstub/internal.h"
#include "gdbstub/trace.h"
#include "lib/fmt.h"
#include "lib/string.h"

static void reply_field(struct gdbstub *stub, const char *name, uint64_t value)
{
    reply_char(stub, ';');
    reply_text(stub, name);
    reply_char(stub, ':');
    reply_number(stub, value);
}

/*
 * gdb asks when it connects: short when there is nothing to say. The text behind tstop is empty,
 * and must be: gdb 13's tsave ends with a fault without.
 */
static bool reply_trace_status(struct gdbstub *stub)
{
    static const char *const reasons[] = {
        [TRACE_NOT_RUN] = "tnotrun",   [TRACE_STOPPED] = "tstop:", [TRACE_FULL] = "tfull",
        [TRACE_PASSED] = "tpasscount", [TRACE_ERROR] = "terror",   [TRACE_GONE] = "tdisconnected",
    };
    const struct gdb_trace *trace = stub->target->trace;
    const struct trace_buffer *buffer = &trace->buffer;

    reply_text(stub, trace->running ? "T1;" : "T0;");
    reply_text(stub, reasons[trace->running ? TRACE_NOT_RUN : trace->reason]);
    reply_char(stub, ':');
    if (!trace->running && trace->reason == TRACE_ERROR) {
        reply_hex(stub, trace->error, strlen(trace->error));
        reply_char(stub, ':');
    }
    reply_number(
        stub, trace->reason == TRACE_PASSED || trace->reason == TRACE_ERROR ? trace->culprit : 0);
    if (!trace->running && trace->reason == TRACE_NOT_RUN)
        return true;
    reply_field(stub, "tframes", buffer->frames);
    reply_field(stub, "tcreated", buffer->created);
    reply_field(stub, "tsize", buffer->size);
    reply_field(stub, "tfree", buffer->size - buffer->used);
    reply_field(stub, "circular", buffer->circular);
    reply_field(stub, "disconn", 0);
    return true;
}

/* qTP:NUMBER:ADDRESS: hits and bytes. */
static bool reply_point_status(struct gdbstub *stub, struct gdb_args *args)
{
    const struct trace_point *point;
    uint64_t number, address;

    if (!args_number(args, &number) || !args_char(args, ':') || !args_number(args, &address))
        return reply_error(stub, GDB_EINVAL);
    point = trace_find(stub->target->trace, (unsigned)number, address);
    if (point == NULL)
        return reply_error(stub, GDB_ENOENT);
    reply_char(stub, 'V');
    reply_number(stub, point->hits);
    reply_char(stub, ':');
    reply_number(stub, point->bytes);
    return true;
}

/* qTV:NUMBER: as the chosen frame has it, else as it is; U: not known. */
static bool reply_variable(struct gdbstub *stub, struct gdb_args *args)
{
    struct trace_variable *variable;
    struct trace_block block;
    uint64_t number, value;
    size_t at = 0;
    bool known;

    if (!args_number(args, &number))
        return reply_error(stub, GDB_EINVAL);
    variable = trace_find_variable(stub->target->trace, (unsigned)number);
    known = variable != NULL && !stub->frame_chosen;
    value = known ? variable->value : 0;
    while (stub->frame_chosen && trace_block_next(&stub->chosen, &at, &block)) {
        if (block.kind == 'V' && block.variable == number) {
            memcpy(&value, block.data, sizeof(value));
            known = true;
        }
    }
    reply_char(stub, known ? 'V' : 'U');
    if (known)
        reply_number(stub, value);
    return true;
}

static void reply_point(struct gdbstub *stub, char kind, const struct trace_point *point)
{
    reply_char(stub, kind);
    reply_number(stub, point->number);
    reply_char(stub, ':');
    reply_number(stub, point->address);
}

/* Text number n of what the user said of a tracepoint, with its head; NULL behind the last. */
static const uint8_t *source_text(const struct gdb_trace *trace, const struct trace_point *point,
                                  unsigned n)
{
    const uint8_t *head = trace->code + point->source, *end = head + point->sources;

    while (head < end && n-- > 0)
        head += TRACE_SOURCE_HEAD + head[0] + 256U * head[1];
    return head < end ? head : NULL;
}

/* What the user said of the tracepoint uploaded last, one a reply; false behind the last. */
static bool reply_upload_source(struct gdbstub *stub)
{
    const struct gdb_trace *trace = stub->target->trace;
    const struct trace_point *point;
    const uint8_t *head;

    if (stub->uploaded == 0 || stub->uploaded > trace->points)
        return false;
    point = &trace->point[trace->points - stub->uploaded];
    head = source_text(trace, point, stub->uploaded_sources);
    if (head == NULL)
        return false;
    stub->uploaded_sources++;
    reply_point(stub, 'Z', point);
    reply_char(stub, ':');
    for (unsigned i = 0; i < head[0] + 256U * head[1]; i++)
        reply_char(stub, (char)head[TRACE_SOURCE_HEAD + i]);
    return true;
}

/*
 * qTfP, qTsP: the tracepoints that there are, each with what the user said, one a reply, `l` behind
 * the last. The last first: a new gdb numbers them the other way round. It has no use for the
 * bytecode of the actions when it has their text.
 */
static bool reply_upload_point(struct gdbstub *stub)
{
    const struct gdb_trace *trace = stub->target->trace;
    const struct trace_point *point;

    if (reply_upload_source(stub))
        return true;
    if (stub->uploaded >= trace->points) {
        reply_char(stub, 'l');
        return true;
    }
    point = &trace->point[trace->points - ++stub->uploaded];
    stub->uploaded_sources = 0;
    reply_point(stub, 'T', point);
    reply_text(stub, point->enabled ? ":E:" : ":D:");
    reply_number(stub, point->steps);
    reply_char(stub, ':');
    reply_number(stub, point->pass);
    return true;
}

static bool reply_upload_variable(struct gdbstub *stub)
{
    const struct gdb_trace *trace = stub->target->trace;
    const struct trace_variable *variable;

    if (stub->uploaded >= trace->variables) {
        reply_char(stub, 'l');
        return true;
    }
    variable = &trace->variable[stub->uploaded++];
    reply_number(stub, variable->number);
    reply_char(stub, ':');
    reply_number(stub, variable->initial);
    reply_text(stub, ":0:");
    reply_hex(stub, variable->name, strlen(variable->name));
    return true;
}

/* qTBuffer:OFFSET,LENGTH: what is collected, as it is; `l` behind its end. */
static bool reply_buffer(struct gdbstub *stub, struct gdb_args *args)
{
    const struct trace_buffer *buffer = &stub->target->trace->buffer;
    uint64_t offset, length;

    if (!args_range(args, &offset, &length))
        return reply_error(stub, GDB_EINVAL);
    if (offset >= buffer->used)
        reply_char(stub, 'l');
    else
        reply_hex(stub, buffer->bytes + offset, HV_MIN(length, buffer->used - offset));
    return true;
}

bool packet_trace_ask(struct gdbstub *stub, struct gdb_args *args)
{
    bool first;

    if (stub->target->trace == NULL)
        return reply_empty(stub);
    if (args_text(args, "Status"))
        return reply_trace_status(stub);
    if (args_text(args, "P:"))
        return reply_point_status(stub, args);
    if (args_text(args, "V:"))
        return reply_variable(stub, args);
    if (args_text(args, "Buffer:"))
        return reply_buffer(stub, args);
    first = args_char(args, 'f');
    if (!first && !args_char(args, 's'))
        return reply_empty(stub);
    if (first)
        stub->uploaded = 0;
    if (args_char(args, 'P'))
        return reply_upload_point(stub);
    return args_char(args, 'V') ? reply_upload_variable(stub) : reply_empty(stub);
}

/* ---- qXfer:traceframe-info:read ------------------------------------------------------------ */

static void piece_number(struct gdbstub *stub, struct reply_window *window, const char *before,
                         uint64_t value)
{
    char text[48];

    fmt_print(text, sizeof(text), "%s\"0x%llx\"", before, (unsigned long long)value);
    reply_piece(stub, window, text);
}

/* What the chosen frame has: its memory, and its variables. */
bool packet_trace_info(struct gdbstub *stub, struct gdb_args *args)
{
    struct reply_window window;
    struct trace_block block;
    size_t at = 0;

    if (!args_window(args, &window))
        return reply_error(stub, GDB_EINVAL);
    if (!stub->frame_chosen)
        return reply_error(stub, GDB_ENOENT);
    reply_char(stub, 'm');
    reply_piece(stub, &window, "<traceframe-info>");
    while (trace_block_next(&stub->chosen, &at, &block)) {
        if (block.kind == 'M') {
            piece_number(stub, &window, "<memory start=", block.address);
            piece_number(stub, &window, " length=", block.size);
        } else if (block.kind == 'V') {
            piece_number(stub, &window, "<tvar id=", block.variable);
        } else {
            continue;
        }
        reply_piece(stub, &window, "/>");
    }
    reply_piece(stub, &window, "</traceframe-info>");
    return reply_window_end(stub, &window);
}

/* ---- a frame instead of the target ----------------------------------------------------------- */

/* By the sizes of the layout in use: they are not the same in all. */
static bool frame_register(const struct gdbstub *stub, const struct trace_frame *frame,
                           unsigned number, uint8_t *value)
{
    const uint8_t *registers = trace_frame_registers(frame);
    const struct gdb_target *target = stub->target;
    size_t at = 0, size = target->reg_size(number);
    gva_t pc = trace_frame_address(target->trace, frame);

    if (registers == NULL && number == target->expedited[0]) {
        memcpy(value, &pc, HV_MIN(size, sizeof(pc)));
        return true;
    }
    for (unsigned i = 0; i < number; i++)
        at += target->reg_size(i);
    if (registers == NULL || number >= target->g_count || at + size > TRACE_REGISTERS)
        return false;
    memcpy(value, registers + at, size);
    return true;
}

bool trace_register(const struct gdbstub *stub, unsigned number, uint8_t *value)
{
    return frame_register(stub, &stub->chosen, number, value);
}

gva_t trace_pc(const struct gdbstub *stub, const struct trace_frame *frame)
{
    uint8_t value[GDB_REGISTER_MAX] = {0};
    gva_t pc;

    frame_register(stub, frame, stub->target->expedited[0], value);
    memcpy(&pc, value, sizeof(pc));
    return pc;
}

size_t trace_memory(const struct gdbstub *stub, gva_t address, void *buf, size_t size)
{
    const struct gdb_trace *trace = stub->target->trace;
    size_t done = trace_frame_memory(&stub->chosen, address, buf, size);

    for (unsigned i = 0; done == 0 && i < trace->ranges; i++) {
        if (address >= trace->range[i][0] && address < trace->range[i][1])
            done = stub->target->mem_read(stub->thread_g, address, buf,
                                          HV_MIN(size, trace->range[i][1] - address));
    }
    return done;
}
