#include "core/guest_memory.h"
#include "core/handle.h"
#include "core/ipi.h"
#include "core/machine.h"
#include "debug/breakpoints.h"
#include "debug/catch.h"
#include "debug/conditions.h"
#include "debug/exceptions.h"
#include "debug/guest_console.h"
#include "debug/line.h"
#include "debug/registers.h"
#include "debug/state.h"
#include "debug/steps.h"
#include "debug/traces.h"
#include "debug/waiting.h"
#include "debug/watch.h"
#include "debug/watch_ranges.h"
#include "hv/compiler.h"
#include "lib/fmt.h"

unsigned debug_thread(const struct vcpu *v)
{
    return v->number + 1;
}

struct vcpu *debug_vcpu(unsigned thread)
{
    return thread ? vcpu_get(thread - 1) : NULL;
}

/* An NMI has woken it behind its HLT. */
static bool is_halted(struct vcpu *v)
{
    enum { OPCODE_HLT = 0xf4 };
    uint8_t byte;

    return !debug.cpus[v->number].leaving &&
           guest_linear_read(v, vcpu_linear_rip(v) - 1, &byte, 1) == 1 && byte == OPCODE_HLT;
}

static size_t thread_info(unsigned thread, char *text, size_t size)
{
    struct vcpu *v = debug_vcpu(thread);
    size_t length;

    uint8_t vector;

    if (ipi_startup_noted(v->number, &vector))
        length =
            fmt_print(text, size, "CPU %u, waits for its start-up interrupt, vector %02x has come",
                      v->number, vector);
    else if (ipi_needs_startup(v->number))
        length = fmt_print(text, size, "CPU %u, waits for its start-up interrupt", v->number);
    else
        length = fmt_print(text, size, "CPU %u, %s, ring %u%s", v->number, vcpu_mode_name(v),
                           vcpu_cpl(v), is_halted(v) ? ", halted" : "");
    return HV_MIN(length, size);
}

static bool reg_read(unsigned thread, unsigned number, uint8_t *value)
{
    return registers_read(debug_vcpu(thread), number, value);
}

static enum hv_status reg_write(unsigned thread, unsigned number, const uint8_t *value)
{
    return registers_write(debug_vcpu(thread), number, value);
}

static size_t mem_read(unsigned thread, gva_t address, void *buf, size_t size)
{
    if (debug.physical)
        return breakpoints_read_phys(address, buf, size);
    return breakpoints_read(debug_vcpu(thread), address, buf, size);
}

static size_t mem_write(unsigned thread, gva_t address, const void *buf, size_t size)
{
    if (debug.physical)
        return breakpoints_write_phys(address, buf, size);
    return breakpoints_write(debug_vcpu(thread), address, buf, size);
}

void debug_update_traps(void)
{
    enum { PAGING = TRAP_CR0_WRITES | TRAP_CR3_WRITES | TRAP_CR4_WRITES };
    unsigned traps = catch_traps() | death_traps();
    uint32_t exceptions = catch_exceptions() | death_exceptions() | exceptions_wanted();

    for (unsigned i = 0; i < vcpu_count(); i++)
        debug_regs_update(vcpu_get(i));
    core_set_catch(debug.attached || exceptions || waiting_unarmed() ? judge_sees : NULL);

    if (breakpoints_count() > waiting_count() || debug.int3_stops)
        traps |= TRAP_BREAKPOINT;
    if (watch_count() || waiting_count())
        traps |= TRAP_DEBUG | TRAP_DR_READS;
    if (waiting_unarmed())
        traps |= PAGING;
    for (unsigned i = 0; i < vcpu_count(); i++) {
        struct vcpu *v = vcpu_get(i);
        v->traps = traps;
        v->exceptions = exceptions;
        debug_regs_update(v);
    }
}

static enum hv_status break_insert(enum gdb_break_type type, gva_t address, uint64_t size)
{
    struct vcpu *v = debug_vcpu(debug.stub.thread_g);
    enum hv_status status;

    if (type == GDB_BREAK_SOFT) {
        /* The trap is on before the byte can be seen (HAXM-3): the guest is stopped until then. */
        status = breakpoints_insert(v ? v : vcpu_get(0), address);
        if (status == HV_OK)
            traces_share(address, true);
    } else {
        status = watch_insert(type, address, size);
        if (type != GDB_BREAK_HARD && status != HV_OK)
            status = watch_ranges_insert(v ? v : vcpu_get(0), type, address, size);
    }
    debug_update_traps();
    return status;
}

static enum hv_status break_remove(enum gdb_break_type type, gva_t address, uint64_t size)
{
    static const struct gdb_break_agent none;
    struct vcpu *v = debug_vcpu(debug.stub.thread_g);
    enum hv_status status;

