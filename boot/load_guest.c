#include "boot/load_guest.h"

#include "arch/x86/physmem.h"
#include "boot/bios/bios.h"
#include "boot/bios/drive.h"
#include "boot/guest_request.h"
#include "boot/image.h"
#include "boot/linux.h"
#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "boot/refuse_start.h"
#include "boot/set_entry.h"
#include "hv/compiler.h"
#include "lib/log.h"
#include "lib/string.h"

/* One is used; they are large. */
static union {
    struct linux_plan linux_kernel;
    struct multiboot_plan multiboot;
} plan;

static union {
    uint8_t linux_low[LINUX_LOW_MAX];
    uint8_t multiboot[MULTIBOOT_INFO_MAX];
} block;

/* memmove between physical places, in parts small enough for the windows above 4 GiB. */
static void move_physical(hpa_t to, hpa_t from, uint64_t size)
{
    static uint8_t buffer[4096];
    bool down = to <= from;

    for (uint64_t done = 0; done < size;) {
        uint64_t n = HV_MIN(size - done, (uint64_t)sizeof(buffer));
        uint64_t offset = down ? done : size - done - n;
        physmem_read(from + offset, buffer, n);
        physmem_write(to + offset, buffer, n);
        done += n;
    }
}

static void zero_physical(hpa_t at, uint64_t size)
{
    static const uint8_t zeros[4096];

    for (uint64_t done = 0; done < size; done += sizeof(zeros))
        physmem_write(at + done, zeros, (size_t)HV_MIN(size - done, (uint64_t)sizeof(zeros)));
}

static void execute(const struct placement *moves)
{
    for (unsigned i = 0; i < moves->count; i++) {
        const struct placement_move *m = &moves->moves[i];
        move_physical(m->to, m->from, m->size);
        zero_physical(m->to + m->size, m->zero_tail);
    }
}

static const struct guest_entry *load_linux(const struct guest_request *request)
{
    struct linux_plan *p = &plan.linux_kernel;
    struct refusal refusal;

    if (!linux_plan(request, p, &refusal))
        refuse_start("%s", refusal.text);
    execute(&p->moves);
    linux_write_low(request, p, block.linux_low);
    physmem_write(p->low, block.linux_low, p->low_size);
    return &p->entry;
}

static const struct guest_entry *load_multiboot1(const struct guest_request *request)
{
    struct multiboot_plan *p = &plan.multiboot;
    struct refusal refusal;

    if (!multiboot1_plan(request, p, &refusal))
        refuse_start("%s", refusal.text);
    execute(&p->moves);
    multiboot1_write_info(request, p, block.multiboot);
    physmem_write(p->info, block.multiboot, p->info_size);
    return &p->entry;
}

static const struct guest_entry *load_multiboot2(const struct guest_request *request)
{
    struct multiboot_plan *p = &plan.multiboot;
    struct refusal refusal;

    if (!multiboot2_plan(request, p, &refusal))
        refuse_start("%s", refusal.text);
    execute(&p->moves);
    multiboot2_write_info(request, p, block.multiboot);
    physmem_write(p->info, block.multiboot, p->info_size);
    return &p->entry;
}

static const struct guest_entry *load_kernel(enum image_kind kind,
                                             const struct guest_request *request)
{
    if (kind == IMAGE_LINUX)
        return load_linux(request);
    return kind == IMAGE_MULTIBOOT2 ? load_multiboot2(request) : load_multiboot1(request);
}

/* As from the first hard disk, which is what a boot sector that is a file mostly comes from. */
static void load_sector(struct vcpu *v, const struct boot_info *info, struct memory_map *map,
                        const uint8_t *sector)
{
    if (info->uefi)
        refuse_start("a boot sector needs a BIOS, but UEFI has started this machine.");
    bios_install(v, info, map, BIOS_FIRST_DISK, sector);
}

void load_guest(struct vcpu *v, const struct boot_info *info, struct memory_map *map)
{
    const struct boot_module *kernel = &info->modules[0];
    struct guest_request request = {
        .image = physmem_map(kernel->start),
        .modules = info->modules,
        .module_count = info->module_count,
        .map = map,
        .self = {info->self_start, info->self_start + info->self_size, MEMORY_RESERVED},
        .screen = &info->screen,
        .rsdp = info->rsdp,
        .rsdp_size = info->rsdp_size,
    };
    struct image image;
    struct refusal refusal;

    if (!info->module_count)
        refuse_start("guest=module, but the boot loader gave no module: add a module2 line.");
    if (!image_recognise(request.image, kernel->size, &image, &refusal))
        refuse_start("%s", refusal.text);
    log_print("guest: %s, %llu KiB, %u more module%s", image.name,
              (unsigned long long)(kernel->size >> 10), info->module_count - 1,
              info->module_count == 2 ? "" : "s");
    if (image.kind == IMAGE_BOOT_SECTOR)
        load_sector(v, info, map, request.image);
    else
        set_entry(v, load_kernel(image.kind, &request));
    if (image.kind == IMAGE_LINUX)
        *map = plan.linux_kernel.e820; /* with the page of the ACPI root */
}
