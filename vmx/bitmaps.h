/* VMX's MSR bitmap from core's policy. Pure. SDM vol. 3, "MSR-Bitmap Address". */
#ifndef VMX_BITMAPS_H
#define VMX_BITMAPS_H

#include "core/policy.h"

enum { VMX_MSR_BITMAP_SIZE = 4096 };

/*
 * A msr_map_fn. What is outside the two ranges that the map covers is ignored: it always exits. So
 * is core's row of EFER: it is switched with the guest, and has no bit to hide.
 */
void vmx_msr_bitmap_add(uint8_t *map, const struct msr_row *row, bool own);

#endif
