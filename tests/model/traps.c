/*
 * The table of instructions that may fault (arch/x86/traps.c), whose ends the linker script gives:
 * empty here, for the model's instructions do not fault.
 */
#include "arch/x86/traps.h"

struct fixup {
    int nothing;
};

extern const struct fixup extable_start[], extable_end[];
const struct fixup extable_start[1], extable_end[1];

/* The addresses in assembly that the same file knows. */
extern const char traps_wait_window[], traps_wait_window_end[];
const char traps_wait_window[1], traps_wait_window_end[1];

/* And those that arch/x86/descriptors.c puts into the IDT. */
const uint64_t trap_entries[TRAP_VECTORS];

/* Its assembly: nobody sends an NMI here. */
__attribute__((weak)) void traps_wait_nmi(const uint64_t *nmis, uint64_t seen)
{
    (void)nmis;
    (void)seen;
}
