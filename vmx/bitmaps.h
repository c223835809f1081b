/*
 * VMX's permission maps from core's policy. Pure. SDM vol. 3, "I/O-Bitmap Addresses", "MSR-Bitmap
 * Address".
 */
#ifndef VMX_BITMAPS_H
#define VMX_BITMAPS_H

#include "core/policy.h"

enum { VMX_MSR_BITMAP_SIZE = 4096, VMX_IO_BITMAP_SIZE = 8192 };

/*
 * Rows outside the two ranges that the map covers are ignored: those MSRs always exit. So is
 * EFER's: it is switched with the guest, and has no bit to hide.
 */
void vmx_msr_bitmap_build(uint8_t *map, const struct msr_row *rows, unsigned count);

/* All of these rows, EFER's too, besides what is in the map. */
void vmx_msr_bitmap_add(uint8_t *map, const struct msr_row *rows, unsigned count);

/* Both bitmaps, A and B, one behind the other: bits set for the ports that are hidden. */
void vmx_io_bitmap_build(uint8_t *map);

#endif