    if (type == GDB_BREAK_SOFT && traces_share(address, false))
        status = HV_OK;
    else if (type == GDB_BREAK_SOFT)
        status = breakpoints_remove(v ? v : vcpu_get(0), address);
    else
        status = watch_remove(type, address, size);
    if (type != GDB_BREAK_SOFT)
        watch_ranges_remove(type, address, size);
    conditions_set(type, address, &none);
    debug_update_traps();
    return status;
}

void debug_remove_all(void)
{
    traces_forget();
    conditions_forget_all();
    breakpoints_remove_all();
    watch_remove_all();
    watch_ranges_remove_all();
    catch_remove_all();
    guest_console_tap_codes(false);
    guest_console_tap_debug(false);
    debug.exceptions = debug.int3_stops = false;
    debug.stops = DEATH_ALL;
    debug.physical = false;
    guest_memory_allow_devices(false);
    catch_update();
    debug_update_traps();
}

static void resume_begin(enum gdb_action others)
{
    for (unsigned i = 0; i < HV_MAX_CPUS; i++) {
        debug.cpus[i].action = others;
        debug.cpus[i].range_start = debug.cpus[i].range_end = 0;
    }
}

static void resume_thread(unsigned thread, enum gdb_action action)
{
    if (thread >= 1 && thread <= HV_MAX_CPUS)
        debug.cpus[thread - 1].action = action;
}

static void resume_range(unsigned thread, gva_t start, gva_t end)
{
    struct debug_cpu *cpu = &debug.cpus[thread - 1];

    cpu->action = GDB_STEP;
    cpu->range_start = start;
    cpu->range_end = end;
}

static void resume(void)
{
    debug.resume_asked = true;
}

static void set_pc(unsigned thread, uint64_t pc)
{
    registers_write(debug_vcpu(thread), REGISTER_RIP, (const uint8_t *)&pc);
}

static void interrupt(void)
{
    debug.interrupt_asked = true;
}

static unsigned step_flags(void)
{
    return debug.step_flags;
}

static void set_step_flags(unsigned flags)
{
    debug.step_flags = flags;
}

/* As they are for a gdb that has said nothing. */
static void forget_steps(void)
{
    debug.step_flags = STEP_DEFAULT;
    for (unsigned i = 0; i < HV_MAX_CPUS; i++)
        steps_begin(&debug.cpus[i].steps, 0);
}

static void attached(void)
{
    debug.attached = true;
    debug_remove_all();
    forget_steps();
    registers_use_arch(REGISTERS_X86_64); /* until this gdb reads the description */
}

static void detach(void)
{
    debug.attached = false;
    debug_remove_all();
    debug.arch = REGISTERS_X86_64;
    debug.arch_auto = false;
    resume_begin(GDB_CONTINUE);
    debug.resume_asked = true;
}

/* From here on numbers and sizes are those of what gdb reads now. */
static const char *description(void)
{
    struct vcpu *v = debug_vcpu(debug.stub.thread_g);
    enum registers_arch arch = debug.arch;

    if (debug.arch_auto && v) {
        unsigned bits = vcpu_code_bits(v);
        arch = bits == 64 ? REGISTERS_X86_64 : bits == 32 ? REGISTERS_I386 : REGISTERS_I8086;
    }
    registers_use_arch(arch);
    return registers_description();
}

static bool is_physical(void)
{
    return debug.physical;
}

static void set_physical(bool physical)
{
    debug.physical = physical;
}

static const unsigned expedited[] = {REGISTER_RIP, REGISTER_RSP, REGISTER_RBP};

const struct gdb_target debug_target = {
    .thread_count = vcpu_count,
    .thread_info = thread_info,
    .reg_size = registers_size,
    .reg_read = reg_read,
    .reg_write = reg_write,
    .g_count = REGISTERS_G,
    .g_max = 120,
    .expedited = expedited,
    .expedited_count = HV_ARRAY_SIZE(expedited),
    .description = description,
    .mem_read = mem_read,
    .mem_write = mem_write,
    .line_waits = line_waits,
    .break_insert = break_insert,
    .break_remove = break_remove,
    .break_agent = conditions_set,
    .trace = &debug_trace,
    .trace_arm = traces_arm,
    .trace_disarm = traces_disarm,
    .resume_begin = resume_begin,
    .resume_thread = resume_thread,
    .resume_range = resume_range,
    .resume = resume,
    .set_pc = set_pc,
    .step_flags = step_flags,
    .set_step_flags = set_step_flags,
    .interrupt = interrupt,
    .attached = attached,
    .detach = detach,
    .restart = machine_reset,
    .monitor = debug_monitor,
    .is_physical = is_physical,
    .set_physical = set_physical,
};
