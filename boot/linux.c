/* Linux bzImages: checking the header, placing kernel, initrd and the low block. */
#include "boot/linux.h"

#include "boot/linux_header.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { PAGE = 4096, LOW_LIMIT = 0xa0000, LOW_FIRST_CHOICE = 0x10000, MIB = 0x100000 };
enum { OLDEST = 0x0202, CMDLINE_MAX_OLD = 255, SETUP_SECTS_OLD = 4 };

bool linux_is(const uint8_t *bytes, uint64_t size)
{
    return size >= LH_SMALLEST && get16(bytes + LH_BOOT_FLAG) == 0xaa55 &&
           memcmp(bytes + LH_MAGIC, "HdrS", 4) == 0;
}

uint16_t linux_version(const uint8_t *bytes)
{
    return get16(bytes + LH_VERSION);
}

/* Where the fields end that a version must have. */
static unsigned header_end_needed(unsigned version)
{
    if (version >= 0x020a)
        return LH_INIT_SIZE + 4;
    if (version >= 0x0206)
        return LH_CMDLINE_SIZE + 4;
    if (version >= 0x0205)
        return LH_RELOCATABLE + 1;
    return version >= 0x0203 ? LH_INITRD_MAX + 4 : LH_CMD_LINE_PTR + 4;
}

static bool check_sizes(const uint8_t *bytes, uint64_t size, struct linux_plan *plan,
                        struct refusal *refusal)
{
    unsigned sects = bytes[LH_SETUP_SECTS] != 0 ? bytes[LH_SETUP_SECTS] : SETUP_SECTS_OLD;
    uint64_t promised;

    plan->setup_size = (sects + 1) * 512;
    if (plan->setup_size >= size)
        return refuse(refusal,
                      "the bzImage has no protected-mode code: %llu bytes of setup in a file of "
                      "%llu bytes",
                      (unsigned long long)plan->setup_size, (unsigned long long)size);
    plan->kernel_size = size - plan->setup_size;
    if (plan->version < 0x0204)
        return true; /* syssize has 16 bits there and cannot be relied on */
    promised = (uint64_t)get32(bytes + LH_SYSSIZE) * 16; /* rounded up to a paragraph */
    if (promised > plan->kernel_size + 15)
        return refuse(refusal,
                      "the bzImage is truncated: its header promises %llu bytes of code, the file "
                      "has %llu",
                      (unsigned long long)promised, (unsigned long long)plan->kernel_size);
    return true;
}

static bool read_header(const uint8_t *bytes, uint64_t size, struct linux_plan *plan,
                        struct refusal *refusal)
{
    unsigned end;
    size_t kept;

    if (!linux_is(bytes, size))
        return refuse(refusal, "not a Linux bzImage: no HdrS header");
    plan->version = linux_version(bytes);
    if (plan->version < OLDEST)
        return refuse(refusal, "Linux boot protocol %u.%02u is too old: 2.02 is needed",
                      plan->version >> 8, plan->version & 0xff);
    if (!check_sizes(bytes, size, plan, refusal))
        return false;
    end = LH_MAGIC + bytes[LH_JUMP_LENGTH];
    if (end < header_end_needed(plan->version))
        return refuse(refusal, "the bzImage's header ends at 0x%x, too early for protocol %u.%02u",
                      end, plan->version >> 8, plan->version & 0xff);
    if (!(bytes[LH_LOADFLAGS] & LH_LOADED_HIGH))
        return refuse(refusal,
                      "a zImage, made to be loaded below 1 MiB: only bzImages are started");
    kept = LH_MAGIC - LINUX_HEADER_START + bytes[LH_JUMP_LENGTH];
    memset(plan->header, 0, sizeof(plan->header));
    memcpy(plan->header, bytes + LINUX_HEADER_START, HV_MIN(kept, sizeof(plan->header)));
    return true;
}

/* A field of the header that was kept, by its offset in the file. */
static const uint8_t *field(const struct linux_plan *plan, unsigned offset)
{
    return plan->header + (offset - LINUX_HEADER_START);
}

static bool check_cmdline(const struct guest_request *request, const struct linux_plan *plan,
                          struct refusal *refusal)
{
    uint64_t most = plan->version >= 0x0206 ? get32(field(plan, LH_CMDLINE_SIZE)) : CMDLINE_MAX_OLD;
    size_t length = strnlen(request->modules[0].cmdline, BOOT_CMDLINE_SIZE);

    if (length == BOOT_CMDLINE_SIZE || length > most)
        return refuse(refusal,
                      "the kernel's command line has %zu characters, the kernel takes %llu", length,
                      (unsigned long long)HV_MIN(most, (uint64_t)BOOT_CMDLINE_SIZE - 1));
    return true;
}

