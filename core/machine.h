/* The machine as a whole. */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include "hv/compiler.h"

/* Resets the machine, by whatever way works. */
HV_NORETURN void machine_reset(void);

/* Stops this CPU for good. */
HV_NORETURN void machine_halt(void);

/* A bug of ours: says so on the log, with where it was noticed, and halts. */
HV_NORETURN void machine_panic(const char *format, ...) HV_PRINTF(1, 2);

/* From now on a trap in the hypervisor is such a bug, and reported with its registers. */
void machine_catch_traps(void);

#endif
