/* The tracepoints of the target of the tests. */
#include "gdbstub/trace.h"

#include <string.h>

#include "tests/unit/fake_target.h"

enum { BUFFER = 16384 };

struct gdb_trace fake_trace;
static uint8_t buffer[BUFFER];
static bool armed;
static uint64_t steps[FAKE_THREADS + 1];
static unsigned stepped[FAKE_THREADS + 1];

void fake_trace_reset(void)
{
    trace_init(&fake_trace, buffer, sizeof(buffer));
    armed = false;
    fake_trace_refusals = 0;
    memset(steps, 0, sizeof(steps));
}

static void read_registers(unsigned thread, uint8_t *g)
{
    for (unsigned i = 0; i < FAKE_G_COUNT; i++) {
        fake_target.reg_read(thread, i, g);
        g += fake_target.reg_size(i);
    }
}

static size_t read_memory(unsigned thread, gva_t address, void *buf, size_t size)
{
    return fake_target.mem_read(thread, address, buf, size);
}

static const struct trace_source source = {
    .reg = fake_agent_register, .read = read_memory, .registers = read_registers};

void fake_trace_execute(unsigned thread, gva_t pc)
{
    uint64_t more;

    if (steps[thread] > 0) {
        steps[thread]--;
        trace_step(&fake_trace, &source, thread, stepped[thread]);
    }
    more = armed ? trace_hit(&fake_trace, &source, thread, pc, &stepped[thread]) : 0;
    if (more > 0)
        steps[thread] = more;
}

unsigned fake_trace_arms, fake_trace_refusals;

enum hv_status fake_trace_arm(void)
{
    fake_trace_arms++;
    armed = fake_trace_refusals == 0;
    fake_trace_refusals -= fake_trace_refusals > 0;
    return armed ? HV_OK : HV_ENOSPC;
}

void fake_trace_disarm(void)
{
    armed = false;
}
