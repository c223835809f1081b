#include "svm/bitmaps.h"

#include "hv/compiler.h"

enum { RANGE = 0x2000, RANGE_BYTES = 0x800 };

/* Two bits for each MSR of the range whose number `nth` is and that begins with `start`. */
static void add_range(uint8_t *map, unsigned nth, uint32_t start, const struct msr_row *row)
{
    uint64_t first = HV_MAX(row->first, start);
    uint64_t last = HV_MIN((uint64_t)row->last, (uint64_t)start + RANGE - 1);

    for (uint64_t msr = first; msr <= last; msr++) {
        uint64_t bit = (msr - start) * 2;
        map[nth * RANGE_BYTES + bit / 8] |= (uint8_t)(row->traps << (bit % 8));
    }
}

void svm_msrpm_add(uint8_t *map, const struct msr_row *row, bool own)
{
    static const uint32_t starts[] = {0x00000000, 0xc0000000, 0xc0010000};
    (void)own;

    for (unsigned nth = 0; nth < HV_ARRAY_SIZE(starts); nth++)
        add_range(map, nth, starts[nth], row);
}
