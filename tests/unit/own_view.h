/* Stage 2 as one CPU sees it, its own pages too, in AMD's format. */
#ifndef TESTS_UNIT_OWN_VIEW_H
#define TESTS_UNIT_OWN_VIEW_H

#include <string.h>

#include "core/stage2.h"

/* What the address translates to for that CPU. False: it is not present. */
static inline bool own_view(unsigned cpu, gpa_t address, hpa_t *hpa, unsigned *access)
{
    hpa_t table = stage2_root(cpu, STAGE2_NORMAL);
    uint64_t word = 0, size = 0;

    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        size = 1ULL << shift;
        memcpy(&word, (const uint8_t *)table + (address >> shift & 511) * 8, 8);
        if (!(word & 1))
            return false;
        table = word & 0x000ffffffffff000ULL;
        if (shift < 39 && (word & 0x80))
            break;
    }
    *hpa = table + (address & (size - 1));
    *access = STAGE2_READ | (word & 2 ? STAGE2_WRITE : 0);
    return true;
}

#endif
