#include "debug/traces.h"

#include "debug/breakpoints.h"
#include "debug/conditions.h"
#include "debug/registers.h"
#include "debug/state.h"
#include "lib/spinlock.h"

struct gdb_trace debug_trace;

/* Whoever collects; the packets come while all CPUs stand. */
static struct spinlock lock;

/* Where breakpoints of ours are for tracepoints, and whether the user wants one there, too. */
static struct {
    gva_t address;
    bool users;
} armed[TRACE_POINTS];
static unsigned armed_count;

void traces_init(uint8_t *bytes, size_t size)
{
    trace_init(&debug_trace, bytes, size);
    armed_count = 0;
}

static struct vcpu *whose_memory(void)
{
    struct vcpu *v = debug_vcpu(debug.stub.thread_g);
    return v ? v : vcpu_get(0);
}

static int find(gva_t address)
{
    for (unsigned i = 0; i < armed_count; i++) {
        if (armed[i].address == address)
            return (int)i;
    }
    return -1;
}

static bool has_breakpoint(struct vcpu *v, gva_t address)
{
    for (unsigned i = 0; i < breakpoints_count(); i++) {
        if (breakpoints_get(v, i).gva == address)
            return true;
    }
    return false;
}

void traces_disarm(void)
{
    while (armed_count) {
        armed_count--;
        if (!armed[armed_count].users)
            breakpoints_remove(whose_memory(), armed[armed_count].address);
    }
    debug_update_traps();
}

enum hv_status traces_arm(void)
{
    struct vcpu *v = whose_memory();
    enum hv_status status = HV_OK;

    traces_disarm();
    for (unsigned i = 0; i < HV_MAX_CPUS && !debug_trace.running; i++)
        debug.cpus[i].trace_steps = 0; /* of the run before */
    for (unsigned i = 0; i < debug_trace.points && status == HV_OK; i++) {
        const struct trace_point *point = &debug_trace.point[i];
        if (!point->enabled || find(point->address) >= 0)
            continue;
        armed[armed_count].address = point->address;
        armed[armed_count].users = has_breakpoint(v, point->address);
        status = breakpoints_insert(v, point->address);
        armed_count += status == HV_OK;
    }
    if (status != HV_OK)
        traces_disarm();
    debug_update_traps();
    return status;
}

void traces_forget(void)
{
    armed_count = 0;
    trace_stop(&debug_trace, TRACE_GONE);
}

bool traces_share(gva_t address, bool set)
{
    int i = find(address);

    if (i >= 0)
        armed[i].users = set;
    return i >= 0;
}

/* As a g reply has them. */
static void read_registers(unsigned thread, uint8_t *g)
{
    size_t at = 0;

    for (unsigned n = 0; n < REGISTERS_G && at + registers_size(n) <= TRACE_REGISTERS; n++) {
        registers_read(debug_vcpu(thread), n, g + at);
        at += registers_size(n);
    }
}

static const struct trace_source source = {
    .reg = conditions_register, .read = conditions_memory, .registers = read_registers};

static bool take_hit(struct vcpu *v)
{
    struct debug_cpu *cpu = &debug.cpus[v->number];
    gva_t rip = vcpu_linear_rip(v);
    int i = find(rip);
    uint64_t steps;

    if (i < 0)
        return false;
    spin_lock(&lock);
    steps = trace_hit(&debug_trace, &source, debug_thread(v), rip, &cpu->trace_point);
    spin_unlock(&lock);
    if (steps)
        cpu->trace_steps = steps;
    return !armed[i].users;
}

bool traces_take(struct vcpu *v, const struct debug_event *event)
{
    struct debug_cpu *cpu = &debug.cpus[v->number];

    if (event->kind == EVENT_BREAKPOINT)
        return take_hit(v);
    if (event->kind != EVENT_STEP || !cpu->trace_steps)
        return false;
    cpu->trace_steps--;
    spin_lock(&lock);
    trace_step(&debug_trace, &source, debug_thread(v), cpu->trace_point);
    if (!debug_trace.running)
        cpu->trace_steps = 0;
    spin_unlock(&lock);
    return cpu->action != GDB_STEP && !event->hits;
}
