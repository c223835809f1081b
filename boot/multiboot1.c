/* Multiboot1 kernels: the header. */
#include "boot/multiboot1.h"

#include "boot/multiboot1_info.h"
#include "lib/bytes.h"

/* Multiboot Specification, "The layout of Multiboot header". */
enum { HEADER_ADDRESSES = 32 };
enum {
    FLAG_PAGE_ALIGN = 1 << 0, /* modules: always done */
    FLAG_MEMORY = 1 << 1,     /* always told */
    FLAG_VIDEO = 1 << 2,
    FLAG_ADDRESSES = 1 << 16,
    FLAGS_MANDATORY = 0xffff, /* bits a loader must understand */
};

static bool read_flags(const struct guest_request *request, uint32_t flags,
                       struct multiboot_plan *plan, struct refusal *refusal)
{
    uint32_t unknown =
        flags & FLAGS_MANDATORY & ~(uint32_t)(FLAG_PAGE_ALIGN | FLAG_MEMORY | FLAG_VIDEO);

    if (unknown != 0)
        return refuse(refusal, "the multiboot1 header demands what is not known: flags 0x%x",
                      unknown);
    /* The mode it prefers is a wish; that it is told of a screen is not. */
    plan->screen = (flags & FLAG_VIDEO) != 0;
    if (plan->screen && request->screen->kind == BOOT_SCREEN_NONE)
        return refuse(refusal, "the multiboot1 kernel demands a screen, and there is none");
    return true;
}

/* Multiboot Specification, "The address fields of Multiboot header". */
static bool read_addresses(const struct guest_request *request, struct multiboot_plan *plan,
                           struct refusal *refusal)
{
    const uint8_t *h = request->image + plan->header_offset;

    if (request->modules[0].size - plan->header_offset < HEADER_ADDRESSES)
        return refuse(refusal, "the image is truncated within its multiboot1 header");
    return multiboot_read_addresses(request,
                                    &(struct multiboot_addresses){get32(h + 12), get32(h + 16),
                                                                  get32(h + 20), get32(h + 24),
                                                                  get32(h + 28)},
                                    plan, refusal);
}

static bool read_image(const struct guest_request *request, struct multiboot_plan *plan,
                       struct refusal *refusal)
{
    uint64_t size = request->modules[0].size;
    uint32_t flags;

    if (!multiboot_find(1, true, request->image, size, &plan->header_offset)) {
        if (multiboot_find(1, false, request->image, size, &plan->header_offset))
            return refuse(refusal,
                          "the multiboot1 header at 0x%x has a wrong checksum or is cut off",
                          plan->header_offset);
        return refuse(refusal, "no multiboot1 header in the image's first 8192 bytes");
    }
    flags = get32(request->image + plan->header_offset + 4);
    if (!read_flags(request, flags, plan, refusal))
        return false;
    return flags & FLAG_ADDRESSES ? read_addresses(request, plan, refusal)
                                  : multiboot_read_elf(request, plan, refusal);
}

bool multiboot1_plan(const struct guest_request *request, struct multiboot_plan *plan,
                     struct refusal *refusal)
{
    struct multiboot1_layout layout;

    refusal->text[0] = '\0';
    if (request->module_count == 0 || request->module_count > BOOT_MAX_MODULES)
        return refuse(refusal, "there is no kernel, or there are too many modules");
    if (!read_image(request, plan, refusal))
        return false;
    layout = multiboot1_lay_out(request);
    if (!multiboot_place(request, layout.size, plan, refusal))
        return false;
    plan->entry = guest_entry_flat32(plan->entry.rip, plan->info + layout.gdt);
    plan->entry.rax = MULTIBOOT1_BOOT_MAGIC;
    plan->entry.rbx = plan->info;
    return true;
}
