#include "vmx/bitmaps.h"

#include "arch/x86/registers.h"
#include "hv/compiler.h"

enum { RANGE = 0x2000 };

/* A bit for each MSR of the range that begins with `start`, from that bit of the map on. */
static void add_range(uint8_t *map, uint32_t start, const struct msr_row *row)
{
    uint64_t first = HV_MAX(row->first, start);
    uint64_t last = HV_MIN((uint64_t)row->last, (uint64_t)start + RANGE - 1);

    for (uint64_t msr = first; msr <= last; msr++)
        map[(msr - start) / 8] |= (uint8_t)HV_BIT((msr - start) % 8);
}

/* Entries and exits switch EFER, and it has no bit that shows VMX: all of it is the guest's. */
static bool is_switched(const struct msr_row *row)
{
    return row->first == MSR_EFER && row->last == MSR_EFER;
}

void vmx_msr_bitmap_add(uint8_t *map, const struct msr_row *row, bool own)
{
    enum { LOW = 0, HIGH = RANGE / 8, WRITES = 2048 };
    static const uint32_t high = 0xc0000000;

    if (own && is_switched(row))
        return;
    if (row->traps & MSR_TRAP_READ) {
        add_range(map + LOW, 0, row);
        add_range(map + HIGH, high, row);
    }
    if (row->traps & MSR_TRAP_WRITE) {
        add_range(map + WRITES + LOW, 0, row);
        add_range(map + WRITES + HIGH, high, row);
    }
}
