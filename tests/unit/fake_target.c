/* A target for tests of the stub: see the header. */
#include "tests/unit/fake_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;

/* The loop of thread 1, at FAKE_CODE. */
static const uint8_t program[] = {
    0x90,                                     /* 1000: nop */
    0x90,                                     /* 1001: nop */
    0x48, 0xff, 0x05, 0xf7, 0x0f, 0x00, 0x00, /* 1002: incq 0x2000(%rip) */
    0x48, 0x8b, 0x05, 0xf8, 0x0f, 0x00, 0x00, /* 1009: mov 0x2008(%rip), %rax */
    0x90,                                     /* 1010: nop */
    0xeb, 0xed,                               /* 1011: jmp 1000 */
};

static const uint8_t spin[] = {0xeb, 0xfe};

uint64_t fake_get(unsigned thread, unsigned number)
{
    uint64_t value;

    memcpy(&value, fake.registers[thread][number], sizeof(value));
    return value;
}

void fake_set(unsigned thread, unsigned number, uint64_t value)
{
    memcpy(fake.registers[thread][number], &value, sizeof(value));
}

void fake_reset(unsigned threads)
{
    memset(&fake, 0, sizeof(fake));
    fake_trace_reset();
    fake.threads = threads;
    memcpy(fake.memory + FAKE_CODE, program, sizeof(program));
    memcpy(fake.memory + FAKE_SPIN, spin, sizeof(spin));
    for (unsigned i = 0; i < 0x1000; i++)
        fake.memory[0x4000 + i] = (uint8_t)(i * 7 + (i >> 8));
    for (unsigned thread = 1; thread <= threads; thread++) {
        for (unsigned i = 0; i < 16; i++)
            fake_set(thread, i, 0x100 * thread + i);
        fake_set(thread, FAKE_RSP, 0x7000 + 0x100 * thread);
        fake_set(thread, FAKE_RBP, 0);
        fake_set(thread, FAKE_RIP, thread == 1 ? FAKE_CODE : FAKE_SPIN);
        fake_set(thread, FAKE_EFLAGS, 2);
        fake_set(thread, FAKE_CR0, 0x80000011);
        fake_set(thread, FAKE_CR3, 0x9000);
        fake_set(thread, FAKE_FIXED, 0x1234);
    }
}

size_t fake_break_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < FAKE_BREAKS; i++)
        count += fake.breaks[i].used;
    return count;
}

/* ---- threads and registers ---------------------------------------------------------------- */

static unsigned thread_count(void)
{
    return fake.threads;
}

static void check_thread(unsigned thread)
{
    if (thread < 1 || thread > fake.threads) {
        fprintf(stderr, "the stub names thread %u of %u\n", thread, fake.threads);
        abort();
    }
}

/* Nothing for thread 3: the stub must find words of its own. */
static size_t thread_info(unsigned thread, char *text, size_t size)
{
    check_thread(thread);
    if (thread == 3)
        return 0;
    return (size_t)snprintf(text, size, "long mode, thread %u", thread);
}

static bool reg_read(unsigned thread, unsigned number, uint8_t *value)
{
    check_thread(thread);
    if (number == FAKE_GHOST)
        return false;
    memcpy(value, fake.registers[thread][number], fake_register_size(number));
    return true;
}

static enum hv_status reg_write(unsigned thread, unsigned number, const uint8_t *value)
{
    check_thread(thread);
    if (number == FAKE_FIXED)
        return HV_EINVAL;
    memcpy(fake.registers[thread][number], value, fake_register_size(number));
    fake.writes[number]++;
    return HV_OK;
}

static const unsigned expedited[] = {FAKE_RIP, FAKE_RSP, FAKE_RBP};

/* ---- memory -------------------------------------------------------------------------------- */

/* The byte at an address, or NULL where nothing is. */
static uint8_t *byte_at(gva_t address)
{
    if (address >= 0xfffffffffffff000ull)
        address = address - 0xfffffffffffff000ull + FAKE_TOP;
    else if (address >= FAKE_HIGH)
        address -= FAKE_HIGH;
    if (address >= FAKE_SIZE || (address >= FAKE_HOLE && address < FAKE_HOLE + 0x1000))
        return NULL;
    return fake.memory + address;
}

static size_t mem_read(unsigned thread, gva_t address, void *buf, size_t size)
{
    size_t done;

    check_thread(thread);
    for (done = 0; done < size && byte_at(address + done) != NULL; done++)
        ((uint8_t *)buf)[done] = *byte_at(address + done);
    return done;
}

static size_t mem_write(unsigned thread, gva_t address, const void *buf, size_t size)
{
    size_t done;

    check_thread(thread);
    for (done = 0; done < size && byte_at(address + done) != NULL; done++)
        *byte_at(address + done) = ((const uint8_t *)buf)[done];
    return done;
}

static bool line_waits(void)
{
    return fake.patience != 0 && --fake.patience == 0;
}

