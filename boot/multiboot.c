/* Multiboot kernels of either version: address fields, and where everything goes. */
#include "boot/multiboot.h"

#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { PAGE = 4096, LOW_LIMIT = 0xa0000, LOW_FIRST_CHOICE = 0x10000, MIB = 0x100000 };

/*
 * "The layout of Multiboot header" of both specifications: where it is looked for, and how many
 * words of it have the sum 0.
 */
static const struct form {
    uint32_t magic, search, align, words;
} forms[] = {
    {0x1badb002, 8192, 4, 3},
    {0xe85250d6, 32768, 8, 4},
};

bool multiboot_find(unsigned version, bool good, const uint8_t *bytes, uint64_t size,
                    uint32_t *offset)
{
    const struct form *form = &forms[version - 1];
    uint64_t end = HV_MIN(size, form->search);

    for (uint32_t at = 0; at + 4 <= end; at += form->align) {
        uint32_t sum = 0;

        if (get32(bytes + at) != form->magic)
            continue;
        for (unsigned i = 0; i < form->words && at + 4 * i + 4 <= end; i++)
            sum += get32(bytes + at + 4 * i);
        if (good == (at + 4 * form->words <= end && sum == 0)) {
            *offset = at;
            return true;
        }
    }
    return false;
}

bool multiboot_read_addresses(const struct guest_request *request,
                              const struct multiboot_addresses *fields, struct multiboot_plan *plan,
                              struct refusal *refusal)
{
    const struct multiboot_addresses f = *fields;
    uint64_t size = request->modules[0].size, offset, length;

    if (f.header < f.load || f.header - f.load > plan->header_offset)
        return refuse(refusal,
                      "address fields: the header at 0x%x of the file cannot be at 0x%x with the "
                      "image at 0x%x",
                      plan->header_offset, f.header, f.load);
    offset = plan->header_offset - (f.header - f.load);
    length = f.load_end != 0 ? (uint64_t)f.load_end - f.load : size - offset;
    if (f.load_end != 0 && f.load_end <= f.load)
        return refuse(refusal, "address fields: load_end_addr 0x%x is below load_addr 0x%x",
                      f.load_end, f.load);
    if (length > size - offset)
        return refuse(
            refusal, "the image is truncated: load_end_addr wants %llu bytes, the file has %llu%s",
            (unsigned long long)length, (unsigned long long)(size - offset),
            elf_is(request->image, size) ? " (an ELF file whose header has address fields: "
                                           "these count)"
                                         : "");
    if (f.bss_end != 0 && f.bss_end < f.load + length)
        return refuse(refusal, "address fields: bss_end_addr 0x%x is below the data's end",
                      f.bss_end);
    plan->sections.count = 0;
    plan->count = 1;
    plan->segments[0] = (struct elf_segment){
        offset, length, f.load, f.load, f.bss_end != 0 ? (uint64_t)f.bss_end - f.load : length};
    plan->entry.rip = f.entry;
    if (f.entry - (uint64_t)f.load >= length)
        return refuse(refusal, "address fields: entry_addr 0x%x is not in the image", f.entry);
    return true;
}

bool multiboot_read_elf(const struct guest_request *request, struct multiboot_plan *plan,
                        struct refusal *refusal)
{
    uint64_t size = request->modules[0].size;
    struct elf elf;

    if (!elf_is(request->image, size))
        return refuse(refusal, "the multiboot image is not an ELF file and has no address fields");
    if (!elf_read(request->image, size, &elf, refusal))
        return false;
    plan->sections.count = 0;
    plan->count = elf.count;
    memcpy(plan->segments, elf.segments, sizeof(elf.segments));
    plan->entry.rip = elf.entry;
    return true;
}

static bool check_entry(const struct multiboot_plan *plan, struct refusal *refusal)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->entry.rip - plan->segments[i].address < plan->segments[i].size)
            return true;
    return refuse(refusal, "the kernel's entry 0x%llx lies in none of its segments",
                  (unsigned long long)plan->entry.rip);
}

