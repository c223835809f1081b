#include "drivers/vga/grid.h"

#include "lib/string.h"

enum { TAB = 8 };

void text_grid_init(struct text_grid *grid, unsigned columns, unsigned rows, uint8_t *cells,
                    uint8_t *shown)
{
    *grid = (struct text_grid){.columns = columns, .rows = rows, .cells = cells, .shown = shown};
    memset(cells, ' ', (size_t)columns * rows);
    memset(shown, 0, (size_t)columns * rows);
}

static void new_row(struct text_grid *grid)
{
    size_t kept = (size_t)grid->columns * (grid->rows - 1);

    grid->column = 0;
    if (grid->row + 1 < grid->rows) {
        grid->row++;
        return;
    }
    memmove(grid->cells, grid->cells + grid->columns, kept);
    memset(grid->cells + kept, ' ', grid->columns);
}

/* The row ends only when the next character comes: a line as wide as the screen leaves no gap. */
static void put_printable(struct text_grid *grid, uint8_t character)
{
    if (grid->column >= grid->columns)
        new_row(grid);
    grid->cells[(size_t)grid->row * grid->columns + grid->column++] = character;
}

static void put(struct text_grid *grid, char c)
{
    switch (c) {
    case '\n':
        new_row(grid);
        break;
    case '\r':
        grid->column = 0;
        break;
    case '\b':
        if (grid->column > 0)
            grid->column--;
        break;
    case '\t':
        do
            put_printable(grid, ' ');
        while (grid->column % TAB != 0 && grid->column < grid->columns);
        break;
    default:
        put_printable(grid, c >= ' ' && c <= '~' ? (uint8_t)c : '?');
        break;
    }
}

void text_grid_write(struct text_grid *grid, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(grid, text[i]);
}

void text_grid_flush(struct text_grid *grid, text_grid_draw_fn draw)
{
    for (unsigned row = 0; row < grid->rows; row++) {
        for (unsigned column = 0; column < grid->columns; column++) {
            size_t i = (size_t)row * grid->columns + column;

            if (grid->cells[i] != grid->shown[i])
                draw(column, row, grid->cells[i]);
            grid->shown[i] = grid->cells[i];
        }
    }
}
