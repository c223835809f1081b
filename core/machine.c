#include "core/machine.h"

#include "arch/x86/insn.h"
#include "arch/x86/traps.h"
#include "lib/fmt.h"
#include "lib/log.h"

enum {
    PORT_RESET_CONTROL = 0xcf9, /* chipset: bit 1 full reset, bit 2 do it */
    PORT_KEYBOARD = 0x64,
    KEYBOARD_RESET = 0xfe,
};

void machine_halt(void)
{
    for (;;)
        cpu_halt();
}

static void wait_a_little(void)
{
    for (unsigned i = 0; i < 100000; i++)
        inb(0x80);
}

void machine_reset(void)
{
    wait_a_little(); /* what was said last leaves the UART */
    outb(PORT_RESET_CONTROL, 0x02);
    outb(PORT_RESET_CONTROL, 0x06);
    wait_a_little();
    outb(PORT_KEYBOARD, KEYBOARD_RESET);
    wait_a_little();
    log_print("gdbvisor: the machine did not reset; press its button.");
    machine_halt();
}

/* ACPI specification, "PM1 Control Registers", "Enabling ACPI Mode". */
void machine_power_off(const struct acpi_power *power)
{
    enum { SCI_ENABLED = 1 << 0, TYPE_SHIFT = 10, TYPE_MASK = 7 << 10, SLEEP = 1 << 13 };

    wait_a_little();
    if (power->smi_command && !(inw(power->pm1a) & SCI_ENABLED)) {
        outb(power->smi_command, power->enable);
        for (unsigned i = 0; i < 30 && !(inw(power->pm1a) & SCI_ENABLED); i++)
            wait_a_little();
    }
    uint16_t a = inw(power->pm1a) & (uint16_t) ~(TYPE_MASK | SLEEP);
    outw(power->pm1a, (uint16_t)(a | power->type_a << TYPE_SHIFT | SLEEP));
    if (power->pm1b) {
        uint16_t b = inw(power->pm1b) & (uint16_t) ~(TYPE_MASK | SLEEP);
        outw(power->pm1b, (uint16_t)(b | power->type_b << TYPE_SHIFT | SLEEP));
    }
    wait_a_little();
}

void machine_panic(const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    fmt_vprint(text, sizeof(text), format, args);
    va_end(args);
    log_print("gdbvisor: panic: %s", text);
    machine_halt();
}

static void fatal_trap(const struct trap_frame *f, uint64_t cr2)
{
    log_print("gdbvisor: trap %u error %llx at %llx, cr2 %llx, rsp %llx", (unsigned)f->vector,
              (unsigned long long)f->error, (unsigned long long)f->rip, (unsigned long long)cr2,
              (unsigned long long)f->rsp);
    log_print("rax %llx rbx %llx rcx %llx rdx %llx", (unsigned long long)f->rax,
              (unsigned long long)f->rbx, (unsigned long long)f->rcx, (unsigned long long)f->rdx);
    log_print("rsi %llx rdi %llx rbp %llx", (unsigned long long)f->rsi, (unsigned long long)f->rdi,
              (unsigned long long)f->rbp);
    machine_panic("a trap in the hypervisor itself");
}

void machine_catch_traps(void)
{
    traps_set_fatal(fatal_trap);
}
