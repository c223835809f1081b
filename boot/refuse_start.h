/* The end of a boot that cannot be. */
#ifndef BOOT_REFUSE_START_H
#define BOOT_REFUSE_START_H

#include "hv/compiler.h"

/*
 * "gdbvisor: cannot start: SENTENCE" on the console and, when it is there by then, on the debug
 * UART; then halts. The machine stays readable: nothing else is written to the screen.
 */
HV_NORETURN void refuse_start(const char *format, ...) HV_PRINTF(1, 2);

#endif
