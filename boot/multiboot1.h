/*
 * Multiboot1 kernels (Multiboot Specification 0.6.96): flat images with address fields, ELF32, and
 * ELF64 as GRUB allows. Pure: a plan, and a builder of the information the kernel is told.
 *
 * Use: multiboot1_plan(); execute plan.moves; multiboot1_write_info() to the memory at plan.info;
 * enter the guest with plan.entry: flat 32-bit, eax 0x2badb002, ebx = the information.
 */
#ifndef BOOT_MULTIBOOT1_H
#define BOOT_MULTIBOOT1_H

#include "boot/elf.h"
#include "boot/guest_entry.h"
#include "boot/guest_request.h"
#include "boot/placement.h"
#include "boot/refusal.h"
#include "hv/types.h"

#define MULTIBOOT1_BOOT_MAGIC 0x2badb002u /* eax at entry */

/* What multiboot1_write_info() may need at most. */
enum { MULTIBOOT1_INFO_MAX = 24 * 1024 };

/* Where the parts of the information block lie in it; the information itself is at 0. */
struct multiboot1_layout {
    uint32_t gdt, cmdline, loader, modules, strings, map;
    uint32_t size;
};

struct multiboot1_plan {
    uint32_t header_offset, flags; /* of the image's header */
    unsigned count;
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* what is loaded; from address fields: one */
    uint64_t load_end;                             /* behind the highest of them */
    uint64_t info, info_size; /* the block multiboot1_write_info() fills; below 640 KiB */
    struct multiboot1_layout layout;
    unsigned module_count;              /* without the kernel */
    uint64_t modules[BOOT_MAX_MODULES]; /* where they go */
    struct placement moves;
    struct guest_entry entry;
};

/* True with the offset of the first good header (magic, checksum) where the specification has it.
 */
bool multiboot1_find(const uint8_t *bytes, uint64_t size, uint32_t *offset);

/* The same for a header that is no good: wrong checksum or cut off by the end of the file. */
bool multiboot1_find_broken(const uint8_t *bytes, uint64_t size, uint32_t *offset);

/*
 * Checks the image and places everything: segments, the information block (low memory, free of
 * segments), modules (page aligned; where they are when they can stay, else the lowest place behind
 * the kernel). False with the reason: no good header, unknown mandatory flags, a video mode wanted
 * where there is no screen, address fields or ELF headers that make no sense, a truncated file, a
 * place that is not RAM or is ours, an entry outside, no memory. The plan is large: keep it static.
 */
bool multiboot1_plan(const struct guest_request *request, struct multiboot1_plan *plan,
                     struct refusal *refusal);

/*
 * Fills the information block, plan->info_size bytes: memory sizes and map (request->map), command
 * line, loader name, modules with their strings, the screen when the kernel asks for it, a GDT.
 * Does not read the image: may be used when that is overwritten already.
 */
void multiboot1_write_info(const struct guest_request *request, const struct multiboot1_plan *plan,
                           uint8_t *info);

#endif
