/* Multiboot2: what the kernel is told (Multiboot2 Specification, "Boot information format"). */
#include "boot/multiboot2_info.h"

#include "boot/multiboot2.h"
#include "boot/multiboot2/mbi.h"
#include "boot/multiboot_info.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
    INFO_HEADER = 8,
    TAG_HEADER = 8,
    TAG_ALIGN = 8,
    MODULE_FIXED = 8,
    SECTIONS_FIXED = 12,
    MAP_FIXED = 8,
    MAP_ENTRY = 24,
    SCREEN_FIXED = MULTIBOOT_SCREEN_SIZE + 2, /* two bytes are reserved */
    RSDP_OLD = 20,                            /* bytes of ACPI 1.0's */
};

/* A tag with this many bytes behind its type and size takes so many, padded. */
#define TAG_SIZE(payload) HV_ALIGN_UP(TAG_HEADER + (uint32_t)(payload), (uint32_t)TAG_ALIGN)

_Static_assert(INFO_HEADER + BOOT_MAX_MODULES * TAG_SIZE(MODULE_FIXED + BOOT_CMDLINE_SIZE) +
                       TAG_SIZE(sizeof(MULTIBOOT_LOADER)) + TAG_SIZE(8) +
                       TAG_SIZE(MAP_FIXED + MEMORY_MAP_MAX * MAP_ENTRY) +
                       TAG_SIZE(SCREEN_FIXED + MULTIBOOT_COLOURS_SIZE) + TAG_SIZE(RSDP_OLD) +
                       TAG_SIZE(36) + TAG_SIZE(4) + TAG_SIZE(0) +
                       TAG_SIZE(SECTIONS_FIXED + ELF_SECTIONS_SIZE) + GUEST_GDT_SIZE <=
                   MULTIBOOT_INFO_MAX,
               "the largest information fits");

static uint32_t text_size(const char *text)
{
    return (uint32_t)strnlen(text, BOOT_CMDLINE_SIZE - 1) + 1;
}

static uint32_t screen_size(const struct boot_framebuffer *screen)
{
    return SCREEN_FIXED + (screen->kind == BOOT_SCREEN_RGB ? MULTIBOOT_COLOURS_SIZE : 0);
}

uint32_t multiboot2_info_size(const struct guest_request *request,
                              const struct elf_sections *sections)
{
    uint32_t size = INFO_HEADER + TAG_SIZE(text_size(request->modules[0].cmdline)) +
                    TAG_SIZE(sizeof(MULTIBOOT_LOADER)) + TAG_SIZE(8) +
                    TAG_SIZE(MAP_FIXED + request->map->count * MAP_ENTRY) + TAG_SIZE(4) +
                    TAG_SIZE(0);

    for (unsigned i = 1; i < request->module_count; i++)
        size += TAG_SIZE(MODULE_FIXED + text_size(request->modules[i].cmdline));
    if (request->screen->kind != BOOT_SCREEN_NONE)
        size += TAG_SIZE(screen_size(request->screen));
    if (request->rsdp_size >= RSDP_OLD)
        size += TAG_SIZE(RSDP_OLD);
    if (request->rsdp_size > RSDP_OLD)
        size += TAG_SIZE(request->rsdp_size);
    if (sections->count != 0)
        size += TAG_SIZE(SECTIONS_FIXED + sections->count * sections->entry_size);
    return size;
}

/* Writes a tag's header at *at, moves that behind the tag, and returns where its payload goes. */
static uint8_t *put_tag(uint8_t **at, enum mbi_tag_type type, uint32_t payload)
{
    uint8_t *tag = *at;

    put32(tag, type);
    put32(tag + 4, TAG_HEADER + payload);
    *at = tag + TAG_SIZE(payload);
    return tag + TAG_HEADER;
}

/* The terminator is there: all was zeroed. */
static void put_text(uint8_t *at, const char *text)
{
    memcpy(at, text, text_size(text) - 1);
}

static void put_modules(const struct guest_request *request, const struct multiboot_plan *plan,
                        uint8_t **at)
{
    for (unsigned i = 0; i < plan->module_count; i++) {
        const struct boot_module *m = &request->modules[i + 1];
        uint8_t *tag = put_tag(at, TAG_MODULE, MODULE_FIXED + text_size(m->cmdline));

        put32(tag, (uint32_t)plan->modules[i]);
        put32(tag + 4, (uint32_t)(plan->modules[i] + m->size));
        put_text(tag + MODULE_FIXED, m->cmdline);
    }
}

static void put_memory(const struct memory_map *map, uint8_t **at)
{
    uint8_t *tag = put_tag(at, TAG_BASIC_MEMORY, 8);

    put32(tag, multiboot_mem_lower(map));
    put32(tag + 4, multiboot_mem_upper(map));
    tag = put_tag(at, TAG_MEMORY_MAP, MAP_FIXED + map->count * MAP_ENTRY);
    put32(tag, MAP_ENTRY); /* its version, behind it, is 0 */
    for (unsigned i = 0; i < map->count; i++)
        multiboot_put_range(tag + MAP_FIXED + (size_t)i * MAP_ENTRY, &map->ranges[i]);
}

static void put_sections(const struct elf_sections *sections, uint8_t **at)
{
    uint32_t size = sections->count * sections->entry_size;
    uint8_t *tag;

    if (size == 0)
        return;
    tag = put_tag(at, TAG_ELF_SECTIONS, SECTIONS_FIXED + size);
    put32(tag, sections->count);
    put32(tag + 4, sections->entry_size);
    put32(tag + 8, sections->names);
    memcpy(tag + SECTIONS_FIXED, sections->table, size);
}

/* ACPI 1.0's RSDP is the beginning of each later one. */
static void put_rsdp(const struct guest_request *request, uint8_t **at)
{
    if (request->rsdp_size >= RSDP_OLD)
        memcpy(put_tag(at, TAG_ACPI_OLD, RSDP_OLD), request->rsdp, RSDP_OLD);
    if (request->rsdp_size > RSDP_OLD)
        memcpy(put_tag(at, TAG_ACPI_NEW, (uint32_t)request->rsdp_size), request->rsdp,
               request->rsdp_size);
}

void multiboot2_write_info(const struct guest_request *request, const struct multiboot_plan *plan,
                           uint8_t *info)
{
    const char *cmdline = request->modules[0].cmdline;
    const struct boot_framebuffer *screen = request->screen;
    uint8_t *at = info + INFO_HEADER, *tag;

    memset(info, 0, plan->info_size);
    put_text(put_tag(&at, TAG_CMDLINE, text_size(cmdline)), cmdline);
    put_text(put_tag(&at, TAG_LOADER, sizeof(MULTIBOOT_LOADER)), MULTIBOOT_LOADER);
    put_modules(request, plan, &at);
    put_memory(request->map, &at);
    if (screen->kind != BOOT_SCREEN_NONE) {
        tag = put_tag(&at, TAG_FRAMEBUFFER, screen_size(screen));
        multiboot_put_screen(tag, tag + SCREEN_FIXED, screen);
    }
    put_rsdp(request, &at);
    put_sections(&plan->sections, &at);
    put32(put_tag(&at, TAG_LOAD_BASE, 4), (uint32_t)plan->load_start);
    put_tag(&at, TAG_END, 0);
    put32(info, (uint32_t)(at - info));
    guest_gdt_write(at);
}
