/*
 * `monitor` commands: the table is in monitor.c, the commands are in monitor_*.c by subject. Inside
 * debug/ only.
 */
#ifndef DEBUG_MONITOR_H
#define DEBUG_MONITOR_H

#include "core/vcpu.h"
#include "hv/compiler.h"

/* For printing a 64-bit register by %llx or %llu. */
#define U(x) ((unsigned long long)(x))

/* Prints a line of the answer, cut to 127 characters. */
void monitor_line(const char *format, ...) HV_PRINTF(1, 2);

/* The CPU that gdb has chosen, CPU 0 when it has chosen none. */
struct vcpu *monitor_vcpu(void);

/*
 * A command's arguments, taken from the left: each of these takes the next word of *rest when it is
 * what is asked for, moves *rest behind it, and else leaves all as it was and returns false.
 */
bool monitor_take(const char **rest, const char *word);
/* A number, decimal or with 0x. */
bool monitor_take_number(const char **rest, uint64_t *value);
/* N or N-M, where M is not less; one number is both ends. */
bool monitor_take_range(const char **rest, uint64_t *first, uint64_t *last);
/* `on` or `off`. */
bool monitor_take_switch(const char **rest, bool *on);
/* True when no word is left. */
bool monitor_at_end(const char *rest);

/*
 * The commands. rest: what stands behind the command's name. False: that is not what the command
 * takes, nothing was done; the usage is shown.
 */
typedef bool monitor_command_fn(const char *rest);

monitor_command_fn monitor_regs, monitor_exits, monitor_catch;
monitor_command_fn monitor_pt, monitor_idt, monitor_gdt, monitor_tss;
monitor_command_fn monitor_uart, monitor_baud, monitor_console, monitor_type;
monitor_command_fn monitor_cpu, monitor_msr, monitor_in, monitor_out, monitor_phys;
monitor_command_fn monitor_break;
monitor_command_fn monitor_e820, monitor_mtrr, monitor_acpi, monitor_pci, monitor_apic;
monitor_command_fn monitor_poweroff, monitor_selftest;
monitor_command_fn monitor_exceptions, monitor_int3, monitor_why;
monitor_command_fn monitor_arch, monitor_log, monitor_mmio, monitor_reset, monitor_stop,
    monitor_step, monitor_version;

#endif
