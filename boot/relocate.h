/* The core moves itself: copies its image, repairs the copy's pointers, goes on in the copy. */
#ifndef BOOT_RELOCATE_H
#define BOOT_RELOCATE_H

#include "hv/compiler.h"
#include "hv/types.h"

/* Bytes of the image as it stands in memory, bss and stacks included. A multiple of 4096. */
uint64_t image_size(void);

/* Where the running image begins. */
hpa_t image_base(void);

/* Page offsets, from its base, of the image's parts: text up to rodata, rodata up to data. */
uint64_t image_rodata_offset(void);
uint64_t image_data_offset(void);

/* Repairs the pointers of the image that runs; the first thing to do after entry. */
void image_fix_pointers(void);

/*
 * Copies the image to `to` (4 KiB aligned, image_size() bytes), repairs the copy's pointers and
 * calls the copy of `entry` with `argument` on the copy's own stack. Pointers that were computed at
 * run time keep pointing to the old image: there should be none in static variables yet.
 */
HV_NORETURN void image_move(hpa_t to, void (*entry)(uint64_t), uint64_t argument);

/* Calls entry(argument) on another stack (relocate.asm). entry must not return. */
HV_NORETURN void image_jump(uint64_t entry, uint64_t stack, uint64_t argument);

#endif
