/* What the target of the tests does with agent expressions. */
#include <string.h>

#include "gdbstub/agent.h"
#include "tests/unit/fake_target.h"

void (*fake_print)(const char *text, size_t size);

enum hv_status fake_break_agent(enum gdb_break_type type, gva_t address,
                                const struct gdb_break_agent *agent)
{
    struct fake_break *b = fake_find_break(type, address, 1);

    if (b == NULL || agent->conditions_size > sizeof(b->conditions) ||
        agent->commands_size > sizeof(b->commands))
        return HV_ENOSPC;
    b->conditions_size = agent->conditions_size;
    b->commands_size = agent->commands_size;
    memcpy(b->conditions, agent->conditions, agent->conditions_size);
    if (agent->commands_size > 0)
        memcpy(b->commands, agent->commands, agent->commands_size);
    return HV_OK;
}

bool fake_agent_register(unsigned thread, unsigned number, uint64_t *value)
{
    *value = 0;
    return fake_target.reg_size(number) > 0 && fake_target.reg_size(number) <= 8 &&
           fake_target.reg_read(thread, number, (uint8_t *)value);
}

static size_t read_memory(unsigned thread, gva_t address, void *buf, size_t size)
{
    return fake_target.mem_read(thread, address, buf, size);
}

static void agent_print_text(unsigned thread, const char *text, size_t size)
{
    (void)thread;
    if (fake_print != NULL)
        fake_print(text, size);
}

static const struct agent_machine agent_machine = {
    .reg = fake_agent_register, .read = read_memory, .print = agent_print_text};

bool fake_evaluate(unsigned thread, const uint8_t *code, size_t size)
{
    bool any = false;

    for (size_t at = 0; at < size;) {
        size_t length = code[at] + 256u * code[at + 1];
        uint64_t value = 1;

        agent_run(&agent_machine, thread, code + at + 2, length, &value);
        any |= value != 0;
        at += 2 + length;
    }
    return any;
}
