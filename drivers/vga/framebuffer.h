/*
 * The console on a linear framebuffer of direct colour. One screen, one console: no cookies.
 *
 * Once the guest runs the screen is the guest's; call framebuffer_init again before writing to a
 * screen that somebody else has written to.
 */
#ifndef DRIVERS_VGA_FRAMEBUFFER_H
#define DRIVERS_VGA_FRAMEBUFFER_H

#include "hv/status.h"
#include "hv/types.h"

enum {
    FRAMEBUFFER_MAX_COLUMNS = 256, /* what a larger screen has more is left black */
    FRAMEBUFFER_MAX_ROWS = 96,
    FRAMEBUFFER_DOUBLE_ABOVE = 1600, /* pixels of width: beyond, characters are 16 by 32 */
};

/* Where a colour is in a pixel: bits position to position + size - 1. */
struct framebuffer_field {
    uint8_t position, size;
};

struct framebuffer_mode {
    uint32_t width, height; /* pixels */
    uint32_t pitch;         /* bytes from one row of pixels to the next */
    uint8_t bits_per_pixel; /* 15, 16, 24 or 32 */
    struct framebuffer_field red, green, blue;
};

/*
 * pixels: the mapped framebuffer; clears it. HV_ENOTSUP: another number of bits per pixel;
 * HV_EINVAL: no room for one character, a pitch shorter than a row or not whole pixels, a colour
 * outside the pixel, or pixels not aligned to a pixel of 2 or 4 bytes.
 */
enum hv_status framebuffer_init(volatile uint8_t *pixels, const struct framebuffer_mode *mode);

/* A log sink (lib/log.h): writes text at the cursor. Does nothing before framebuffer_init. */
void framebuffer_write(const char *text, size_t size);

#endif
