/* Linux: the low block, that is boot_params, GDT, command line and a copy of the RSDP. */
#include "boot/linux.h"
#include "boot/linux_header.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

_Static_assert(LP_E820_TABLE + MEMORY_MAP_MAX * LP_E820_ENTRY <= LP_E820_TABLE_END,
               "a whole memory map fits in boot_params");
_Static_assert(LINUX_PARAMS_SIZE + GUEST_GDT_SIZE + BOOT_CMDLINE_SIZE <= 2 * LINUX_PARAMS_SIZE,
               "GDT and command line fit in a page");

static void write_text_screen(uint8_t *screen, const struct boot_framebuffer *fb)
{
    screen[LS_MODE] = 3;
    screen[LS_COLUMNS] = (uint8_t)(fb->width != 0 ? fb->width : 80);
    screen[LS_LINES] = (uint8_t)(fb->height != 0 ? fb->height : 25);
    screen[LS_ORIG_Y] = (uint8_t)(screen[LS_LINES] - 1); /* goes on below what stands there */
    screen[LS_IS_VGA] = LS_TYPE_VGA_TEXT;
    put16(screen + LS_POINTS, 16);
}

/* As a VESA linear framebuffer: what Linux can use wherever it came from, BIOS or UEFI. */
static void write_rgb_screen(uint8_t *screen, const struct boot_framebuffer *fb)
{
    const uint8_t colours[] = {fb->red_size,       fb->red_position, fb->green_size,
                               fb->green_position, fb->blue_size,    fb->blue_position};
    uint64_t size = (uint64_t)fb->pitch * fb->height;

    if (fb->width > UINT16_MAX || fb->height > UINT16_MAX || fb->pitch > UINT16_MAX)
        return; /* the fields have 16 bits */
    screen[LS_IS_VGA] = LS_TYPE_VLFB;
    put16(screen + LS_LFB_WIDTH, (uint16_t)fb->width);
    put16(screen + LS_LFB_HEIGHT, (uint16_t)fb->height);
    put16(screen + LS_LFB_DEPTH, fb->bits_per_pixel);
    put32(screen + LS_LFB_BASE, (uint32_t)fb->address);
    put32(screen + LS_LFB_SIZE, (uint32_t)((size + 0xffff) >> 16));
    put16(screen + LS_LFB_PITCH, (uint16_t)fb->pitch);
    memcpy(screen + LS_RED_SIZE, colours, sizeof(colours));
    put16(screen + LS_PAGES, 1);
    if (fb->address >> 32 != 0) {
        put32(screen + LS_CAPABILITIES, LS_CAP_64BIT_BASE);
        put32(screen + LS_EXT_LFB_BASE, (uint32_t)(fb->address >> 32));
    }
}

static void write_screen(uint8_t *screen, const struct boot_framebuffer *fb)
{
    switch (fb->kind) {
    case BOOT_SCREEN_NONE:
        break;
    case BOOT_SCREEN_TEXT:
        write_text_screen(screen, fb);
        break;
    case BOOT_SCREEN_RGB:
        write_rgb_screen(screen, fb);
        break;
    }
}

static void write_e820(uint8_t *params, const struct memory_map *map)
{
    params[LP_E820_ENTRIES] = (uint8_t)map->count;
    for (unsigned i = 0; i < map->count; i++) {
        uint8_t *entry = params + LP_E820_TABLE + i * LP_E820_ENTRY;
        const struct memory_range *r = &map->ranges[i];

        put64(entry, r->start);
        put64(entry + 8, r->end - r->start);
        put32(entry + 16, r->type);
    }
}

static void write_params(const struct guest_request *request, const struct linux_plan *plan,
                         uint8_t *params)
{
    memcpy(params + LINUX_HEADER_START, plan->header, sizeof(plan->header));
    params[LH_TYPE_OF_LOADER] = 0xff; /* no number of our own */
    params[LH_LOADFLAGS] = LH_LOADED_HIGH;
    put16(params + LH_VID_MODE, 0xffff); /* "normal" */
    put32(params + LH_CODE32_START, (uint32_t)plan->kernel);
    put32(params + LH_RAMDISK_IMAGE, (uint32_t)plan->initrd);
    put32(params + LH_RAMDISK_SIZE, (uint32_t)plan->initrd_size);
    put32(params + LH_CMD_LINE_PTR, (uint32_t)plan->cmdline);
    if (plan->version >= 0x0209)
        put64(params + LH_SETUP_DATA, 0);
    put64(params + LP_ACPI_RSDP_ADDR, plan->rsdp);
    write_screen(params + LP_SCREEN, request->screen);
    write_e820(params, &plan->e820);
}

void linux_write_low(const struct guest_request *request, const struct linux_plan *plan,
                     uint8_t *low)
{
    memset(low, 0, plan->low_size);
    write_params(request, plan, low + (plan->params - plan->low));
    guest_gdt_write(low + (plan->gdt - plan->low));
    str_copy((char *)low + (plan->cmdline - plan->low), BOOT_CMDLINE_SIZE,
             request->modules[0].cmdline);
    if (plan->low_size == LINUX_LOW_MAX)
        memcpy(low + (plan->rsdp - plan->low), request->rsdp, request->rsdp_size);
}
