/* The machine as a whole. */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include "arch/x86/acpi_power.h"
#include "hv/compiler.h"

/* Resets the machine, by whatever way works. */
HV_NORETURN void machine_reset(void);

/* Switches the machine off by ACPI; returns, after a while, when that did not work. */
void machine_power_off(const struct acpi_power *power);

/* Stops this CPU for good. */
HV_NORETURN void machine_halt(void);

/* A bug of ours: says so on the log, with where it was noticed, and halts. */
HV_NORETURN void machine_panic(const char *format, ...) HV_PRINTF(1, 2);

/* From now on a trap in the hypervisor is such a bug, and reported with its registers. */
void machine_catch_traps(void);

#endif
