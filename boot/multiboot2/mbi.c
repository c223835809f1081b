#include "boot/multiboot2/mbi.h"

#include "hv/compiler.h"
#include "lib/string.h"

struct mbi_tag {
    uint32_t type;
    uint32_t size; /* with this header, without the padding to 8 bytes */
};

struct mbi_module {
    struct mbi_tag tag;
    uint32_t start, end;
    char string[];
};

struct mbi_boot_device {
    struct mbi_tag tag;
    uint32_t bios_drive, partition, sub_partition;
};

struct mbi_map {
    struct mbi_tag tag;
    uint32_t entry_size, entry_version;
    uint8_t entries[];
};

struct mbi_map_entry {
    uint64_t base, length;
    uint32_t type, zero;
};

struct mbi_framebuffer {
    struct mbi_tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type;
    uint16_t reserved;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
} HV_PACKED;

enum { FRAMEBUFFER_RGB = 1, FRAMEBUFFER_TEXT = 2 };

/* The tag behind `tag` (NULL: the first one), NULL at the end or where the sizes make no sense. */
static const struct mbi_tag *next_tag(const uint8_t *mbi, const struct mbi_tag *tag)
{
    uint32_t total;
    memcpy(&total, mbi, sizeof(total));

    uint64_t offset = 8;
    if (tag)
        offset = (uint64_t)((const uint8_t *)tag - mbi) + HV_ALIGN_UP((uint64_t)tag->size, 8);
    if (offset + sizeof(struct mbi_tag) > total)
        return NULL;

    const struct mbi_tag *next = (const struct mbi_tag *)(mbi + offset);
    if (next->type == TAG_END || next->size < sizeof(*next) || offset + next->size > total)
        return NULL;
    return next;
}

static bool is_tag(const struct mbi_tag *tag, enum mbi_tag_type type, size_t least)
{
    return tag->type == type && tag->size >= least;
}

static enum hv_status add_ranges(const struct mbi_map *tag, struct memory_map *map)
{
    if (tag->entry_size < sizeof(struct mbi_map_entry))
        return HV_EINVAL;

    uint32_t count = (tag->tag.size - (uint32_t)sizeof(*tag)) / tag->entry_size;
    for (uint32_t i = 0; i < count; i++) {
        struct mbi_map_entry entry;
        memcpy(&entry, tag->entries + (size_t)i * tag->entry_size, sizeof(entry));
        uint64_t end = entry.base + entry.length;
        if (end < entry.base)
            end = UINT64_MAX;
        if (memory_map_add(map, entry.base, end, entry.type) == HV_OK)
            continue;
        /* Full: joining neighbours mostly makes room again. */
        if (memory_map_normalise(map) != HV_OK ||
            memory_map_add(map, entry.base, end, entry.type) != HV_OK)
            return HV_ENOSPC;
    }
    return memory_map_normalise(map);
}

enum hv_status mbi_memory_map(const uint8_t *mbi, struct memory_map *map)
{
    map->count = 0;
    for (const struct mbi_tag *tag = next_tag(mbi, NULL); tag; tag = next_tag(mbi, tag)) {
        if (is_tag(tag, TAG_MEMORY_MAP, sizeof(struct mbi_map)))
            return add_ranges((const struct mbi_map *)tag, map);
    }
    return HV_ENOENT;
}

unsigned mbi_used_ranges(const uint8_t *mbi, struct memory_range *ranges, unsigned max)
{
    unsigned count = 0;
    uint32_t total;
    memcpy(&total, mbi, sizeof(total));

    if (count < max)
        ranges[count++] = (struct memory_range){(uint64_t)mbi, (uint64_t)mbi + total, 0};
    for (const struct mbi_tag *tag = next_tag(mbi, NULL); tag; tag = next_tag(mbi, tag)) {
        const struct mbi_module *m = (const struct mbi_module *)tag;
        if (is_tag(tag, TAG_MODULE, sizeof(*m)) && count < max)
            ranges[count++] = (struct memory_range){m->start, m->end, 0};
    }
    return count;
}

/* Copies a tag's text of at most `size` bytes that may lack its terminator. */
static void copy_text(char *dst, size_t dst_size, const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    if (length >= dst_size)
        length = dst_size - 1;
    memcpy(dst, text, length);
    dst[length] = 0;
}

