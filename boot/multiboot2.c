/* Multiboot2 kernels: the header and its tags. */
#include "boot/multiboot2.h"

#include "boot/multiboot2/mbi.h"
#include "boot/multiboot2_info.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* Multiboot2 Specification, "The layout of Multiboot2 header". */
enum { SEARCH = 32768, FIXED = 16, TAG_FIXED = 8, TAG_ALIGNMENT = 8, ARCHITECTURE_I386 = 0 };

enum header_tag {
    HEADER_END,
    HEADER_INFORMATION,
    HEADER_ADDRESS,
    HEADER_ENTRY,
    HEADER_CONSOLE,
    HEADER_FRAMEBUFFER,       /* the mode is a wish */
    HEADER_MODULE_ALIGN,      /* always done */
    HEADER_EFI_BOOT_SERVICES, /* may be started with them: need not */
    HEADER_ENTRY_EFI32,       /* the entries of such a start */
    HEADER_ENTRY_EFI64,
    HEADER_RELOCATABLE,
    HEADER_TAGS,
};

/* Their sizes, at least; the size of the end is exact. */
static const uint8_t tag_sizes[HEADER_TAGS] = {8, 8, 24, 12, 12, 20, 8, 8, 12, 12, 24};

enum { FLAG_OPTIONAL = 1 };
enum { CONSOLE_REQUIRED = 1, CONSOLE_TEXT = 2 };
enum { PREFER_HIGHEST = 2 };

/* What may be asked for is told, or is something that a machine can lack. */
enum { INFORMATION_LAST = TAG_LOAD_BASE };

#define LOAD_WHOLE_FILE UINT32_MAX /* load_addr: the image begins with the file */

/* Where the tags stand, 0 for none: they have passed check_tags(). */
struct header {
    uint32_t tags[HEADER_TAGS];
    bool demands_sections;
};

static bool check_information(const uint8_t *tag, uint32_t size, struct header *header,
                              struct refusal *refusal)
{
    for (uint32_t at = TAG_FIXED; at + 4 <= size; at += 4) {
        uint32_t type = get32(tag + at);

        header->demands_sections |= type == TAG_ELF_SECTIONS;
        if (type > INFORMATION_LAST)
            return refuse(refusal,
                          "the multiboot2 header demands information of type %u, which gdbvisor "
                          "cannot give",
                          type);
    }
    return true;
}

/* One tag at `at` of the image, in a header that ends at `end`. */
static bool check_tag(const uint8_t *image, uint32_t at, uint32_t end, struct header *header,
                      struct refusal *refusal)
{
    const uint8_t *tag = image + at;
    unsigned type = get16(tag);
    bool optional = (get16(tag + 2) & FLAG_OPTIONAL) != 0;
    uint32_t size = get32(tag + 4);

    if (size < TAG_FIXED || size > end - at || (type < HEADER_TAGS && size < tag_sizes[type]) ||
        (type == HEADER_END && size != TAG_FIXED))
        return refuse(refusal, "the multiboot2 header's tag at 0x%x, of type %u, has a size of %u",
                      at, type, size);
    if (type < HEADER_TAGS)
        header->tags[type] = at;
    else if (!optional)
        return refuse(refusal, "the multiboot2 header has a tag of type %u, which is not known",
                      type);
    return type != HEADER_INFORMATION || optional || check_information(tag, size, header, refusal);
}

/* Each step goes on by at least TAG_FIXED bytes, so this ends. */
static bool check_tags(const uint8_t *image, uint32_t start, uint32_t end, struct header *header,
                       struct refusal *refusal)
{
    memset(header, 0, sizeof(*header));
    for (uint32_t at = start + FIXED; at + TAG_FIXED <= end;) {
        if (!check_tag(image, at, end, header, refusal))
            return false;
        if (header->tags[HEADER_END] != 0)
            return true;
        at += HV_ALIGN_UP(get32(image + at + 4), (uint32_t)TAG_ALIGNMENT);
    }
    return refuse(refusal, "the multiboot2 header at 0x%x has no end tag", start);
}

static bool read_header(const struct guest_request *request, struct multiboot_plan *plan,
                        struct header *header, struct refusal *refusal)
{
    uint64_t size = request->modules[0].size;
    uint32_t start, architecture, length;

    if (!multiboot_find(2, true, request->image, size, &start)) {
        if (multiboot_find(2, false, request->image, size, &start))
            return refuse(
                refusal, "the multiboot2 header at 0x%x has a wrong checksum or is cut off", start);
        return refuse(refusal, "no multiboot2 header in the image's first 32768 bytes");
    }
    plan->header_offset = start;
    architecture = get32(request->image + start + 4);
    length = get32(request->image + start + 8);
    if (architecture != ARCHITECTURE_I386)
        return refuse(refusal, "the multiboot2 header is for architecture %u, not for i386",
                      architecture);
    if (length < FIXED || length > HV_MIN(size, (uint64_t)SEARCH) - start)
        return refuse(refusal,
                      "the multiboot2 header at 0x%x has a length of %u bytes, which do not lie in "
                      "the image's first 32768",
                      start, length);
    return check_tags(request->image, start, start + length, header, refusal);
}

static bool check_console(const struct guest_request *request, const struct header *header,
                          struct refusal *refusal)
{
    uint32_t at = header->tags[HEADER_CONSOLE];
    uint32_t flags = at != 0 ? get32(request->image + at + 8) : CONSOLE_TEXT;
    enum boot_screen kind = request->screen->kind;

