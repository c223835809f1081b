/* The end of a boot that cannot be. */
#ifndef BOOT_REFUSE_START_H
#define BOOT_REFUSE_START_H

#include "hv/compiler.h"

/*
 * "gdbvisor: cannot start: SENTENCE" on the console and, when it is there by then, on the debug
 * UART; then halts. The machine stays readable: nothing else is written to the screen.
 */
HV_NORETURN void refuse_start(const char *format, ...) HV_PRINTF(1, 2);

enum { REFUSAL_SIZE = 360 };

/* From now on does not halt: calls leave with the whole text, which does not return. */
void refuse_start_by(void (*leave)(const char *text));

#endif
