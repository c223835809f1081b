#include "debug/watch.h"

#include "debug/breakpoints.h"
#include "hv/compiler.h"

/* Which type a slot was asked for as: the processor has no pure read watch, access serves. */
static enum gdb_break_type types[DEBUG_SLOTS];

/* The bytes under a read watch; 0 where they cannot be read. */
static uint64_t seen[DEBUG_SLOTS];

static uint64_t look(struct vcpu *v, unsigned slot)
{
    uint64_t value = 0;
    breakpoints_read(v, debug_regs_user(slot)->address, &value, debug_regs_user(slot)->size);
    return value;
}

static bool is_read_watch(unsigned slot)
{
    return debug_regs_user(slot)->used && types[slot] == GDB_WATCH_READ;
}

void watch_remember(struct vcpu *v)
{
    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        if (is_read_watch(i))
            seen[i] = look(v, i);
    }
}

unsigned watch_filter(struct vcpu *v, unsigned hits)
{
    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        if (!(hits & HV_BIT(i)) || !is_read_watch(i))
            continue;
        uint64_t now = look(v, i);
        if (now != seen[i])
            hits &= ~(unsigned)HV_BIT(i);
        seen[i] = now;
    }
    return hits;
}

static int find(enum gdb_break_type type, gva_t address, uint64_t size)
{
    for (int i = 0; i < DEBUG_SLOTS; i++) {
        const struct debug_slot *s = debug_regs_user((unsigned)i);
        if (s->used && types[i] == type && s->address == address &&
            (type == GDB_BREAK_HARD || s->size == size))
            return i;
    }
    return -1;
}

static int find_free(void)
{
    for (int i = 0; i < DEBUG_SLOTS; i++) {
        if (!debug_regs_user((unsigned)i)->used)
            return i;
    }
    return -1;
}

static void set(unsigned slot, const struct debug_slot *value)
{
    debug_regs_set_user(slot, value);
}

enum hv_status watch_insert(enum gdb_break_type type, gva_t address, uint64_t size)
{
    static const enum debug_kind kinds[] = {
        [GDB_BREAK_HARD] = DEBUG_EXECUTE,
        [GDB_WATCH_WRITE] = DEBUG_WRITE,
        [GDB_WATCH_READ] = DEBUG_ACCESS,
        [GDB_WATCH_ACCESS] = DEBUG_ACCESS,
    };
    struct debug_slot slot = {true, kinds[type], 1, address};

    if (type != GDB_BREAK_HARD) {
        if ((size != 1 && size != 2 && size != 4 && size != 8) || address & (size - 1))
            return HV_EINVAL;
        slot.size = (uint8_t)size;
    }
    if (find(type, address, size) >= 0)
        return HV_OK;
    int free = find_free();
    if (free < 0)
        return HV_ENOSPC;
    types[free] = type;
    set((unsigned)free, &slot);
    return HV_OK;
}

enum hv_status watch_remove(enum gdb_break_type type, gva_t address, uint64_t size)
{
    static const struct debug_slot none;
    int slot = find(type, address, size);

    if (slot >= 0)
        set((unsigned)slot, &none);
    return HV_OK;
}

void watch_remove_all(void)
{
    static const struct debug_slot none;

    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        set(i, &none);
}

unsigned watch_count(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        used += debug_regs_user(i)->used;
    return used;
}

bool watch_executes_at(gva_t address)
{
    return find(GDB_BREAK_HARD, address, 1) >= 0;
}

struct gdb_stop watch_stop(unsigned hits, unsigned thread)
{
    static const enum gdb_stop_reason reasons[] = {
        [GDB_BREAK_HARD] = GDB_STOP_HWBREAK,
        [GDB_WATCH_WRITE] = GDB_STOP_WATCH,
        [GDB_WATCH_READ] = GDB_STOP_RWATCH,
        [GDB_WATCH_ACCESS] = GDB_STOP_AWATCH,
    };
    struct gdb_stop stop = {.signal = GDB_SIGTRAP, .reason = GDB_STOP_HWBREAK, .thread = thread};

    for (unsigned i = 0; i < DEBUG_SLOTS; i++) {
        if (!(hits & HV_BIT(i)) || types[i] == GDB_BREAK_HARD)
            continue;
        stop.reason = reasons[types[i]];
        stop.data_address = debug_regs_user(i)->address;
        return stop;
    }
    return stop;
}
