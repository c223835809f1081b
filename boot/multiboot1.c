/* Multiboot1 kernels: the header, and where everything goes. */
#include "boot/multiboot1.h"

#include "boot/bytes.h"
#include "boot/multiboot1_info.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* Multiboot Specification, "The layout of Multiboot header". */
#define HEADER_MAGIC 0x1badb002u
enum { SEARCH = 8192, HEADER_ALIGN = 4, HEADER_FIXED = 12, HEADER_ADDRESSES = 32 };
enum {
    FLAG_PAGE_ALIGN = 1 << 0, /* modules: always done */
    FLAG_MEMORY = 1 << 1,     /* always told */
    FLAG_VIDEO = 1 << 2,
    FLAG_ADDRESSES = 1 << 16,
    FLAGS_MANDATORY = 0xffff, /* bits a loader must understand */
};

enum { PAGE = 4096, LOW_LIMIT = 0xa0000, LOW_FIRST_CHOICE = 0x10000, MIB = 0x100000 };

static bool find(const uint8_t *bytes, uint64_t size, bool good, uint32_t *offset)
{
    uint64_t end = HV_MIN(size, SEARCH);

    for (uint32_t at = 0; at + 4 <= end; at += HEADER_ALIGN) {
        const uint8_t *h = bytes + at;
        bool whole = at + HEADER_FIXED <= end;

        if (get32(h) != HEADER_MAGIC)
            continue;
        if (good == (whole && get32(h) + get32(h + 4) + get32(h + 8) == 0)) {
            *offset = at;
            return true;
        }
    }
    return false;
}

bool multiboot1_find(const uint8_t *bytes, uint64_t size, uint32_t *offset)
{
    return find(bytes, size, true, offset);
}

bool multiboot1_find_broken(const uint8_t *bytes, uint64_t size, uint32_t *offset)
{
    return find(bytes, size, false, offset);
}

static bool read_header(const struct guest_request *request, struct multiboot1_plan *plan,
                        struct refusal *refusal)
{
    uint64_t size = request->modules[0].size;
    uint32_t unknown;

    if (!multiboot1_find(request->image, size, &plan->header_offset)) {
        if (multiboot1_find_broken(request->image, size, &plan->header_offset))
            return refuse(refusal,
                          "the multiboot1 header at 0x%x has a wrong checksum or is cut off",
                          plan->header_offset);
        return refuse(refusal, "no multiboot1 header in the image's first 8192 bytes");
    }
    plan->flags = get32(request->image + plan->header_offset + 4);
    unknown =
        plan->flags & FLAGS_MANDATORY & ~(uint32_t)(FLAG_PAGE_ALIGN | FLAG_MEMORY | FLAG_VIDEO);
    if (unknown != 0)
        return refuse(refusal, "the multiboot1 header demands what is not known: flags 0x%x",
                      unknown);
    /* The mode it prefers is a wish; that it is told of a screen is not. */
    if ((plan->flags & FLAG_VIDEO) && request->screen->kind == BOOT_SCREEN_NONE)
        return refuse(refusal, "the multiboot1 kernel demands a screen, and there is none");
    return true;
}

/* Multiboot Specification, "The address fields of Multiboot header". */
static bool read_addresses(const struct guest_request *request, struct multiboot1_plan *plan,
                           struct refusal *refusal)
{
    const uint8_t *h = request->image + plan->header_offset;
    uint64_t size = request->modules[0].size, offset, length;
    uint32_t header, load, load_end, bss_end, entry;