/*
 * The kernel's place. Below its preferred address it cannot go even when it is relocatable: it
 * moves itself up to that address (Linux, "pref_address"), whatever lies there.
 */
static bool place_kernel(const struct guest_request *request, struct linux_plan *plan,
                         struct refusal *refusal)
{
    bool sized = plan->version >= 0x020a;
    uint64_t preferred = sized ? get64(field(plan, LH_PREF_ADDRESS)) : MIB;
    uint64_t room = sized ? get32(field(plan, LH_INIT_SIZE)) : 0;
    uint64_t align = plan->version >= 0x0205 ? get32(field(plan, LH_ALIGNMENT)) : 0;

    if (room == 0) /* what unpacking needed at most in those days */
        room = HV_ALIGN_UP(plan->kernel_size, PAGE) * 3;
    plan->kernel_room = HV_MAX(room, plan->kernel_size);
    plan->kernel = preferred;
    if (require_ram(request->map, &request->self, "the kernel", preferred,
                    preferred + plan->kernel_room, refusal))
        return true;
    if (plan->version < 0x0205 || *field(plan, LH_RELOCATABLE) == 0) {
        size_t length = strlen(refusal->text);

        str_copy(refusal->text + length, sizeof(refusal->text) - length,
                 ", and it is not relocatable");
        return false;
    }
    if (align == 0 || (align & (align - 1)) != 0)
        return refuse(refusal, "the bzImage's kernel_alignment 0x%llx is not a power of two",
                      (unsigned long long)align);
    plan->kernel = memory_map_find_low(request->map, plan->kernel_room, align,
                                       HV_MAX(preferred, MIB), LOAD_LIMIT, &request->self, 1);
    if (plan->kernel == 0)
        return refuse(refusal,
                      "no RAM for the kernel: %llu KiB in one piece above 0x%llx are needed",
                      (unsigned long long)(plan->kernel_room >> 10), (unsigned long long)preferred);
    refusal->text[0] = '\0';
    return true;
}

static bool place_low(const struct guest_request *request, struct linux_plan *plan,
                      struct refusal *refusal)
{
    const struct memory_range avoid[] = {
        request->self, {plan->kernel, plan->kernel + plan->kernel_room, MEMORY_RAM}};
    bool copy_rsdp = request->rsdp_address == 0 && request->rsdp_size != 0 &&
                     request->rsdp_size <= PAGE && plan->version >= 0x020e;

    plan->low_size = copy_rsdp ? LINUX_LOW_MAX : LINUX_LOW_MAX - PAGE;
    plan->low = memory_map_find_low(request->map, plan->low_size, PAGE, LOW_FIRST_CHOICE, LOW_LIMIT,
                                    avoid, HV_ARRAY_SIZE(avoid));
    if (plan->low == 0)
        plan->low = memory_map_find_low(request->map, plan->low_size, PAGE, LOAD_FLOOR, LOW_LIMIT,
                                        avoid, HV_ARRAY_SIZE(avoid));
    if (plan->low == 0)
        return refuse(refusal, "no free RAM below 640 KiB for the kernel's boot_params (%llu KiB)",
                      (unsigned long long)(plan->low_size >> 10));
    plan->params = plan->low;
    plan->gdt = plan->low + LINUX_PARAMS_SIZE;
    plan->cmdline = plan->gdt + GUEST_GDT_SIZE;
    plan->e820 = *request->map;
    plan->rsdp = plan->version >= 0x020e ? request->rsdp_address : 0;
    if (!copy_rsdp)
        return true;
    plan->rsdp = plan->low + 2 * PAGE;
    /* Not RAM, so that nobody puts anything else there before the kernel has read it. */
    if (memory_map_set(&plan->e820, plan->rsdp, plan->rsdp + PAGE, MEMORY_ACPI) != HV_OK)
        return refuse(refusal, "the memory map has too many ranges for one more (the RSDP's copy)");
    return true;
}

/* The first address behind the highest one an initrd may have. */
static uint64_t initrd_limit(const struct linux_plan *plan)
{
    uint64_t last = plan->version >= 0x0203 ? get32(field(plan, LH_INITRD_MAX)) : 0;

    return (last != 0 ? last : 0x37ffffff) + 1; /* the header has 32 bits: at most 4 GiB */
}