/* ---- breakpoints --------------------------------------------------------------------------- */

struct fake_break *fake_find_break(enum gdb_break_type type, gva_t address, uint64_t size)
{
    for (size_t i = 0; i < FAKE_BREAKS; i++) {
        struct fake_break *b = &fake.breaks[i];

        if (b->used && b->type == type && b->address == address && b->size == size)
            return b;
    }
    return NULL;
}

bool fake_has_break(enum gdb_break_type type, gva_t address)
{
    for (uint64_t size = 1; size <= 8; size *= 2) {
        if (fake_find_break(type, address, size) != NULL)
            return true;
    }
    return false;
}

static enum hv_status break_insert(enum gdb_break_type type, gva_t address, uint64_t size)
{
    size_t hardware = 0;
    size_t free_slot = FAKE_BREAKS;

    fake.break_calls++;
    if (fake_find_break(type, address, size) != NULL)
        return HV_OK;
    if (byte_at(address) == NULL)
        return HV_EFAULT;
    for (size_t i = 0; i < FAKE_BREAKS; i++) {
        hardware += fake.breaks[i].used && fake.breaks[i].type != GDB_BREAK_SOFT;
        if (!fake.breaks[i].used)
            free_slot = i;
    }
    if (free_slot == FAKE_BREAKS || (type != GDB_BREAK_SOFT && hardware == FAKE_HW_SLOTS))
        return HV_ENOSPC;
    fake.breaks[free_slot] =
        (struct fake_break){.used = true, .type = type, .address = address, .size = size};
    return HV_OK;
}

static enum hv_status break_remove(enum gdb_break_type type, gva_t address, uint64_t size)
{
    struct fake_break *b = fake_find_break(type, address, size);

    fake.break_calls++;
    if (b != NULL)
        b->used = false;
    return HV_OK;
}

/* ---- running ------------------------------------------------------------------------------- */

static bool stop(unsigned thread, uint8_t signal, enum gdb_stop_reason reason, uint64_t address)
{
    fake.running = false;
    fake.interrupt_wanted = false;
    fake.stop = (struct gdb_stop){signal, reason, thread, address};
    return true;
}

static bool check_watch(unsigned thread, gva_t address, bool write)
{
    static const enum gdb_stop_reason reasons[] = {
        [GDB_WATCH_WRITE] = GDB_STOP_WATCH,
        [GDB_WATCH_READ] = GDB_STOP_RWATCH,
        [GDB_WATCH_ACCESS] = GDB_STOP_AWATCH,
    };

    for (size_t i = 0; i < FAKE_BREAKS; i++) {
        const struct fake_break *b = &fake.breaks[i];

        if (!b->used || b->type < GDB_WATCH_WRITE || b->address >= address + 8 ||
            b->address + b->size <= address)
            continue;
        if (b->type == GDB_WATCH_ACCESS || (b->type == GDB_WATCH_WRITE) == write)
            return stop(thread, GDB_SIGTRAP, reasons[b->type], b->address);
    }
    return false;
}

static bool is_hit(unsigned thread, enum gdb_break_type type, gva_t pc)
{
    const struct fake_break *b = fake_find_break(type, pc, 1);

    if (b == NULL ||
        (b->conditions_size > 0 && !fake_evaluate(thread, b->conditions, b->conditions_size)))
        return false;
    fake_evaluate(thread, b->commands, b->commands_size);
    return b->commands_size == 0;
}

/* One instruction. True when the thread stopped. */
static bool execute(unsigned thread)
{
    uint64_t pc = fake_get(thread, FAKE_RIP);
    uint8_t code[7] = {0};
    int32_t offset;
    uint64_t value;

    fake_trace_execute(thread, pc);
    if (is_hit(thread, GDB_BREAK_SOFT, pc))
        return stop(thread, GDB_SIGTRAP, GDB_STOP_SWBREAK, 0);
    if (is_hit(thread, GDB_BREAK_HARD, pc))
        return stop(thread, GDB_SIGTRAP, GDB_STOP_HWBREAK, 0);
    if (mem_read(thread, pc, code, sizeof(code)) == 0)
        return stop(thread, GDB_SIGSEGV, GDB_STOP_PLAIN, 0);
    memcpy(&offset, code + 3, sizeof(offset));
    if (code[0] == 0x90) {
        fake_set(thread, FAKE_RIP, pc + 1);
    } else if (code[0] == 0xeb) {
        fake_set(thread, FAKE_RIP, pc + 2 + (uint64_t)(int8_t)code[1]);
    } else if (memcmp(code, "\x48\xff\x05", 3) == 0 || memcmp(code, "\x48\x8b\x05", 3) == 0) {
        gva_t address = pc + 7 + (uint64_t)offset;
        bool write = code[1] == 0xff;

        if (mem_read(thread, address, &value, 8) != 8)
            return stop(thread, GDB_SIGSEGV, GDB_STOP_PLAIN, 0);
        value += write;
        if (write)
            mem_write(thread, address, &value, 8);
        else
            fake_set(thread, FAKE_RAX, value);
        fake_set(thread, FAKE_RIP, pc + 7);
        return check_watch(thread, address, write);
    } else {
        return stop(thread, code[0] == 0xcc ? GDB_SIGTRAP : GDB_SIGILL, GDB_STOP_PLAIN, 0);
    }
    return false;
}

