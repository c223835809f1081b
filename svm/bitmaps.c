#include "svm/bitmaps.h"

#include "lib/string.h"

/* The map's offset of an MSR in bits, -1 when it has none. */
static int64_t msr_bit(uint32_t msr)
{
    static const uint32_t first[] = {0x00000000, 0xc0000000, 0xc0010000};

    for (unsigned i = 0; i < 3; i++) {
        if (msr >= first[i] && msr - first[i] < 0x2000)
            return (int64_t)i * 0x800 * 8 + (int64_t)(msr - first[i]) * 2;
    }
    return -1;
}

void svm_msrpm_build(uint8_t *map, const struct msr_row *rows, unsigned count)
{
    memset(map, 0, SVM_MSRPM_SIZE);
    for (unsigned i = 0; i < count; i++) {
        for (uint32_t msr = rows[i].first; msr <= rows[i].last; msr++) {
            int64_t bit = msr_bit(msr);
            if (bit >= 0)
                map[bit / 8] |= (uint8_t)(rows[i].traps << (bit % 8));
        }
    }
}

void svm_iopm_build(uint8_t *map)
{
    memset(map, 0, SVM_IOPM_SIZE);
    io_policy_map(map);
}
