/* What the information of both multiboot versions tells in the same words. */
#ifndef BOOT_MULTIBOOT_INFO_H
#define BOOT_MULTIBOOT_INFO_H

#include "boot/boot_info.h"
#include "boot/memory_map.h"

#ifndef HV_VERSION
#define HV_VERSION "unversioned"
#endif

/* What we call ourselves. */
#define MULTIBOOT_LOADER "gdbvisor " HV_VERSION

/* mem_lower and mem_upper: KiB of RAM in one piece from 0 and from 1 MiB on. */
uint32_t multiboot_mem_lower(const struct memory_map *map);
uint32_t multiboot_mem_upper(const struct memory_map *map);

/* Base, length and type of a range, 20 bytes: types that the specifications do not know are
 * reserved. */
void multiboot_put_range(uint8_t *at, const struct memory_range *range);

enum { MULTIBOOT_SCREEN_SIZE = 22, MULTIBOOT_COLOURS_SIZE = 6 };

/*
 * Address, pitch, width, height, depth and type of the screen, MULTIBOOT_SCREEN_SIZE bytes; for an
 * RGB one MULTIBOOT_COLOURS_SIZE bytes at `colours`. There is a screen.
 */
void multiboot_put_screen(uint8_t *at, uint8_t *colours, const struct boot_framebuffer *screen);

#endif
