/* What the information of both multiboot versions tells in the same words. */
#include "boot/multiboot_info.h"

#include "boot/refusal.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { MIB = 0x100000, LOWER_END = 0xa0000 };
enum { TYPE_RGB = 1, TYPE_TEXT = 2, TEXT_CELL = 2 };

/* KiB of RAM from start on in one piece, at most up to limit. */
static uint32_t ram_kib(const struct memory_map *map, uint64_t start, uint64_t limit)
{
    return (uint32_t)((HV_MIN(memory_map_ram_end(map, start), limit) - start) >> 10);
}

uint32_t multiboot_mem_lower(const struct memory_map *map)
{
    return ram_kib(map, 0, LOWER_END);
}

uint32_t multiboot_mem_upper(const struct memory_map *map)
{
    return ram_kib(map, MIB, LOAD_LIMIT);
}

void multiboot_put_range(uint8_t *at, const struct memory_range *range)
{
    put64(at, range->start);
    put64(at + 8, range->end - range->start);
    put32(at + 16, range->type <= MEMORY_BAD ? range->type : MEMORY_RESERVED);
}

void multiboot_put_screen(uint8_t *at, uint8_t *colours, const struct boot_framebuffer *screen)
{
    const uint8_t rgb_colours[MULTIBOOT_COLOURS_SIZE] = {screen->red_position,   screen->red_size,
                                                         screen->green_position, screen->green_size,
                                                         screen->blue_position,  screen->blue_size};
    bool rgb = screen->kind == BOOT_SCREEN_RGB;

    put64(at, screen->address);
    put32(at + 8, rgb ? screen->pitch : screen->width * TEXT_CELL);
    put32(at + 12, screen->width);
    put32(at + 16, screen->height);
    at[20] = rgb ? screen->bits_per_pixel : 8 * TEXT_CELL;
    at[21] = rgb ? TYPE_RGB : TYPE_TEXT;
    if (rgb)
        memcpy(colours, rgb_colours, sizeof(rgb_colours));
}
