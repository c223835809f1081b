/* Multiboot1: what the kernel is told (Multiboot Specification, "Boot information format"). */
#include "boot/multiboot1_info.h"

#include "boot/bytes.h"
#include "hv/compiler.h"
#include "lib/string.h"

#ifndef HV_VERSION
#define HV_VERSION "unversioned"
#endif

static const char loader_name[] = "gdbvisor " HV_VERSION;

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
    MI_FB_ADDR = 88,
    MI_FB_PITCH = 96,
    MI_FB_WIDTH = 100,
    MI_FB_HEIGHT = 104,
    MI_FB_BPP = 108,
    MI_FB_TYPE = 109,
    MI_FB_COLOURS = 110, /* position and size of red, green, blue */
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

enum { FLAG_VIDEO = 1 << 2 }; /* of the image's header */
enum { FB_TYPE_RGB = 1, FB_TYPE_TEXT = 2, TEXT_CELL = 2 };
enum { MODULE_ENTRY = 16, MAP_ENTRY = 24, MIB = 0x100000, LOWER_END = 0xa0000 };

_Static_assert(MI_SIZE + 12 + GUEST_GDT_SIZE +
                       BOOT_MAX_MODULES * (MODULE_ENTRY + BOOT_CMDLINE_SIZE) + sizeof(loader_name) +
                       4 + MEMORY_MAP_MAX * MAP_ENTRY <=
                   MULTIBOOT1_INFO_MAX,
               "the largest information fits");

void multiboot1_lay_out(const struct guest_request *request, struct multiboot1_plan *plan)
{
    struct multiboot1_layout *l = &plan->layout;
    uint32_t at;

    l->gdt = HV_ALIGN_UP((uint32_t)MI_SIZE, 8);
    l->modules = l->gdt + GUEST_GDT_SIZE;
    l->map = l->modules + (request->module_count - 1) * MODULE_ENTRY;
    l->loader = l->map + request->map->count * MAP_ENTRY;
    l->cmdline = l->loader + (uint32_t)sizeof(loader_name);
    at = l->cmdline;
    for (unsigned i = 0; i < request->module_count; i++) {
        at += (uint32_t)strnlen(request->modules[i].cmdline, BOOT_CMDLINE_SIZE - 1) + 1;
        if (i == 0)
            l->strings = at; /* of the modules, one behind the other */
    }
    l->size = at;
}

/* KiB of RAM from start on in one piece, at most up to limit. */
static uint32_t ram_kib(const struct memory_map *map, uint64_t start, uint64_t limit)
{
    return (uint32_t)((HV_MIN(memory_map_ram_end(map, start), limit) - start) >> 10);
}

/* "Memory map": entries whose size field does not count itself. Types beyond 5 are not known. */
static void write_map(const struct memory_map *map, uint8_t *entry)
{
    for (unsigned i = 0; i < map->count; i++, entry += MAP_ENTRY) {
        const struct memory_range *r = &map->ranges[i];

        put32(entry, MAP_ENTRY - 4);
        put64(entry + 4, r->start);
        put64(entry + 12, r->end - r->start);
        put32(entry + 20, r->type <= MEMORY_BAD ? r->type : MEMORY_RESERVED);
    }
}

static void write_modules(const struct guest_request *request, const struct multiboot1_plan *plan,
                          uint8_t *info)
{
    uint32_t string = plan->layout.strings;

    for (unsigned i = 0; i < plan->module_count; i++) {
        const struct boot_module *m = &request->modules[i + 1];
        uint8_t *entry = info + plan->layout.modules + i * MODULE_ENTRY;
        size_t length = strnlen(m->cmdline, BOOT_CMDLINE_SIZE - 1);

        put32(entry, (uint32_t)plan->modules[i]);
        put32(entry + 4, (uint32_t)(plan->modules[i] + m->size));
        put32(entry + 8, (uint32_t)plan->info + string);
        memcpy(info + string, m->cmdline, length); /* the terminator is there: all was zeroed */
        string += (uint32_t)length + 1;
    }
}

static void write_screen(const struct boot_framebuffer *fb, uint8_t *info)
{
    const uint8_t colours[] = {fb->red_position, fb->red_size,      fb->green_position,
                               fb->green_size,   fb->blue_position, fb->blue_size};
    bool rgb = fb->kind == BOOT_SCREEN_RGB;

    put64(info + MI_FB_ADDR, fb->address);
    put32(info + MI_FB_PITCH, rgb ? fb->pitch : fb->width * TEXT_CELL);
    put32(info + MI_FB_WIDTH, fb->width);
    put32(info + MI_FB_HEIGHT, fb->height);
    info[MI_FB_BPP] = rgb ? fb->bits_per_pixel : 8 * TEXT_CELL;
    info[MI_FB_TYPE] = rgb ? FB_TYPE_RGB : FB_TYPE_TEXT;
    if (rgb)
        memcpy(info + MI_FB_COLOURS, colours, sizeof(colours));
}

void multiboot1_write_info(const struct guest_request *request, const struct multiboot1_plan *plan,
                           uint8_t *info)
{
    const struct multiboot1_layout *l = &plan->layout;
    const struct memory_map *map = request->map;
    uint32_t flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER | INFO_MODULES;
    uint32_t base = (uint32_t)plan->info;

    memset(info, 0, plan->info_size);
    put32(info + MI_MEM_LOWER, ram_kib(map, 0, LOWER_END));
    put32(info + MI_MEM_UPPER, ram_kib(map, MIB, LOAD_LIMIT));
    put32(info + MI_CMDLINE, base + l->cmdline);
    memcpy(info + l->cmdline, request->modules[0].cmdline,
           strnlen(request->modules[0].cmdline, BOOT_CMDLINE_SIZE - 1));
    put32(info + MI_MODS_COUNT, plan->module_count);
    put32(info + MI_MODS_ADDR, base + l->modules);
    write_modules(request, plan, info);
    put32(info + MI_MMAP_LENGTH, map->count * MAP_ENTRY);
    put32(info + MI_MMAP_ADDR, base + l->map);
    write_map(map, info + l->map);
    put32(info + MI_LOADER_NAME, base + l->loader);
    memcpy(info + l->loader, loader_name, sizeof(loader_name));
    guest_gdt_write(info + l->gdt);
    if ((plan->flags & FLAG_VIDEO) && request->screen->kind != BOOT_SCREEN_NONE) {
        flags |= INFO_FRAMEBUFFER;
        write_screen(request->screen, info);
    }
    put32(info + MI_FLAGS, flags);
}