    if (size - plan->header_offset < HEADER_ADDRESSES)
        return refuse(refusal, "the image is truncated within its multiboot1 header");
    header = get32(h + 12);
    load = get32(h + 16);
    load_end = get32(h + 20);
    bss_end = get32(h + 24);
    entry = get32(h + 28);
    if (header < load || header - load > plan->header_offset)
        return refuse(refusal,
                      "multiboot1 address fields: the header at 0x%x of the file cannot be at 0x%x "
                      "with the image at 0x%x",
                      plan->header_offset, header, load);
    offset = plan->header_offset - (header - load);
    length =
        load_end != 0 ? (uint64_t)load_end - load : size - offset; /* 0: the rest of the file */
    if (load_end != 0 && load_end <= load)
        return refuse(refusal,
                      "multiboot1 address fields: load_end_addr 0x%x is below load_addr 0x%x",
                      load_end, load);
    if (length > size - offset)
        return refuse(
            refusal, "the image is truncated: load_end_addr wants %llu bytes, the file has %llu%s",
            (unsigned long long)length, (unsigned long long)(size - offset),
            elf_is(request->image, size) ? " (an ELF file whose header has address fields: "
                                           "these count)"
                                         : "");
    if (bss_end != 0 && bss_end < load + length)
        return refuse(refusal,
                      "multiboot1 address fields: bss_end_addr 0x%x is below the data's end",
                      bss_end);
    plan->count = 1;
    plan->segments[0] = (struct elf_segment){offset, length, load, load,
                                             bss_end != 0 ? (uint64_t)bss_end - load : length};
    plan->entry.rip = entry;
    if (entry - (uint64_t)load >= length)
        return refuse(refusal, "multiboot1 address fields: entry_addr 0x%x is not in the image",
                      entry);
    return true;
}

static bool read_elf(const struct guest_request *request, struct multiboot1_plan *plan,
                     struct refusal *refusal)
{
    uint64_t size = request->modules[0].size;
    struct elf elf;

    if (!elf_is(request->image, size))
        return refuse(refusal, "the multiboot1 image is not an ELF file and has no address fields");
    if (!elf_read(request->image, size, &elf, refusal))
        return false;
    plan->count = elf.count;
    memcpy(plan->segments, elf.segments, sizeof(elf.segments));
    plan->entry.rip = elf.entry;
    return true;
}

static bool check_segments(const struct guest_request *request, struct multiboot1_plan *plan,
                           struct refusal *refusal)
{
    plan->load_end = 0;
    for (unsigned i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        uint64_t end = s->address + s->size;

        if (!require_ram(request->map, &request->self, "the kernel's segment", s->address, end,
                         refusal))
            return false;
        for (unsigned j = 0; j < i; j++)
            if (ranges_overlap(s->address, end, plan->segments[j].address,
                               plan->segments[j].address + plan->segments[j].size))
                return refuse(refusal, "two of the kernel's segments overlap at 0x%llx",
                              (unsigned long long)HV_MAX(s->address, plan->segments[j].address));
        plan->load_end = HV_MAX(plan->load_end, end);
    }
    return true;
}

/* Everything that is placed already: ours, the segments, the information, modules before n. */
static unsigned taken(const struct guest_request *request, const struct multiboot1_plan *plan,
                      unsigned n, struct memory_range *ranges)
{
    unsigned count = 0;

    ranges[count++] = request->self;
    for (unsigned i = 0; i < plan->count; i++)
        ranges[count++] = (struct memory_range){
            plan->segments[i].address, plan->segments[i].address + plan->segments[i].size, 0};
    if (plan->info != 0)
        ranges[count++] = (struct memory_range){plan->info, plan->info + plan->info_size, 0};
    for (unsigned i = 0; i < n; i++)
        ranges[count++] = (struct memory_range){plan->modules[i],
                                                plan->modules[i] + request->modules[i + 1].size, 0};
    return count;
}

enum { TAKEN_MAX = 2 + ELF_SEGMENTS_MAX + BOOT_MAX_MODULES };

static bool place_info(const struct guest_request *request, struct multiboot1_plan *plan,
                       struct refusal *refusal)
{
    struct memory_range avoid[TAKEN_MAX];
    unsigned count;

