/*
 * Linux bzImages by the 32-bit boot protocol (Linux, "The Linux/x86 Boot Protocol"). Pure: a plan,
 * and a builder of the bytes the kernel is told of.
 *
 * Use: linux_plan(); execute plan.moves; linux_write_low() to the memory at plan.low; enter the
 * guest with plan.entry: flat 32-bit, cs 0x10, ds es ss 0x18, esi = boot_params, ebp edi ebx 0,
 * interrupts and paging off.
 */
#ifndef BOOT_LINUX_H
#define BOOT_LINUX_H

#include "boot/guest_entry.h"
#include "boot/guest_request.h"
#include "boot/placement.h"
#include "boot/refusal.h"
#include "hv/types.h"

enum {
    LINUX_PARAMS_SIZE = 4096,
    LINUX_LOW_MAX = 3 * 4096, /* boot_params; GDT and command line; a copy of the RSDP */
    LINUX_HEADER_START = 0x1f1,
    LINUX_HEADER_END = 0x290, /* boot_params has other things from here on */
};

struct linux_plan {
    uint16_t version;     /* boot protocol, 0x020f is 2.15 */
    uint64_t setup_size;  /* bytes of the file before the protected-mode code */
    uint64_t kernel;      /* where the protected-mode code goes */
    uint64_t kernel_size; /* bytes of it in the file */
    uint64_t kernel_room; /* bytes the kernel needs from there on until it knows the memory map */
    uint64_t low;         /* the block below 640 KiB that linux_write_low() fills; page aligned */
    uint64_t low_size;    /* a multiple of 4096, at most LINUX_LOW_MAX */
    uint64_t params, gdt, cmdline; /* in that block */
    uint64_t rsdp;                 /* what goes into acpi_rsdp_addr, 0 when nothing does */
    uint64_t initrd, initrd_size;  /* all initrds, one behind the other; 0, 0 without */
    struct memory_map e820;        /* what the kernel is shown */
    uint8_t header[LINUX_HEADER_END - LINUX_HEADER_START]; /* the file's setup header */
    struct placement moves;
    struct guest_entry entry;
};

/* True when the bytes have a boot sector's signature and "HdrS" where Linux has them. */
bool linux_is(const uint8_t *bytes, uint64_t size);

/* The boot protocol's version. Only for bytes where linux_is(). */
uint16_t linux_version(const uint8_t *bytes);

/*
 * Checks the image and places everything. False with the reason: header or sizes that make no
 * sense, protocol below 2.02, a zImage, a truncated file, a command line that is too long, no RAM
 * for the kernel, for the low block or for the initrd. The plan is large: keep it static.
 *
 * The kernel goes to its preferred address when that is RAM; else, when it is relocatable, to the
 * lowest place above that. A single initrd stays where it is when it can.
 */
bool linux_plan(const struct guest_request *request, struct linux_plan *plan,
                struct refusal *refusal);

/*
 * Fills the plan's low block, low_size bytes: boot_params (setup header, memory map, screen,
 * initrd, RSDP), GDT, command line and, when the RSDP's address was unknown, its copy. Does not
 * read the image: may be used when that is overwritten already.
 */
void linux_write_low(const struct guest_request *request, const struct linux_plan *plan,
                     uint8_t *low);

#endif
