/*
 * How ACPI switches the machine off: sleep state S5. Pure: memory is read through the caller's
 * function. ACPI specification, "Fixed ACPI Description Table (FADT)", "_Sx (System States)", "PM1
 * Control Registers".
 */
#ifndef ARCH_X86_ACPI_POWER_H
#define ARCH_X86_ACPI_POWER_H

#include "arch/x86/acpi.h"

struct acpi_power {
    uint16_t pm1a, pm1b;    /* ports of the control registers; pm1b 0: there is none */
    uint8_t type_a, type_b; /* SLP_TYP of S5 for each, 0 to 7 */
    uint16_t smi_command;   /* a byte `enable` there turns ACPI on; 0: it always is */
    uint8_t enable;
};

/*
 * HV_ENOENT: no FADT, no control register at a port, or no \_S5_ package of numbers in the DSDT;
 * other errors as acpi_find_table(). The package is found by its bytes, without running AML.
 */
enum hv_status acpi_power_find(const struct acpi_root *root, x86_phys_read_fn read,
                               struct acpi_power *power);

#endif
