#include "svm/bitmaps.h"

#include "hv/compiler.h"
#include "lib/string.h"

enum { RANGE = 0x2000, RANGE_BYTES = 0x800 };

/* Two bits for each MSR of the range whose number `nth` is and that begins with `start`. */
static void add_row(uint8_t *map, unsigned nth, uint32_t start, const struct msr_row *row)
{
    uint64_t first = HV_MAX(row->first, start);
    uint64_t last = HV_MIN((uint64_t)row->last, (uint64_t)start + RANGE - 1);

    for (uint64_t msr = first; msr <= last; msr++) {
        uint64_t bit = (msr - start) * 2;
        map[nth * RANGE_BYTES + bit / 8] |= (uint8_t)(row->traps << (bit % 8));
    }
}

void svm_msrpm_add(uint8_t *map, const struct msr_row *rows, unsigned count)
{
    static const uint32_t starts[] = {0x00000000, 0xc0000000, 0xc0010000};

    for (unsigned i = 0; i < count; i++) {
        for (unsigned nth = 0; nth < HV_ARRAY_SIZE(starts); nth++)
            add_row(map, nth, starts[nth], &rows[i]);
    }
}

void svm_msrpm_build(uint8_t *map, const struct msr_row *rows, unsigned count)
{
    memset(map, 0, SVM_MSRPM_SIZE);
    svm_msrpm_add(map, rows, count);
}

void svm_iopm_build(uint8_t *map)
{
    memset(map, 0, SVM_IOPM_SIZE);
    io_policy_map(map);
}
