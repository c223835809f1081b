/* The letters of the framebuffer console: ASCII, 8 by 16 pixels. */
#ifndef DRIVERS_VGA_FONT_H
#define DRIVERS_VGA_FONT_H

#include "hv/types.h"

enum {
    FONT_WIDTH = 8, /* one bit a pixel, the left one is bit 7 */
    FONT_HEIGHT = 16,
    FONT_FIRST = 0x20,
    FONT_LAST = 0x7e,
};

/* The row bytes, top to bottom, of character FONT_FIRST + n. */
extern const uint8_t font_glyphs[FONT_LAST - FONT_FIRST + 1][FONT_HEIGHT];

#endif