/* Offsets of initrds behind one another begin at multiples of 4, as the kernel's unpacker wants. */
static bool measure_initrd(const struct guest_request *request, struct linux_plan *plan,
                           unsigned *pieces, struct refusal *refusal)
{
    plan->initrd_size = 0;
    *pieces = 0;
    for (unsigned i = 1; i < request->module_count; i++) {
        uint64_t size = request->modules[i].size;

        if (size >= LOAD_LIMIT)
            return refuse(refusal, "the initrd (module %u) has %llu bytes, 4 GiB or more", i + 1,
                          (unsigned long long)size);
        if (size == 0)
            continue;
        plan->initrd_size = HV_ALIGN_UP(plan->initrd_size, 4) + size;
        *pieces += 1;
    }
    return true;
}

static bool can_stay(const struct guest_request *request, const struct memory_range *avoid,
                     unsigned avoid_count, uint64_t limit, uint64_t start, uint64_t size)
{
    uint64_t end = HV_ALIGN_UP(start + size, PAGE); /* the kernel frees whole pages */

    if (start % PAGE != 0 || start < MIB || start + size > limit ||
        !memory_is_ram(request->map, start, end))
        return false;
    for (unsigned i = 0; i < avoid_count; i++)
        if (ranges_overlap(start, end, avoid[i].start, avoid[i].end))
            return false;
    return true;
}

static bool place_initrd(const struct guest_request *request, struct linux_plan *plan,
                         struct refusal *refusal)
{
    const struct memory_range avoid[] = {
        request->self,
        {plan->kernel, plan->kernel + plan->kernel_room, MEMORY_RAM},
        {plan->low, plan->low + plan->low_size, MEMORY_RAM}};
    uint64_t limit = initrd_limit(plan);
    unsigned pieces;

    plan->initrd = 0;
    if (!measure_initrd(request, plan, &pieces, refusal))
        return false;
    if (pieces == 0)
        return true;
    for (unsigned i = 1; i < request->module_count && pieces == 1; i++) {
        const struct boot_module *m = &request->modules[i];

        if (m->size != 0 &&
            can_stay(request, avoid, HV_ARRAY_SIZE(avoid), limit, m->start, m->size)) {
            plan->initrd = m->start;
            return true;
        }
    }
    plan->initrd = memory_map_find_top(request->map, HV_ALIGN_UP(plan->initrd_size, PAGE), PAGE,
                                       limit, avoid, HV_ARRAY_SIZE(avoid));
    if (plan->initrd < MIB)
        return refuse(
            refusal, "no RAM for the initrd: %llu KiB in one piece below 0x%llx are needed",
            (unsigned long long)(plan->initrd_size + 1023) >> 10, (unsigned long long)limit);
    return true;
}

static bool plan_moves(const struct guest_request *request, struct linux_plan *plan,
                       struct refusal *refusal)
{
    struct placement_item items[BOOT_MAX_MODULES + 1];
    uint64_t at = plan->initrd;
    unsigned n = 0;
    enum hv_status status;

    /* The rest of the kernel's room is not zeroed: it clears its bss itself. */
    items[n++] = (struct placement_item){request->modules[0].start + plan->setup_size,
                                         plan->kernel_size, plan->kernel, plan->kernel_size};
    items[n++] = (struct placement_item){0, 0, plan->low, plan->low_size};
    for (unsigned i = 1; i < request->module_count; i++) {
        const struct boot_module *m = &request->modules[i];
        uint64_t padded = HV_ALIGN_UP(m->size, 4);
        uint64_t room = at + padded > plan->initrd + plan->initrd_size ? m->size : padded;

        if (m->size == 0)
            continue;
        items[n++] = (struct placement_item){m->start, m->size, at, room};
        at += padded;
    }
    status = placement_plan(items, n, request->map, LOAD_LIMIT, &plan->moves);
    if (status == HV_ENOSPC)
        return refuse(refusal, "no free RAM to rearrange the kernel and its initrd");
    if (status != HV_OK)
        return refuse(refusal, "a module's place in memory makes no sense");
    return true;
}

bool linux_plan(const struct guest_request *request, struct linux_plan *plan,
                struct refusal *refusal)
{
    refusal->text[0] = '\0';
    if (request->module_count == 0 || request->module_count > BOOT_MAX_MODULES)
        return refuse(refusal, "there is no kernel, or there are too many modules");
    if (!read_header(request->image, request->modules[0].size, plan, refusal) ||
        !check_cmdline(request, plan, refusal) || !place_kernel(request, plan, refusal) ||
        !place_low(request, plan, refusal) || !place_initrd(request, plan, refusal) ||
        !plan_moves(request, plan, refusal))
        return false;
    plan->entry = guest_entry_flat32(plan->kernel, plan->gdt);
    plan->entry.rsi = plan->params;
    return true;
}
