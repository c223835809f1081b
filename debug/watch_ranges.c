#include "debug/watch_ranges.h"

#include "core/guest_memory.h"
#include "core/watch_pages.h"
#include "hv/compiler.h"

static struct range {
    uint64_t size; /* 0: not used */
    gva_t address;
    enum gdb_break_type type;
} ranges[WATCH_RANGES];

static int find(enum gdb_break_type type, gva_t address, uint64_t size)
{
    for (int i = 0; i < WATCH_RANGES; i++) {
        if (ranges[i].size == size && ranges[i].address == address && ranges[i].type == type)
            return i;
    }
    return -1;
}

static int find_free(void)
{
    for (int i = 0; i < WATCH_RANGES; i++) {
        if (!ranges[i].size)
            return i;
    }
    return -1;
}

static void forget(unsigned i)
{
    ranges[i].size = 0;
    watch_pages_remove(i);
}

enum hv_status watch_ranges_insert(struct vcpu *v, enum gdb_break_type type, gva_t address,
                                   uint64_t size)
{
    if (type == GDB_BREAK_HARD || type == GDB_BREAK_SOFT || !size || address + size < address)
        return HV_EINVAL;
    if (find(type, address, size) >= 0)
        return HV_OK;
    static const unsigned accesses[] = {
        [GDB_WATCH_WRITE] = WATCH_ON_WRITE,
        [GDB_WATCH_READ] = WATCH_ON_READ,
        [GDB_WATCH_ACCESS] = WATCH_ON_WRITE | WATCH_ON_READ,
    };
    int i = find_free();
    if (i < 0)
        return HV_ENOSPC;
    ranges[i] = (struct range){size, address, type};
    for (uint64_t done = 0, n; done < size; done += n) {
        enum hv_status status = HV_EFAULT;
        gpa_t gpa;
        n = guest_linear_part(v, address + done, size - done, &gpa);
        if (n && guest_phys_is_ram(gpa))
            status = watch_pages_insert((unsigned)i, gpa, n, accesses[type]);
        if (status != HV_OK) {
            forget((unsigned)i);
            return status;
        }
    }
    return HV_OK;
}

void watch_ranges_remove(enum gdb_break_type type, gva_t address, uint64_t size)
{
    int i = find(type, address, size);

    if (i >= 0)
        forget((unsigned)i);
}

void watch_ranges_remove_all(void)
{
    for (unsigned i = 0; i < WATCH_RANGES; i++) {
        if (ranges[i].size)
            forget(i);
    }
}

unsigned watch_ranges_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WATCH_RANGES; i++)
        count += ranges[i].size != 0;
    return count;
}

uint32_t watch_ranges_still_set(uint32_t hits)
{
    for (unsigned i = 0; i < WATCH_RANGES; i++) {
        if (!ranges[i].size)
            hits &= ~(uint32_t)HV_BIT(i);
    }
    return hits;
}

struct gdb_stop watch_ranges_stop(uint32_t hits, unsigned thread)
{
    static const enum gdb_stop_reason reasons[] = {
        [GDB_WATCH_WRITE] = GDB_STOP_WATCH,
        [GDB_WATCH_READ] = GDB_STOP_RWATCH,
        [GDB_WATCH_ACCESS] = GDB_STOP_AWATCH,
    };
    struct gdb_stop stop = {.signal = GDB_SIGTRAP, .thread = thread};
    unsigned i = 0;

    while (!(hits & HV_BIT(i)))
        i++;
    stop.reason = reasons[ranges[i].type];
    stop.data_address = ranges[i].address;
    return stop;
}
