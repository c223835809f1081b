#include "debug/monitor.h"

#include "debug/state.h"
#include "lib/cmdline.h"
#include "lib/fmt.h"
#include "lib/string.h"

static monitor_command_fn help;

/* arguments: as the usage shows them; help: what it does, in a few words. */
static const struct command {
    const char *name, *arguments, *help;
    monitor_command_fn *run;
} commands[] = {
    {"help", "", "this list", help},
    {"regs", "", "all registers of the current CPU", monitor_regs},
    {"exits", "[reset]", "how often the guest was left, by reason", monitor_exits},
    {"uart", "", "the line to gdb: its UART and what was lost on it", monitor_uart},
    {"baud", "N", "another speed for the line, if it works", monitor_baud},
    {"cpu", "", "the processor, and each CPU's mode", monitor_cpu},
    {"console", "[timestamp|port80|debug on|off]", "what is on it besides", monitor_console},
    {"type", "TEXT", "type on the guest's console; \\n, \\r, \\x03 and the like", monitor_type},
    {"pt", "ADDR", "the page-table entries that an address goes through", monitor_pt},
    {"idt", "[N|N-M]", "interrupt gates, or real mode's vectors", monitor_idt},
    {"gdt", "", "segment descriptors", monitor_gdt},
    {"tss", "", "stacks of the task state segment", monitor_tss},
    {"catch", "[WHAT]", "stop in front of what the processor does", monitor_catch},
    {"int3", "[guest|stop]", "where the guest's own INT3s go", monitor_int3},
    {"why", "[ADDRESS]", "the last exception, or a translation, explained", monitor_why},
    {"exceptions", "[on|off]", "the last 64 of the current CPU", monitor_exceptions},
    {"msr", "N [VALUE]", "a model-specific register of the guest's", monitor_msr},
    {"in", "[b|w|l] PORT", "reads 1, 2 or 4 bytes from a port", monitor_in},
    {"out", "[b|w|l] PORT VALUE", "writes them", monitor_out},
    {"phys", "ADDR [LEN]|on|off", "physical memory; on: for gdb's commands too", monitor_phys},
    {"mmio", "[on|off]", "let memory commands touch devices (default: off)", monitor_mmio},
    {"log", "", "gdbvisor's own messages", monitor_log},
    {"arch", "[auto|i8086|i386|x86-64]", "the registers that gdb is told of", monitor_arch},
    {"break", "", "the software breakpoints: which are armed, and how", monitor_break},
    {"stop", "[WHAT on|off]", "at which of the guest's own events it stops", monitor_stop},
    {"step", "[interrupts hold|deliver | count N]", "how steps are made", monitor_step},
    {"e820", "", "the memory map that the guest is shown", monitor_e820},
    {"mtrr", "", "memory types", monitor_mtrr},
    {"acpi", "", "the firmware's ACPI tables", monitor_acpi},
    {"pci", "", "PCI devices", monitor_pci},
    {"apic", "", "local APIC, and the I/O APIC's entries in use", monitor_apic},
    {"selftest", "", "whether gdbvisor itself is well", monitor_selftest},
    {"poweroff", "", "switch the machine off", monitor_poweroff},
    {"reset", "", "reset the machine", monitor_reset},
    {"version", "", "versions, sizes, and what is set", monitor_version},
};

static gdb_print_fn out;

void monitor_line(const char *format, ...)
{
    char text[129];
    va_list args;

    va_start(args, format);
    size_t length = fmt_vprint(text, sizeof(text) - 1, format, args);
    va_end(args);
    length = HV_MIN(length, sizeof(text) - 2);
    text[length] = '\n';
    out(text, length + 1);
}

struct vcpu *monitor_vcpu(void)
{
    struct vcpu *v = debug_vcpu(debug.stub.thread_g);

    return v ? v : vcpu_get(0);
}

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* The next word, not terminated; its length, 0 at the end. */
static size_t next_word(const char **rest)
{
    size_t length = 0;

    *rest = skip_spaces(*rest);
    while ((*rest)[length] && (*rest)[length] != ' ')
        length++;
    return length;
}

bool monitor_take(const char **rest, const char *word)
{
    const char *s = *rest;
    size_t length = next_word(&s);

    if (!length || !cmdline_equal(s, length, word))
        return false;
    *rest = s + length;
    return true;
}

bool monitor_take_number(const char **rest, uint64_t *value)
{
    const char *s = *rest;
    size_t length = next_word(&s);
    uint64_t number;

    if (!cmdline_number(s, length, &number))
        return false;
    *value = number;
    *rest = s + length;
    return true;
}

bool monitor_take_range(const char **rest, uint64_t *first, uint64_t *last)
{
    const char *s = *rest;
    size_t length = next_word(&s);
    const char *dash = memchr(s, '-', length);
    size_t head = dash ? (size_t)(dash - s) : length;
    uint64_t low, high;

    if (!cmdline_number(s, head, &low))
        return false;
    high = low;
    if (dash && !cmdline_number(dash + 1, length - head - 1, &high))
        return false;
    if (high < low)
        return false;
    *first = low;
    *last = high;
    *rest = s + length;
    return true;
}

bool monitor_take_switch(const char **rest, bool *on)
{
    bool is_on = monitor_take(rest, "on");

    if (!is_on && !monitor_take(rest, "off"))
        return false;
    *on = is_on;
    return true;
}

bool monitor_at_end(const char *rest)
{
    return !*skip_spaces(rest);
}

static bool help(const char *rest)
{
    if (!monitor_at_end(rest))
        return false;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(commands); i++) {
        char usage[64];

        fmt_print(usage, sizeof(usage), "%s %s", commands[i].name, commands[i].arguments);
        monitor_line("%-23s %s", usage, commands[i].help);
    }
    return true;
}

enum hv_status debug_monitor(const char *text, gdb_print_fn print)
{
    out = print;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(commands); i++) {
        const struct command *c = &commands[i];

        if (!monitor_take(&text, c->name))
            continue;
        if (!c->run(text))
            monitor_line("usage: monitor %s%s%s", c->name, *c->arguments ? " " : "", c->arguments);
        return HV_OK;
    }
    return HV_ENOENT;
}
