#include "drivers/vga/text.h"

#include "arch/x86/insn.h"
#include "drivers/vga/grid.h"

enum {
    ATTRIBUTE = 0x07, /* light grey on black */

    CRTC_INDEX = 0x3d4,
    CRTC_DATA = 0x3d5,
    CRTC_START_HIGH = 0x0c, /* the cell at the top left */
    CRTC_START_LOW = 0x0d,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,
};

static volatile uint16_t *screen;
static struct text_grid grid;
static uint8_t grid_cells[VGA_TEXT_MAX_CELLS], grid_shown[VGA_TEXT_MAX_CELLS];

static void write_crtc(uint8_t index, uint8_t value)
{
    outb(CRTC_INDEX, index);
    outb(CRTC_DATA, value);
}

static void draw(unsigned column, unsigned row, uint8_t character)
{
    screen[row * grid.columns + column] = (uint16_t)(ATTRIBUTE << 8 | character);
}

static void show(void)
{
    unsigned cursor = grid.row * grid.columns + grid.column;

    /* A row just filled: the cursor waits on its last character. */
    if (grid.column == grid.columns)
        cursor--;
    text_grid_flush(&grid, draw);
    write_crtc(CRTC_CURSOR_HIGH, (uint8_t)(cursor >> 8));
    write_crtc(CRTC_CURSOR_LOW, (uint8_t)cursor);
}

/* Takes over what is on the screen; the cursor goes to the row below the last one with text. */
static void adopt(void)
{
    for (unsigned i = 0; i < grid.columns * grid.rows; i++) {
        uint8_t character = (uint8_t)screen[i];

        if (character == 0 || character == ' ')
            continue;
        grid_cells[i] = character;
        grid.row = i / grid.columns;
        grid.column = grid.columns;
    }
    if (grid.column != 0)
        text_grid_write(&grid, "\n", 1);
}

enum hv_status vga_text_init(volatile uint16_t *cells, unsigned columns, unsigned rows,
                             enum vga_text_start start)
{
    if (columns == 0 || rows == 0 || columns > VGA_TEXT_MAX_CELLS ||
        rows > VGA_TEXT_MAX_CELLS / columns)
        return HV_EINVAL;
    screen = cells;
    text_grid_init(&grid, columns, rows, grid_cells, grid_shown);
    if (start == VGA_TEXT_BELOW)
        adopt();
    write_crtc(CRTC_START_HIGH, 0);
    write_crtc(CRTC_START_LOW, 0);
    show();
    return HV_OK;
}

void vga_text_write(const char *text, size_t size)
{
    if (!screen)
        return;
    text_grid_write(&grid, text, size);
    show();
}

unsigned vga_text_cursor(void)
{
    outb(CRTC_INDEX, CRTC_CURSOR_HIGH);
    unsigned high = inb(CRTC_DATA);
    outb(CRTC_INDEX, CRTC_CURSOR_LOW);
    return high << 8 | inb(CRTC_DATA);
}
