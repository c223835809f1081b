/* The debug UART: found, set up, hidden from the guest, its interrupt made an NMI. */
#ifndef BOOT_GDB_UART_H
#define BOOT_GDB_UART_H

#include "boot/options.h"
#include "debug/session.h"

/*
 * Finds and sets up the UART of the options; refuses to start when it does not answer. NULL for
 * gdb=none. console: where the log goes, which gdb=auto leaves alone.
 */
const struct debug_link *gdb_uart_open(const struct boot_gdb *gdb,
                                       const struct boot_console *console);

/*
 * Takes its ports (or page) out of the guest's hands; stage 2 is built by then. in_use: the guest
 * runs already and may have a driver on it; such a driver finds it idle for ever. guest_console:
 * there is a virtual UART in its place (debug/guest_console.h).
 */
void gdb_uart_hide(bool in_use, bool guest_console);

/* Its ISA interrupt, or -1 when it is not known: Ctrl-C cannot break in then. */
int gdb_uart_irq(void);

/* "com1 at 115200 (16550A)"; returns the length. */
size_t gdb_uart_describe(char *text, size_t size);

/* Text on the line, when it is open and no session is on it yet. */
void gdb_uart_say(const char *text);

#endif