static bool check_segments(const struct guest_request *request, struct multiboot_plan *plan,
                           struct refusal *refusal)
{
    plan->load_start = LOAD_LIMIT;
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
        plan->load_start = HV_MIN(plan->load_start, s->address);
        plan->load_end = HV_MAX(plan->load_end, end);
    }
    return true;
}

/* Everything that is placed already: ours, the segments, the information, modules before n. */
static unsigned taken(const struct guest_request *request, const struct multiboot_plan *plan,
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

static bool place_info(const struct guest_request *request, uint32_t info_size,
                       struct multiboot_plan *plan, struct refusal *refusal)
{
    struct memory_range avoid[TAKEN_MAX];
    unsigned count;

    plan->info = 0;
    plan->info_size = HV_ALIGN_UP((uint64_t)info_size, PAGE);
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

/* A place for a boot module: its own if it can stay there, else behind the kernel; 0 for none. */
static uint64_t place_module(const struct guest_request *request, const struct multiboot_plan *plan,
                             const struct boot_module *m, const struct memory_range *avoid,
                             unsigned count)
{
    if (m->size == 0 || (m->start % PAGE == 0 && m->start >= MIB && m->size <= LOAD_LIMIT &&
                         m->start + m->size <= LOAD_LIMIT &&
                         memory_is_ram(request->map, m->start, m->start + m->size) &&
                         is_free(m->start, m->start + m->size, avoid, count)))
        return m->start;
    return memory_map_find_low(request->map, m->size, PAGE, HV_MAX(plan->load_end, MIB), LOAD_LIMIT,
                               avoid, count);
}

static bool place_modules(const struct guest_request *request, struct multiboot_plan *plan,
                          struct refusal *refusal)
{
    struct memory_range avoid[TAKEN_MAX];
    const struct boot_module *file = &request->modules[0];

    plan->module_count = request->module_count - 1;
    for (unsigned i = 0; i < plan->module_count; i++) {
        const struct boot_module *m = &request->modules[i + 1];

        plan->modules[i] = place_module(request, plan, m, avoid, taken(request, plan, i, avoid));
        if (plan->modules[i] == 0 && m->size != 0)
            return refuse(refusal, "no RAM for module %u: %llu KiB in one piece behind the kernel",
                          i + 2, (unsigned long long)((m->size + 1023) >> 10));
    }
    if (plan->sections.count == 0)
        return true;
    plan->file =
        place_module(request, plan, file, avoid, taken(request, plan, plan->module_count, avoid));
    if (plan->file == 0)
        return refuse(refusal, "no RAM for the kernel's ELF sections: its file has %llu KiB",
                      (unsigned long long)((file->size + 1023) >> 10));
    elf_place_sections(&plan->sections, plan->file);
    return true;
}

static bool plan_moves(const struct guest_request *request, struct multiboot_plan *plan,
                       struct refusal *refusal)
{
    struct placement_item items[PLACEMENT_ITEMS_MAX];
    enum hv_status status;
    unsigned n = 0;

    _Static_assert(ELF_SEGMENTS_MAX + BOOT_MAX_MODULES + 1 <= (int)PLACEMENT_ITEMS_MAX,
                   "every segment and module is an item, and so is the information");
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
    if (plan->sections.count != 0)
        items[n++] = (struct placement_item){request->modules[0].start, request->modules[0].size,
                                             plan->file, request->modules[0].size};
    status = placement_plan(items, n, request->map, LOAD_LIMIT, &plan->moves);
    if (status == HV_ENOSPC)
        return refuse(refusal, "no free RAM to rearrange the kernel and its modules");
    if (status != HV_OK)
        return refuse(refusal, "a module's place in memory makes no sense");
    return true;
}

bool multiboot_place(const struct guest_request *request, uint32_t info_size,
                     struct multiboot_plan *plan, struct refusal *refusal)
{
    return check_segments(request, plan, refusal) && check_entry(plan, refusal) &&
           place_info(request, info_size, plan, refusal) && place_modules(request, plan, refusal) &&
           plan_moves(request, plan, refusal);
}