static bool is_in_range(unsigned thread)
{
    uint64_t pc = fake_get(thread, FAKE_RIP);

    return pc >= fake.range_start[thread] && pc < fake.range_end[thread];
}

bool fake_run(unsigned count)
{
    if (!fake.running)
        return false;
    if (fake.interrupt_wanted)
        return stop(1, GDB_SIGINT, GDB_STOP_PLAIN, 0);
    while (count-- > 0) {
        for (unsigned thread = 1; thread <= fake.threads; thread++) {
            if (fake.actions[thread] == GDB_HOLD)
                continue;
            if (execute(thread))
                return true;
            if (fake.actions[thread] == GDB_STEP && !is_in_range(thread))
                return stop(thread, GDB_SIGTRAP, GDB_STOP_PLAIN, 0);
        }
    }
    return false;
}

static void resume_begin(enum gdb_action others)
{
    for (unsigned thread = 1; thread <= fake.threads; thread++)
        fake.actions[thread] = others;
    memset(fake.range_start, 0, sizeof(fake.range_start));
    memset(fake.range_end, 0, sizeof(fake.range_end));
}

static void resume_thread(unsigned thread, enum gdb_action action)
{
    check_thread(thread);
    fake.actions[thread] = action;
}

static void resume_range(unsigned thread, gva_t start, gva_t end)
{
    check_thread(thread);
    fake.actions[thread] = GDB_STEP;
    fake.range_start[thread] = start;
    fake.range_end[thread] = end;
}

static void resume(void)
{
    fake.resumes++;
    fake.running = true;
}

static void set_pc(unsigned thread, uint64_t pc)
{
    check_thread(thread);
    fake.pc_sets++;
    fake_set(thread, FAKE_RIP, pc);
}

static unsigned step_flags(void)
{
    return fake.step_flags;
}

static void set_step_flags(unsigned flags)
{
    fake.step_flags = flags;
}

static void interrupt(void)
{
    fake.interrupts++;
    fake.interrupt_wanted = true;
}

/* ---- session ------------------------------------------------------------------------------- */

static void attached(void)
{
    fake.attached++;
    memset(fake.breaks, 0, sizeof(fake.breaks));
}

static void let_go(void)
{
    memset(fake.breaks, 0, sizeof(fake.breaks));
    resume_begin(GDB_CONTINUE);
    fake.running = true;
}

static void detach(void)
{
    fake.detached++;
    let_go();
}

static void kill_it(void)
{
    fake.killed++;
    let_go();
}

static void restart(void)
{
    fake.restarted++;
}

/* help, echo TEXT, big (much text), refuse (fails), quiet (says nothing). */
static enum hv_status monitor(const char *text, gdb_print_fn print)
{
    if (strcmp(text, "help") == 0) {
        print("help, ", 6);
        print("echo TEXT, big, refuse, quiet\n", 30);
        return HV_OK;
    }
    if (strncmp(text, "echo ", 5) == 0) {
        print(text + 5, strlen(text + 5));
        print("\n", 1);
        return HV_OK;
    }
    if (strcmp(text, "big") == 0) {
        for (unsigned i = 0; i < 1000; i++) {
            char line[16];

            print(line, (size_t)snprintf(line, sizeof(line), "line %u\n", i));
        }
        return HV_OK;
    }
    if (strcmp(text, "refuse") == 0)
        return HV_EBUSY;
    return strcmp(text, "quiet") == 0 ? HV_OK : HV_ENOENT;
}

static bool is_physical(void)
{
    return fake.physical;
}

static void set_physical(bool physical)
{
    fake.physical = physical;
}

struct gdb_target fake_target = {
    .is_physical = is_physical,
    .set_physical = set_physical,
    .thread_count = thread_count,
    .thread_info = thread_info,
    .reg_size = fake_register_size,
    .reg_read = reg_read,
    .reg_write = reg_write,
    .g_count = FAKE_G_COUNT,
    .g_max = FAKE_G_MAX,
    .expedited = expedited,
    .expedited_count = 3,
    .description = fake_description,
    .mem_read = mem_read,
    .mem_write = mem_write,
    .line_waits = line_waits,
    .break_insert = break_insert,
    .break_remove = break_remove,
    .break_agent = fake_break_agent,
    .trace = &fake_trace,
    .trace_arm = fake_trace_arm,
    .trace_disarm = fake_trace_disarm,
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
    .kill = kill_it,
    .restart = restart,
    .monitor = monitor,
};