    multiboot1_lay_out(request, plan);
    plan->info = 0;
    plan->info_size = HV_ALIGN_UP((uint64_t)plan->layout.size, PAGE);
    count = taken(request, plan, 0, avoid);
    plan->info = memory_map_find_low(request->map, plan->info_size, PAGE, LOW_FIRST_CHOICE,
                                     LOW_LIMIT, avoid, count);
    if (plan->info == 0)
        plan->info = memory_map_find_low(request->map, plan->info_size, PAGE, LOAD_FLOOR, LOW_LIMIT,
                                         avoid, count);
    if (plan->info == 0)
        return refuse(refusal, "no free RAM below 640 KiB for the multiboot information (%llu KiB)",
                      (unsigned long long)(plan->info_size >> 10));
    return true;
}

static bool is_free(uint64_t start, uint64_t end, const struct memory_range *avoid, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (ranges_overlap(start, end, avoid[i].start, avoid[i].end))
            return false;
    return true;
}

static bool place_modules(const struct guest_request *request, struct multiboot1_plan *plan,
                          struct refusal *refusal)
{
    struct memory_range avoid[TAKEN_MAX];

    plan->module_count = request->module_count - 1;
    for (unsigned i = 0; i < plan->module_count; i++) {
        const struct boot_module *m = &request->modules[i + 1];
        unsigned count = taken(request, plan, i, avoid);

        plan->modules[i] = m->start;
        if (m->size == 0 || (m->start % PAGE == 0 && m->start >= MIB && m->size <= LOAD_LIMIT &&
                             m->start + m->size <= LOAD_LIMIT &&
                             memory_is_ram(request->map, m->start, m->start + m->size) &&
                             is_free(m->start, m->start + m->size, avoid, count)))
            continue;
        plan->modules[i] = memory_map_find_low(
            request->map, m->size, PAGE, HV_MAX(plan->load_end, MIB), LOAD_LIMIT, avoid, count);
        if (plan->modules[i] == 0)
            return refuse(refusal, "no RAM for module %u: %llu KiB in one piece behind the kernel",
                          i + 2, (unsigned long long)((m->size + 1023) >> 10));
    }
    return true;
}

static bool plan_moves(const struct guest_request *request, struct multiboot1_plan *plan,
                       struct refusal *refusal)
{
    struct placement_item items[PLACEMENT_ITEMS_MAX];
    enum hv_status status;
    unsigned n = 0;

    _Static_assert(ELF_SEGMENTS_MAX + BOOT_MAX_MODULES + 1 <= (int)PLACEMENT_ITEMS_MAX,
                   "every segment and module is an item");
    for (unsigned i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];

        items[n++] = (struct placement_item){request->modules[0].start + s->offset, s->file_size,
                                             s->address, s->size};
    }
    items[n++] = (struct placement_item){0, 0, plan->info, plan->info_size};
    for (unsigned i = 0; i < plan->module_count; i++) {
        const struct boot_module *m = &request->modules[i + 1];

        items[n++] = (struct placement_item){m->start, m->size, plan->modules[i], m->size};
    }
    status = placement_plan(items, n, request->map, LOAD_LIMIT, &plan->moves);
    if (status == HV_ENOSPC)
        return refuse(refusal, "no free RAM to rearrange the kernel and its modules");
    if (status != HV_OK)
        return refuse(refusal, "a module's place in memory makes no sense");
    return true;
}

bool multiboot1_plan(const struct guest_request *request, struct multiboot1_plan *plan,
                     struct refusal *refusal)
{
    bool read;

    refusal->text[0] = '\0';
    if (request->module_count == 0 || request->module_count > BOOT_MAX_MODULES)
        return refuse(refusal, "there is no kernel, or there are too many modules");
    if (!read_header(request, plan, refusal))
        return false;
    read = plan->flags & FLAG_ADDRESSES ? read_addresses(request, plan, refusal)
                                        : read_elf(request, plan, refusal);
    if (!read || !check_segments(request, plan, refusal) || !place_info(request, plan, refusal) ||
        !place_modules(request, plan, refusal) || !plan_moves(request, plan, refusal))
        return false;
    plan->entry = guest_entry_flat32(plan->entry.rip, plan->info + plan->layout.gdt);
    plan->entry.rax = MULTIBOOT1_BOOT_MAGIC;
    plan->entry.rbx = plan->info;
    return true;
}
