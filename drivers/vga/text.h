/*
 * The console on a VGA text screen. One screen, one console: no cookies.
 *
 * Once the guest runs the screen is the guest's; call vga_text_init again before writing to a
 * screen that somebody else has written to.
 *
 * Source of the CRTC registers: IBM, "VGA Technical Reference", section "CRT Controller Registers".
 */
#ifndef DRIVERS_VGA_TEXT_H
#define DRIVERS_VGA_TEXT_H

#include "hv/status.h"
#include "hv/types.h"

enum { VGA_TEXT_ADDRESS = 0xb8000, VGA_TEXT_MAX_CELLS = 0x4000 };

enum vga_text_start {
    VGA_TEXT_CLEAR, /* begin on an empty screen */
    VGA_TEXT_BELOW, /* keep what is there and begin below it, scrolling if need be */
};

/*
 * cells: the screen's memory, at VGA_TEXT_ADDRESS on a PC: 16 bits a character, its code in the low
 * byte. Sizes in characters, 80 by 25 as a rule. HV_EINVAL: a size of zero, or more than
 * VGA_TEXT_MAX_CELLS characters.
 */
enum hv_status vga_text_init(volatile uint16_t *cells, unsigned columns, unsigned rows,
                             enum vga_text_start start);

/* A log sink (lib/log.h): writes text at the cursor. Does nothing before vga_text_init. */
void vga_text_write(const char *text, size_t size);

/* Where the blinking cursor stands: characters from the top left. For 80 by 25, row * 80 + column.
 */
unsigned vga_text_cursor(void);

#endif
