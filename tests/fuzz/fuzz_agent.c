/*
 * Agent expressions: any bytes come to an end, with a defined result, within the limits, and
 * without a look at what the machine does not offer. The first byte says which of the machine's
 * optional members are there; the next eight are its memory.
 */
#include <stdlib.h>
#include <string.h>

#include "gdbstub/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OFFERED = 1 + 8 };

static const uint8_t *memory;
static size_t reads, printed;

static void require(bool good)
{
    if (!good)
        abort();
}

static bool read_register(unsigned thread, unsigned number, uint64_t *value)
{
    require(thread == 1 && number <= 0xffff);
    *value = number;
    return number < 128;
}

static size_t read_memory(unsigned thread, gva_t address, void *buf, size_t size)
{
    require(thread == 1 && size >= 1 && size <= 8);
    reads++;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buf)[i] = memory[(address + i) % 8];
    return address % 1000 == 999 ? size - 1 : size;
}

static bool get_variable(unsigned thread, unsigned number, uint64_t *value)
{
    *value = ~0ULL / (thread + number);
    return number != 0;
}

static bool set_variable(unsigned thread, unsigned number, uint64_t value)
{
    (void)thread;
    return number != value;
}

static bool collect(unsigned thread, gva_t address, size_t size)
{
    (void)thread;
    require(size > 0 && size <= AGENT_COLLECT);
    return address != 0;
}

static bool collect_variable(unsigned thread, unsigned number)
{
    (void)thread;
    return number != 0;
}

static void print(unsigned thread, const char *text, size_t size)
{
    uint8_t sum = 0;

    (void)thread;
    require(size > 0);
    for (size_t i = 0; i < size; i++) /* all of it can be read */
        sum = (uint8_t)(sum + (uint8_t)text[i]);
    printed += size + sum / 256;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_machine machine = {.reg = read_register, .read = read_memory};
    uint64_t value = 0xdeadbeef;
    enum agent_result result;
    uint8_t *code;

    if (size < OFFERED)
        return 0;
    machine.get_variable = data[0] & 1 ? get_variable : NULL;
    machine.set_variable = data[0] & 2 ? set_variable : NULL;
    machine.collect = data[0] & 4 ? collect : NULL;
    machine.collect_variable = data[0] & 8 ? collect_variable : NULL;
    machine.print = data[0] & 16 ? print : NULL;
    memory = data + 1;
    reads = printed = 0;
    size -= OFFERED;
    code = malloc(size + 1); /* so that the byte behind it is guarded */
    memcpy(code + 1, data + OFFERED, size);
    result = agent_run(&machine, 1, code + 1, size, data[0] & 32 ? NULL : &value);
    require(result < AGENT_RESULTS);
    require(data[0] & 32 || result == AGENT_DONE || value == 0xdeadbeef ||
            result == AGENT_UNDERFLOW);
    free(code);
    return 0;
}
