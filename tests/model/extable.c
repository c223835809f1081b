/*
 * The table of instructions that may fault (arch/x86/traps.c), whose ends the linker script gives:
 * empty here, for the model's instructions do not fault.
 */
struct fixup {
    int nothing;
};

extern const struct fixup extable_start[], extable_end[];
const struct fixup extable_start[1], extable_end[1];
