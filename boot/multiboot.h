/*
 * What multiboot1 and multiboot2 kernels share: they are loaded by address fields or as ELF files,
 * with an information block and modules. Pure: checks and a plan.
 *
 * Use: multiboot1_plan() or multiboot2_plan(); execute plan.moves; the same version's write_info to
 * the memory at plan.info; enter the guest with plan.entry.
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include "boot/elf.h"
#include "boot/guest_entry.h"
#include "boot/guest_request.h"
#include "boot/placement.h"
#include "boot/refusal.h"
#include "hv/types.h"

/* What the information block of either version may need at most. */
enum { MULTIBOOT_INFO_MAX = 28 * 1024 };

struct multiboot_plan {
    uint32_t header_offset; /* of the image's header */
    bool screen;            /* the kernel is to be told of the screen */
    unsigned count;
    struct elf_segment segments[ELF_SEGMENTS_MAX]; /* what is loaded; from address fields: one */
    uint64_t load_start, load_end;                 /* the lowest of them, and behind the highest */
    uint64_t info, info_size;                      /* the information block; below 640 KiB */
    unsigned module_count;                         /* without the kernel */
    uint64_t modules[BOOT_MAX_MODULES];            /* where they go */
    struct elf_sections
        sections; /* that the kernel is told of; then the file goes to `file`, too */
    uint64_t file;
    struct placement moves;
    struct guest_entry entry;
};

/*
 * True with the offset of the first good header of a version, 1 or 2 (magic, checksum), where its
 * specification has it. `good` false: of the first that has the magic alone, or is cut off.
 */
bool multiboot_find(unsigned version, bool good, const uint8_t *bytes, uint64_t size,
                    uint32_t *offset);

/* A header's address fields: where the header itself is in memory, and so on. */
struct multiboot_addresses {
    uint32_t header;
    uint32_t load;
    uint32_t load_end; /* 0: the rest of the file */
    uint32_t bss_end;  /* 0: no bss */
    uint32_t entry;
};

/*
 * The image as one segment by its address fields, and its entry; plan->header_offset is set. False
 * with the reason: fields that contradict each other or the file, an entry outside of what the file
 * has.
 */
bool multiboot_read_addresses(const struct guest_request *request,
                              const struct multiboot_addresses *fields, struct multiboot_plan *plan,
                              struct refusal *refusal);

/* The image by its ELF headers, with the entry as these have it. False as elf_read(). */
bool multiboot_read_elf(const struct guest_request *request, struct multiboot_plan *plan,
                        struct refusal *refusal);

/*
 * Places all: checks that each segment is free RAM and overlaps none, then finds places for the
 * information block of info_size bytes (rounded up to pages; low memory, free of segments), the
 * modules, and the kernel's file if plan->sections are told of (page aligned; where they are when
 * they can stay, else the lowest place behind the kernel). False with the reason: a place that is
 * not RAM or is ours, an entry outside of the segments, no memory.
 */
bool multiboot_place(const struct guest_request *request, uint32_t info_size,
                     struct multiboot_plan *plan, struct refusal *refusal);

#endif