    if (!(flags & CONSOLE_REQUIRED) || kind == BOOT_SCREEN_RGB ||
        (kind == BOOT_SCREEN_TEXT && (flags & CONSOLE_TEXT)))
        return true;
    return refuse(refusal, "the multiboot2 kernel demands a screen %s",
                  kind == BOOT_SCREEN_TEXT ? "in graphics mode, and this one shows text"
                                           : "and there is none");
}

/* By the address tag, which needs an entry tag; else by the ELF headers, whose entry that replaces.
 */
static bool read_image(const struct guest_request *request, const struct header *header,
                       struct multiboot_plan *plan, struct refusal *refusal)
{
    const uint8_t *address = request->image + header->tags[HEADER_ADDRESS];
    const uint8_t *entry = request->image + header->tags[HEADER_ENTRY];
    struct multiboot_addresses fields;

    if (header->tags[HEADER_ADDRESS] == 0) {
        if (!multiboot_read_elf(request, plan, refusal))
            return false;
        if (header->tags[HEADER_ENTRY] != 0)
            plan->entry.rip = get32(entry + 8);
        if (elf_read_sections(request->image, request->modules[0].size, &plan->sections) ||
            !header->demands_sections)
            return true;
        return refuse(refusal,
                      "the multiboot2 header demands the ELF sections, and the file has no "
                      "good section headers of at most %u KiB",
                      ELF_SECTIONS_SIZE >> 10);
    }
    if (header->demands_sections)
        return refuse(refusal, "the multiboot2 header demands the ELF sections of an image that is "
                               "loaded by its address tag");
    if (header->tags[HEADER_ENTRY] == 0)
        return refuse(refusal, "the multiboot2 header has an address tag and no entry tag");
    fields =
        (struct multiboot_addresses){get32(address + 8), get32(address + 12), get32(address + 16),
                                     get32(address + 20), get32(entry + 8)};
    if (fields.load == LOAD_WHOLE_FILE)
        fields.load = fields.header - plan->header_offset;
    return multiboot_read_addresses(request, &fields, plan, refusal);
}

/* Moves a relocatable kernel that cannot be where it was linked to. */
static bool relocate(const struct guest_request *request, const struct header *header,
                     struct multiboot_plan *plan, struct refusal *refusal)
{
    const uint8_t *tag = request->image + header->tags[HEADER_RELOCATABLE];
    uint64_t lowest, highest, align, start = UINT64_MAX, end = 0, place;

    for (unsigned i = 0; i < plan->count; i++) {
        start = HV_MIN(start, plan->segments[i].address);
        end = HV_MAX(end, plan->segments[i].address + plan->segments[i].size);
    }
    if (header->tags[HEADER_RELOCATABLE] == 0)
        return true;
    lowest = HV_MAX(get32(tag + 8), LOAD_FLOOR);
    highest = get32(tag + 12);
    align = HV_MAX(get32(tag + 16), 1U);
    if ((align & (align - 1)) != 0)
        return refuse(refusal, "the multiboot2 header demands an alignment of %llu",
                      (unsigned long long)align);
    if (start >= lowest && end <= highest && start % align == 0 &&
        memory_is_ram(request->map, start, end))
        return true;
    if (get32(tag + 20) == PREFER_HIGHEST)
        place = memory_map_find_top(request->map, end - start, align, highest, NULL, 0);
    else
        place = memory_map_find_low(request->map, end - start, align, lowest, highest, NULL, 0);
    if (place < lowest)
        return refuse(refusal, "no RAM for the relocatable kernel: %llu KiB from 0x%llx to 0x%llx",
                      (unsigned long long)((end - start + 1023) >> 10), (unsigned long long)lowest,
                      (unsigned long long)highest);
    for (unsigned i = 0; i < plan->count; i++)
        plan->segments[i].address += place - start;
    plan->entry.rip += place - start;
    return true;
}

/* Places all, the information with the sections that plan has. */
static bool place(const struct guest_request *request, struct multiboot_plan *plan,
                  struct refusal *refusal)
{
    uint32_t size = multiboot2_info_size(request, &plan->sections);

    if (!multiboot_place(request, size + GUEST_GDT_SIZE, plan, refusal))
        return false;
    plan->entry = guest_entry_flat32(plan->entry.rip, plan->info + size);
    plan->entry.rax = MBI_MAGIC;
    plan->entry.rbx = plan->info;
    return true;
}

bool multiboot2_plan(const struct guest_request *request, struct multiboot_plan *plan,
                     struct refusal *refusal)
{
    struct header header = {0};

    refusal->text[0] = '\0';
    if (request->module_count == 0 || request->module_count > BOOT_MAX_MODULES)
        return refuse(refusal, "there is no kernel, or there are too many modules");
    if (!read_header(request, plan, &header, refusal) ||
        !check_console(request, &header, refusal) || !read_image(request, &header, plan, refusal) ||
        !relocate(request, &header, plan, refusal))
        return false;
    if (place(request, plan, refusal))
        return true;
    /* The file beside the kernel may be too much; who has not asked for sections does without. */
    if (header.demands_sections || plan->sections.count == 0)
        return false;
    plan->sections.count = 0;
    refusal->text[0] = '\0';
    return place(request, plan, refusal);
}
