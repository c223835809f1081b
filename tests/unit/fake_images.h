/*
 * For tests of the image loaders: a machine of some MiB of memory that executes moves, and makers
 * of small guest images.
 */
#ifndef TESTS_UNIT_FAKE_IMAGES_H
#define TESTS_UNIT_FAKE_IMAGES_H

#include "boot/guest_request.h"
#include "boot/placement.h"

enum { FAKE_MEMORY = 64 << 20, FAKE_SELF = 0x3c00000, FAKE_IMAGE_AT = 0x2000000 };

/*
 * 64 MiB: RAM 0..0x9fc00, a BIOS, RAM 1 MiB..64 MiB but for our reservation in the last 4 MiB. The
 * memory is the host's, zeroed, the same in each test.
 */
struct fake_machine {
    uint8_t *memory;
    struct memory_map map;
    struct boot_framebuffer screen;
    struct boot_module modules[BOOT_MAX_MODULES];
    uint8_t rsdp[36];
    struct guest_request request; /* points to all of the above; module 0 at FAKE_IMAGE_AT */
};

void fake_machine_init(struct fake_machine *m);

/* Adds a module of these bytes at a place, and its string. */
void fake_module(struct fake_machine *m, uint64_t at, const uint8_t *bytes, size_t size,
                 const char *cmdline);

/* The guest's image, module 0, as it is now; its string only when the module is new. */
void fake_image(struct fake_machine *m, const uint8_t *bytes, size_t size, const char *cmdline);

/* Executes moves; every byte touched must be in memory. */
void fake_execute(struct fake_machine *m, const struct placement *moves);

/* Bytes that tell a module from another. */
void fake_pattern(uint8_t *bytes, size_t size, unsigned seed);

enum { FAKE_SETUP = 5 * 512 };

/*
 * A bzImage like Debian's (protocol 2.15, relocatable, preferred address 16 MiB, alignment 2 MiB,
 * init_size 4 MiB) with FAKE_SETUP bytes of setup; the code behind is a pattern.
 */
void fake_bzimage(uint8_t *bytes, size_t size);

/* A multiboot1 header at bytes, with a right checksum; address fields only when the flag says so.
 */
void fake_multiboot1(uint8_t *bytes, uint32_t flags, const uint32_t addresses[5]);

struct fake_tag {
    uint16_t type, flags;
    uint32_t size; /* as it is to stand there */
    uint32_t words[8];
};

/*
 * A multiboot2 header at bytes, 8-aligned, with a right checksum and length; each tag takes its
 * size, rounded up to 8, at most 40 bytes.
 */
void fake_multiboot2(uint8_t *bytes, const struct fake_tag *tags, unsigned count);

struct fake_segment {
    uint32_t type;
    uint64_t offset, vaddr, paddr, filesz, memsz;
};

/* An ELF header of 32 or 64 bits and its program headers. */
void fake_elf(uint8_t *bytes, unsigned bits, uint64_t entry, const struct fake_segment *segments,
              unsigned count);

#endif
