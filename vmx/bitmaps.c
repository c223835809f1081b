#include "vmx/bitmaps.h"

#include "arch/x86/registers.h"
#include "lib/string.h"

enum { RANGE = 0x2000, WRITES = 2048 };

/* The map's offset of an MSR's read bit in bits, -1 when it has none. */
static int64_t msr_bit(uint32_t msr)
{
    if (msr < RANGE)
        return msr;
    if (msr >= 0xc0000000 && msr - 0xc0000000 < RANGE)
        return RANGE + (int64_t)(msr - 0xc0000000);
    return -1;
}

/* Entries and exits switch EFER, and it has no bit that shows VMX: all of it is the guest's. */
static bool is_switched(const struct msr_row *row)
{
    return row->first == MSR_EFER && row->last == MSR_EFER;
}

void vmx_msr_bitmap_build(uint8_t *map, const struct msr_row *rows, unsigned count)
{
    memset(map, 0, VMX_MSR_BITMAP_SIZE);
    for (unsigned i = 0; i < count; i++) {
        if (is_switched(&rows[i]))
            continue;
        for (uint32_t msr = rows[i].first; msr <= rows[i].last; msr++) {
            int64_t bit = msr_bit(msr);
            if (bit < 0)
                continue;
            if (rows[i].traps & MSR_TRAP_READ)
                map[bit / 8] |= (uint8_t)(1 << (bit % 8));
            if (rows[i].traps & MSR_TRAP_WRITE)
                map[WRITES + bit / 8] |= (uint8_t)(1 << (bit % 8));
        }
    }
}

void vmx_io_bitmap_build(uint8_t *map)
{
    memset(map, 0, VMX_IO_BITMAP_SIZE);
    io_policy_map(map);
}
