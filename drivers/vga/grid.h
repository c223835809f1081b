/*
 * A screen of characters in memory, which knows what of it is on the real screen already. Reading a
 * real screen back is slow, so it is only ever written, and only where it changes.
 */
#ifndef DRIVERS_VGA_GRID_H
#define DRIVERS_VGA_GRID_H

#include "hv/types.h"

struct text_grid {
    unsigned columns, rows;
    unsigned column, row; /* of the next character; column == columns: it begins the next row */
    uint8_t *cells;       /* what is to be seen: columns * rows characters, row by row */
    uint8_t *shown;       /* what is on the screen, 0 where not known */
};

/* Puts one character on the real screen. */
typedef void (*text_grid_draw_fn)(unsigned column, unsigned row, uint8_t character);

/* All blank, nothing of it shown. cells and shown: columns * rows bytes each. */
void text_grid_init(struct text_grid *grid, unsigned columns, unsigned rows, uint8_t *cells,
                    uint8_t *shown);

/*
 * Writes text at the cursor; scrolls at the bottom. Knows \n, \r, \t (to the next multiple of 8)
 * and \b; what is not printable ASCII otherwise is shown as '?'.
 */
void text_grid_write(struct text_grid *grid, const char *text, size_t size);

/* Draws what differs from what is shown. */
void text_grid_flush(struct text_grid *grid, text_grid_draw_fn draw);

#endif
