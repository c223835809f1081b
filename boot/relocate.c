#include "boot/relocate.h"

#include "lib/string.h"

/* An entry of the relocation table (System V ABI, "Relocation"). */
struct rela {
    uint64_t offset;
    uint64_t info;
    uint64_t addend;
};

extern char image_start[], image_end[], image_rodata[], image_data[];
extern const struct rela image_rela_start[], image_rela_end[];

/* The address the linker gave the image (linker/gdbvisor.ld). */
static const uint64_t link_base = 0x200000;

enum { R_X86_64_RELATIVE = 8 };

uint64_t image_size(void)
{
    return (uint64_t)(image_end - image_start);
}

hpa_t image_base(void)
{
    return (hpa_t)image_start;
}

uint64_t image_rodata_offset(void)
{
    return (uint64_t)(image_rodata - image_start);
}

uint64_t image_data_offset(void)
{
    return (uint64_t)(image_data - image_start);
}

static void fix_pointers_at(hpa_t base)
{
    for (const struct rela *r = image_rela_start; r < image_rela_end; r++) {
        if ((uint32_t)r->info == R_X86_64_RELATIVE)
            *(uint64_t *)(base + r->offset - link_base) = base + r->addend - link_base;
    }
}

void image_fix_pointers(void)
{
    fix_pointers_at(image_base());
}

void image_move(hpa_t to, void (*entry)(uint64_t), uint64_t argument)
{
    extern char move_stack_top[];
    uint64_t delta = to - image_base();

    memcpy((void *)to, image_start, image_size());
    fix_pointers_at(to);
    image_jump((uint64_t)entry + delta, (uint64_t)move_stack_top + delta, argument);
}
