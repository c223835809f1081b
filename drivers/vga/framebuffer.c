#include "drivers/vga/framebuffer.h"

#include "drivers/vga/font.h"
#include "drivers/vga/grid.h"
#include "hv/compiler.h"

enum { BRIGHTNESS = 0xc0, MAX_CELLS = FRAMEBUFFER_MAX_COLUMNS * FRAMEBUFFER_MAX_ROWS };

static volatile uint8_t *screen;
static struct framebuffer_mode mode_now;
static unsigned pixel_bytes, scale;
static uint32_t ink;
static struct text_grid grid;
static uint8_t grid_cells[MAX_CELLS], grid_shown[MAX_CELLS];

static void put_pixel(volatile uint8_t *at, uint32_t value)
{
    switch (pixel_bytes) {
    case 4:
        *(volatile uint32_t *)at = value;
        break;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)value;
        break;
    default:
        at[0] = (uint8_t)value;
        at[1] = (uint8_t)(value >> 8);
        at[2] = (uint8_t)(value >> 16);
        break;
    }
}

/* One row of pixels of a character, bits as in the font. */
static void draw_row(volatile uint8_t *at, uint8_t bits)
{
    for (unsigned x = 0; x < FONT_WIDTH * scale; x++) {
        put_pixel(at, (bits & (0x80 >> x / scale)) ? ink : 0);
        at += pixel_bytes;
    }
}

static void draw(unsigned column, unsigned row, uint8_t character)
{
    volatile uint8_t *at = screen + (size_t)row * FONT_HEIGHT * scale * mode_now.pitch +
                           (size_t)column * FONT_WIDTH * scale * pixel_bytes;

    for (unsigned y = 0; y < FONT_HEIGHT * scale; y++) {
        draw_row(at, font_glyphs[character - FONT_FIRST][y / scale]);
        at += mode_now.pitch;
    }
}

static void clear(void)
{
    for (uint32_t y = 0; y < mode_now.height; y++) {
        volatile uint8_t *at = screen + (size_t)y * mode_now.pitch;

        for (uint32_t x = 0; x < mode_now.width; x++) {
            put_pixel(at, 0);
            at += pixel_bytes;
        }
    }
}

/* The field's part of light grey. */
static uint32_t shade(struct framebuffer_field field)
{
    uint32_t level = field.size > 8 ? (uint32_t)BRIGHTNESS << (field.size - 8)
                                    : (uint32_t)BRIGHTNESS >> (8 - field.size);

    return level << field.position;
}

static bool field_fits(struct framebuffer_field field, unsigned bits)
{
    return field.size >= 1 && field.size <= 16 && field.position + field.size <= bits;
}

static enum hv_status check(uintptr_t address, const struct framebuffer_mode *mode)
{
    unsigned bits = mode->bits_per_pixel;
    unsigned bytes = (bits + 7) / 8;

    if (bits != 15 && bits != 16 && bits != 24 && bits != 32)
        return HV_ENOTSUP;
    if (mode->width < FONT_WIDTH || mode->height < FONT_HEIGHT ||
        mode->pitch < (uint64_t)mode->width * bytes)
        return HV_EINVAL;
    if (bytes != 3 && (address % bytes != 0 || mode->pitch % bytes != 0))
        return HV_EINVAL;
    if (!field_fits(mode->red, bits) || !field_fits(mode->green, bits) ||
        !field_fits(mode->blue, bits))
        return HV_EINVAL;
    return HV_OK;
}

enum hv_status framebuffer_init(volatile uint8_t *pixels, const struct framebuffer_mode *mode)
{
    enum hv_status status = check((uintptr_t)pixels, mode);
    unsigned columns, rows;

    if (status != HV_OK)
        return status;
    screen = pixels;
    mode_now = *mode;
    pixel_bytes = (mode->bits_per_pixel + 7u) / 8;
    scale = mode->width > FRAMEBUFFER_DOUBLE_ABOVE && mode->height >= 2 * FONT_HEIGHT ? 2 : 1;
    ink = shade(mode->red) | shade(mode->green) | shade(mode->blue);
    columns = mode->width / (FONT_WIDTH * scale);
    rows = mode->height / (FONT_HEIGHT * scale);
    text_grid_init(&grid, HV_MIN(columns, (unsigned)FRAMEBUFFER_MAX_COLUMNS),
                   HV_MIN(rows, (unsigned)FRAMEBUFFER_MAX_ROWS), grid_cells, grid_shown);
    clear();
    for (unsigned i = 0; i < grid.columns * grid.rows; i++)
        grid_shown[i] = ' '; /* black is blank */
    return HV_OK;
}

void framebuffer_write(const char *text, size_t size)
{
    if (!screen)
        return;
    text_grid_write(&grid, text, size);
    text_grid_flush(&grid, draw);
}
