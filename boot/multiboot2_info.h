/* Multiboot2: the size of the information, shared by planner and builder. */
#ifndef BOOT_MULTIBOOT2_INFO_H
#define BOOT_MULTIBOOT2_INFO_H

#include "boot/elf.h"
#include "boot/guest_request.h"

/* Bytes of the information of this request, a multiple of 8. The GDT goes behind. */
uint32_t multiboot2_info_size(const struct guest_request *request,
                              const struct elf_sections *sections);

#endif
