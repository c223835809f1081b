/* Multiboot1: what the kernel is told (Multiboot Specification, "Boot information format"). */
#include "boot/multiboot1_info.h"

#include "boot/multiboot1.h"
#include "boot/multiboot_info.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum info_offset {
    MI_FLAGS = 0,
    MI_MEM_LOWER = 4, /* KiB from 0 on */
    MI_MEM_UPPER = 8, /* KiB from 1 MiB on */
    MI_CMDLINE = 16,
    MI_MODS_COUNT = 20,
    MI_MODS_ADDR = 24,
    MI_MMAP_LENGTH = 44,
    MI_MMAP_ADDR = 48,
    MI_LOADER_NAME = 64,
    MI_SCREEN = 88,
    MI_COLOURS = MI_SCREEN + MULTIBOOT_SCREEN_SIZE,
    MI_SIZE = 116,
};

enum info_flag {
    INFO_MEMORY = 1 << 0,
    INFO_CMDLINE = 1 << 2,
    INFO_MODULES = 1 << 3,
    INFO_MMAP = 1 << 6,
    INFO_LOADER = 1 << 9,
    INFO_FRAMEBUFFER = 1 << 12,
};

enum { MODULE_ENTRY = 16, MAP_ENTRY = 24 };

_Static_assert(MI_SIZE + 12 + GUEST_GDT_SIZE +
                       BOOT_MAX_MODULES * (MODULE_ENTRY + BOOT_CMDLINE_SIZE) +
                       sizeof(MULTIBOOT_LOADER) + 4 + MEMORY_MAP_MAX * MAP_ENTRY <=
                   MULTIBOOT_INFO_MAX,
               "the largest information fits");

struct multiboot1_layout multiboot1_lay_out(const struct guest_request *request)
{
    struct multiboot1_layout l;
    uint32_t at;

    l.gdt = HV_ALIGN_UP((uint32_t)MI_SIZE, 8);
    l.modules = l.gdt + GUEST_GDT_SIZE;
    l.map = l.modules + (request->module_count - 1) * MODULE_ENTRY;
    l.loader = l.map + request->map->count * MAP_ENTRY;
    l.cmdline = l.loader + (uint32_t)sizeof(MULTIBOOT_LOADER);
    l.strings = 0;
    at = l.cmdline;
    for (unsigned i = 0; i < request->module_count; i++) {
        at += (uint32_t)strnlen(request->modules[i].cmdline, BOOT_CMDLINE_SIZE - 1) + 1;
        if (i == 0)
            l.strings = at; /* of the modules, one behind the other */
    }
    l.size = at;
    return l;
}

/* "Memory map": entries whose size field does not count itself. */
static void write_map(const struct memory_map *map, uint8_t *entry)
{
    for (unsigned i = 0; i < map->count; i++, entry += MAP_ENTRY) {
        put32(entry, MAP_ENTRY - 4);
        multiboot_put_range(entry + 4, &map->ranges[i]);
    }
}

static void write_modules(const struct guest_request *request, const struct multiboot_plan *plan,
                          const struct multiboot1_layout *layout, uint8_t *info)
{
    uint32_t string = layout->strings;

    for (unsigned i = 0; i < plan->module_count; i++) {
        const struct boot_module *m = &request->modules[i + 1];
        uint8_t *entry = info + layout->modules + i * MODULE_ENTRY;
        size_t length = strnlen(m->cmdline, BOOT_CMDLINE_SIZE - 1);

        put32(entry, (uint32_t)plan->modules[i]);
        put32(entry + 4, (uint32_t)(plan->modules[i] + m->size));
        put32(entry + 8, (uint32_t)plan->info + string);
        memcpy(info + string, m->cmdline, length); /* the terminator is there: all was zeroed */
        string += (uint32_t)length + 1;
    }
}

void multiboot1_write_info(const struct guest_request *request, const struct multiboot_plan *plan,
                           uint8_t *info)
{
    const struct multiboot1_layout l = multiboot1_lay_out(request);
    const struct memory_map *map = request->map;
    uint32_t flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER | INFO_MODULES;
    uint32_t base = (uint32_t)plan->info;

    memset(info, 0, plan->info_size);
    put32(info + MI_MEM_LOWER, multiboot_mem_lower(map));
    put32(info + MI_MEM_UPPER, multiboot_mem_upper(map));
    put32(info + MI_CMDLINE, base + l.cmdline);
    memcpy(info + l.cmdline, request->modules[0].cmdline,
           strnlen(request->modules[0].cmdline, BOOT_CMDLINE_SIZE - 1));
    put32(info + MI_MODS_COUNT, plan->module_count);
    put32(info + MI_MODS_ADDR, base + l.modules);
    write_modules(request, plan, &l, info);
    put32(info + MI_MMAP_LENGTH, map->count * MAP_ENTRY);
    put32(info + MI_MMAP_ADDR, base + l.map);
    write_map(map, info + l.map);
    put32(info + MI_LOADER_NAME, base + l.loader);
    memcpy(info + l.loader, MULTIBOOT_LOADER, sizeof(MULTIBOOT_LOADER));
    guest_gdt_write(info + l.gdt);
    if (plan->screen) {
        flags |= INFO_FRAMEBUFFER;
        multiboot_put_screen(info + MI_SCREEN, info + MI_COLOURS, request->screen);
    }
    put32(info + MI_FLAGS, flags);
}
