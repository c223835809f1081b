/*
 * What arch/x86/traps.c and descriptors.c have from assembly and the linker script: the table of
 * instructions that may fault, empty here, for the model's instructions do not fault; and the IDT's
 * entries, which nothing here jumps to.
 */
#include "arch/x86/traps.h"

struct fixup {
    int nothing;
};

extern const struct fixup extable_start[], extable_end[];
const struct fixup extable_start[1], extable_end[1];
const uint64_t trap_entries[TRAP_VECTORS];
