/* The multiboot2 door: from the boot loader's information to a boot_info and the hall. */
#ifndef BOOT_MULTIBOOT2_DOOR_H
#define BOOT_MULTIBOOT2_DOOR_H

#include "hv/compiler.h"
#include "hv/types.h"

/* Called by entry.asm; magic and mbi as the loader gave them. */
HV_NORETURN void door_enter(uint32_t magic, uint32_t mbi);

#endif
