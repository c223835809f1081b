/*
 * The multiboot2 boot information, read. Pure: the bytes are a parameter, nothing outside of them
 * is touched, whatever they say. (Multiboot2 specification, "Boot information format".)
 */
#ifndef BOOT_MULTIBOOT2_MBI_H
#define BOOT_MULTIBOOT2_MBI_H

#include "boot/boot_info.h"

enum { MBI_MAGIC = 0x36d76289 };

/* Of the tags, those that we read here or tell a guest. */
enum mbi_tag_type {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER = 2,
    TAG_MODULE = 3,
    TAG_BASIC_MEMORY = 4,
    TAG_BOOT_DEVICE = 5,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_ELF_SECTIONS = 9,
    TAG_EFI32 = 11,
    TAG_EFI64 = 12,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
    TAG_LOAD_BASE = 21,
};

/*
 * Reads only the memory map, normalised. HV_ENOENT: the loader gave none; HV_ENOSPC: it has more
 * ranges than the table.
 */
enum hv_status mbi_memory_map(const uint8_t *mbi, struct memory_map *map);

/* The option line, cut to fit; "" without one. */
void mbi_options(const uint8_t *mbi, char *line, size_t size);

/* The memory that the modules and the information itself lie in; returns how many, at most max. */
unsigned mbi_used_ranges(const uint8_t *mbi, struct memory_range *ranges, unsigned max);

/*
 * Fills info's options, loader, map, modules, rsdp and screen. HV_ENOSPC: more modules than fit;
 * else as mbi_memory_map.
 */
enum hv_status mbi_read(const uint8_t *mbi, struct boot_info *info);

#endif
