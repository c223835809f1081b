/*
 * Multiboot1 kernels (Multiboot Specification 0.6.96): flat images with address fields, ELF32, and
 * ELF64 as GRUB allows. Pure: a plan, and a builder of the information the kernel is told.
 *
 * The entry: flat 32-bit, eax 0x2badb002, ebx = the information.
 */
#ifndef BOOT_MULTIBOOT1_H
#define BOOT_MULTIBOOT1_H

#include "boot/multiboot.h"

#define MULTIBOOT1_BOOT_MAGIC 0x2badb002u /* eax at entry */

/*
 * Checks the image and places everything. False with the reason: no good header, unknown mandatory
 * flags, a video mode wanted where there is no screen, a truncated file, and what the functions of
 * boot/multiboot.h refuse. The plan is large: keep it static.
 */
bool multiboot1_plan(const struct guest_request *request, struct multiboot_plan *plan,
                     struct refusal *refusal);

/*
 * Fills the information block, plan->info_size bytes: memory sizes and map (request->map), command
 * line, loader name, modules with their strings, the screen when the kernel asks for it, a GDT.
 * Does not read the image: may be used when that is overwritten already.
 */
void multiboot1_write_info(const struct guest_request *request, const struct multiboot_plan *plan,
                           uint8_t *info);

#endif