static enum hv_status add_module(const struct mbi_module *m, struct boot_info *info)
{
    if (info->module_count == BOOT_MAX_MODULES)
        return HV_ENOSPC;

    struct boot_module *module = &info->modules[info->module_count++];
    module->start = m->start;
    module->size = m->end >= m->start ? m->end - m->start : 0;
    copy_text(module->cmdline, sizeof(module->cmdline), m->string, m->tag.size - sizeof(*m));
    return HV_OK;
}

static void read_screen(const struct mbi_framebuffer *f, struct boot_framebuffer *screen)
{
    if (f->type != FRAMEBUFFER_RGB && f->type != FRAMEBUFFER_TEXT)
        return;
    *screen = (struct boot_framebuffer){
        .kind = f->type == FRAMEBUFFER_TEXT ? BOOT_SCREEN_TEXT : BOOT_SCREEN_RGB,
        .address = f->address,
        .pitch = f->pitch,
        .width = f->width,
        .height = f->height,
        .bits_per_pixel = f->bits_per_pixel,
    };
    if (f->type == FRAMEBUFFER_RGB && f->tag.size >= sizeof(*f)) {
        screen->red_position = f->red_position;
        screen->red_size = f->red_size;
        screen->green_position = f->green_position;
        screen->green_size = f->green_size;
        screen->blue_position = f->blue_position;
        screen->blue_size = f->blue_size;
    }
}

/* The old tag holds 20 bytes of RSDP, the new one 36 or more; the new one wins. */
static void read_rsdp(const struct mbi_tag *tag, struct boot_info *info)
{
    size_t size = HV_MIN(tag->size - sizeof(*tag), sizeof(info->rsdp));
    if (size >= 20 && size > info->rsdp_size) {
        memcpy(info->rsdp, tag + 1, size);
        info->rsdp_size = size;
    }
}

static enum hv_status read_tag(const struct mbi_tag *tag, struct boot_info *info)
{
    const char *text = (const char *)(tag + 1);
    size_t size = tag->size - sizeof(*tag);

    switch (tag->type) {
    case TAG_CMDLINE:
        copy_text(info->options, sizeof(info->options), text, size);
        break;
    case TAG_LOADER:
        copy_text(info->loader, sizeof(info->loader), text, size);
        break;
    case TAG_MODULE:
        if (is_tag(tag, TAG_MODULE, sizeof(struct mbi_module)))
            return add_module((const struct mbi_module *)tag, info);
        break;
    case TAG_FRAMEBUFFER:
        if (is_tag(tag, TAG_FRAMEBUFFER, offsetof(struct mbi_framebuffer, red_position)))
            read_screen((const struct mbi_framebuffer *)tag, &info->screen);
        break;
    case TAG_BOOT_DEVICE:
        if (is_tag(tag, TAG_BOOT_DEVICE, sizeof(struct mbi_boot_device)))
            info->boot_drive = ((const struct mbi_boot_device *)tag)->bios_drive & 0xff;
        break;
    case TAG_EFI32: /* where the system table is: there is one */
    case TAG_EFI64:
        info->uefi = true;
        break;
    case TAG_ACPI_OLD:
    case TAG_ACPI_NEW:
        read_rsdp(tag, info);
        break;
    default: /* other tags say what gdbvisor does not need */
        break;
    }
    return HV_OK;
}

void mbi_options(const uint8_t *mbi, char *line, size_t size)
{
    *line = '\0';
    for (const struct mbi_tag *tag = next_tag(mbi, NULL); tag; tag = next_tag(mbi, tag)) {
        if (tag->type == TAG_CMDLINE)
            copy_text(line, size, (const char *)(tag + 1), tag->size - sizeof(*tag));
    }
}

enum hv_status mbi_read(const uint8_t *mbi, struct boot_info *info)
{
    info->boot_drive = -1;
    for (const struct mbi_tag *tag = next_tag(mbi, NULL); tag; tag = next_tag(mbi, tag)) {
        enum hv_status status = read_tag(tag, info);
        if (status != HV_OK)
            return status;
    }
    return mbi_memory_map(mbi, &info->map);
}
