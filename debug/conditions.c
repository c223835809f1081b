#include "debug/conditions.h"

#include "core/debug_regs.h"
#include "debug/breakpoints.h"
#include "debug/registers.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* In the pool one after the other, each with its conditions and then its commands behind it. */
struct head {
    gva_t address;
    enum gdb_break_type type;
    uint32_t conditions, commands; /* bytes */
};

static uint8_t pool[CONDITIONS_SIZE];
static size_t used;

/* The code behind its head; NULL when the breakpoint has none. */
static uint8_t *find(enum gdb_break_type type, gva_t address, struct head *head)
{
    for (size_t at = 0; at < used;) {
        memcpy(head, pool + at, sizeof(*head));
        at += sizeof(*head);
        if (head->type == type && head->address == address)
            return pool + at;
        at += head->conditions + head->commands;
    }
    return NULL;
}

static void forget(enum gdb_break_type type, gva_t address)
{
    struct head head = {0};
    const uint8_t *code = find(type, address, &head);

    if (code) {
        uint8_t *start = pool + (code - pool) - sizeof(head);
        const uint8_t *next = code + head.conditions + head.commands;

        memmove(start, next, (size_t)(pool + used - next));
        used -= (size_t)(next - start);
    }
}

static void add(const void *bytes, size_t size)
{
    if (size)
        memcpy(pool + used, bytes, size);
    used += size;
}

enum hv_status conditions_set(enum gdb_break_type type, gva_t address,
                              const struct gdb_break_agent *agent)
{
    struct head head = {.address = address,
                        .type = type,
                        .conditions = (uint32_t)agent->conditions_size,
                        .commands = (uint32_t)agent->commands_size};
    size_t size = agent->conditions_size + agent->commands_size;

    forget(type, address);
    if (!size)
        return HV_OK;
    if (size > CONDITIONS_SIZE || sizeof(head) + size > CONDITIONS_SIZE - used)
        return HV_ENOSPC;
    add(&head, sizeof(head));
    add(agent->conditions, agent->conditions_size);
    add(agent->commands, agent->commands_size);
    return HV_OK;
}

void conditions_forget_all(void)
{
    used = 0;
}

bool conditions_register(unsigned thread, unsigned number, uint64_t *value)
{
    return registers_integer(debug_vcpu(thread), number, value);
}

size_t conditions_memory(unsigned thread, gva_t address, void *buf, size_t size)
{
    return breakpoints_read(debug_vcpu(thread), address, buf, size);
}

/* What commands print, until it goes to gdb in one packet. */
static char said[1024];
static size_t said_size;

static void say(void)
{
    if (said_size)
        gdbstub_console(&debug.stub, said, said_size);
    said_size = 0;
}

static void print(unsigned thread, const char *text, size_t size)
{
    (void)thread;
    for (size_t i = 0; i < size; i++) {
        if (said_size == sizeof(said))
            say();
        said[said_size++] = text[i];
    }
}

/* The next of the expressions in *code, and *size of it; moves on. */
static const uint8_t *next_expression(const uint8_t **code, size_t *left, size_t *size)
{
    const uint8_t *expression = *code + 2;

    *size = (*code)[0] + 256U * (*code)[1];
    *code += 2 + *size;
    *left -= 2 + *size;
    return expression;
}

/* True when one of the conditions holds. */
static bool hold(unsigned thread, const uint8_t *code, size_t left)
{
    static const struct agent_machine machine = {.reg = conditions_register,
                                                 .read = conditions_memory};
    bool any = false;

    while (!any && left) {
        size_t size;
        const uint8_t *expression = next_expression(&code, &left, &size);
        uint64_t value = 0;

        any = agent_run(&machine, thread, expression, size, &value) != AGENT_DONE || value;
    }
    return any;
}

/* True when all that was hit is a hardware breakpoint. */
static bool is_execute_hit(const struct debug_event *event)
{
    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        if ((event->hits & HV_BIT(i)) && debug_regs_user(i)->kind != DEBUG_EXECUTE)
            return false;
    }
    return event->kind == EVENT_WATCH;
}

bool conditions_deny(struct vcpu *v, const struct debug_event *event)
{
    struct head head = {0};
    const uint8_t *code = NULL;

    if (!used)
        return false;
    if (event->kind == EVENT_BREAKPOINT)
        code = find(GDB_BREAK_SOFT, vcpu_linear_rip(v), &head);
    else if (is_execute_hit(event))
        code = find(GDB_BREAK_HARD, vcpu_linear_rip(v), &head);
    return code && head.conditions && !hold(debug_thread(v), code, head.conditions);
}

bool conditions_run_commands(struct vcpu *v, const struct gdb_stop *stop)
{
    static const struct agent_machine machine = {
        .reg = conditions_register, .read = conditions_memory, .print = print};
    struct head head = {0};
    const uint8_t *code = NULL;
    size_t left;

    if (stop->reason == GDB_STOP_SWBREAK)
        code = find(GDB_BREAK_SOFT, vcpu_linear_rip(v), &head);
    else if (stop->reason == GDB_STOP_HWBREAK)
        code = find(GDB_BREAK_HARD, vcpu_linear_rip(v), &head);
    if (!code || !head.commands)
        return false;
    code += head.conditions;
    left = head.commands;
    while (left) {
        size_t size;
        const uint8_t *expression = next_expression(&code, &left, &size);

        agent_run(&machine, debug_thread(v), expression, size, NULL);
    }
    say();
    return true;
}
