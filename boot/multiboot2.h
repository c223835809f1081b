/*
 * Multiboot2 kernels (Multiboot2 Specification 2.0) as guests: flat images with an address tag,
 * ELF32 and ELF64. Pure: a plan, and a builder of the information the kernel is told. (That
 * gdbvisor itself is such a kernel is the business of boot/multiboot2/.)
 *
 * The entry: flat 32-bit, eax 0x36d76289, ebx = the information.
 */
#ifndef BOOT_MULTIBOOT2_H
#define BOOT_MULTIBOOT2_H

#include "boot/multiboot.h"

/*
 * Checks the image and places everything; a relocatable kernel whose place is not free RAM in its
 * bounds is moved. False with the reason: a bad header (checksum, not for i386, a tag of a size
 * that cannot be, no end tag), a tag or an information that is demanded and not known, a console or
 * ELF sections demanded that are not there, and what the functions of boot/multiboot.h refuse. The
 * plan is large: keep it static.
 */
bool multiboot2_plan(const struct guest_request *request, struct multiboot_plan *plan,
                     struct refusal *refusal);

/*
 * Fills the information block, plan->info_size bytes: command line, loader name, modules with their
 * strings, memory sizes and map (request->map), load address, the screen, the RSDP and the ELF
 * sections where there are, a GDT. Does not read the image: may be used when that is overwritten
 * already.
 */
void multiboot2_write_info(const struct guest_request *request, const struct multiboot_plan *plan,
                           uint8_t *info);

#endif
