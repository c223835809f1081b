/* Which kind of guest image a module is. Recognising is all: the loaders check the details. */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include "boot/refusal.h"
#include "hv/types.h"

enum image_kind {
    IMAGE_UNKNOWN,
    IMAGE_LINUX,      /* bzImage (or zImage, which its loader refuses) */
    IMAGE_MULTIBOOT1, /* flat with address fields, or ELF */
    IMAGE_MULTIBOOT2,
    IMAGE_BOOT_SECTOR, /* exactly 512 bytes that end in 55 aa */
};

struct image {
    enum image_kind kind;
    uint32_t header_offset; /* of the multiboot header */
    uint16_t version;       /* Linux: boot protocol, 0x020f is 2.15 */
    unsigned elf_bits;      /* 32 or 64 for ELF files, else 0 */
    char name[48];          /* "Linux bzImage, boot protocol 2.15" */
};

/*
 * Looks at the image. True when it is of a kind that is started; else false and the reason: what
 * it is instead, or what was looked for in vain. An image with both multiboot headers counts as
 * MULTIBOOT2, which tells a kernel more.
 */
bool image_recognise(const uint8_t *bytes, uint64_t size, struct image *image,
                     struct refusal *refusal);

#endif
