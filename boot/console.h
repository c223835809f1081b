/* Where gdbvisor's own log goes while it boots and runs. */
#ifndef BOOT_CONSOLE_H
#define BOOT_CONSOLE_H

#include "boot/boot_info.h"
#include "boot/options.h"

/*
 * Opens what the options name; what is in the log already is shown. A console that is not there is
 * no reason to stop: the log is kept for `monitor log`.
 */
void console_open(const struct boot_console *console, const struct boot_framebuffer *screen);

/* The screen is in another mode now: what is in the log is shown there. */
void console_change_screen(const struct boot_framebuffer *screen);

/* The screen is the guest's from now on; a serial console stays. */
void console_leave_screen(void);

#endif
