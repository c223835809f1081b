#include "core/backend.h"
#include "core/guest_memory.h"
#include "debug/breakpoints.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/log.h"
#include "lib/string.h"

static gdb_print_fn out;

static void line(const char *format, ...) HV_PRINTF(1, 2);
static void line(const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    size_t length = fmt_vprint(text, sizeof(text) - 1, format, args);
    va_end(args);
    length = HV_MIN(length, sizeof(text) - 2);
    text[length] = '\n';
    out(text, length + 1);
}

#define U(x) ((unsigned long long)(x))

static void print_segment(const char *name, const struct hv_segment *s)
{
    line("%-4s %04x  base %016llx  limit %08x  attributes %03x", name, (unsigned)s->selector,
         U(s->base), (unsigned)s->limit, (unsigned)s->attributes);
}

static void print_control(struct vcpu *v)
{
    const struct hv_regs *r = &v->regs;
    const struct hv_debug_regs *d = &v->debug_regs;

    line("cr0  %016llx  cr2  %016llx  cr3  %016llx", U(r->cr0), U(r->cr2), U(r->cr3));
    line("cr4  %016llx  cr8  %016llx  efer %016llx", U(r->cr4), U(r->cr8), U(r->efer));
    line("dr0  %016llx  dr1  %016llx  dr2  %016llx", U(d->dr[0]), U(d->dr[1]), U(d->dr[2]));
    line("dr3  %016llx  dr6  %016llx  dr7  %016llx", U(d->dr[3]), U(d->dr6), U(d->dr7));
    line("gdtr %016llx:%04x  idtr %016llx:%04x", U(r->gdtr.base), (unsigned)r->gdtr.limit,
         U(r->idtr.base), (unsigned)r->idtr.limit);
}

static void command_regs(const char *arguments)
{
    static const char *const gpr[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    struct vcpu *v = debug_vcpu(debug.stub.thread_g);
    (void)arguments;

    v = v ? v : vcpu_get(0);
    vcpu_need(v, REGS_ALL);
    line("CPU %u, %s, ring %u, at %04x:%llx (linear %llx)", v->number, vcpu_mode_name(v),
         vcpu_cpl(v), (unsigned)v->regs.seg[SEG_CS].selector, U(v->regs.rip),
         U(vcpu_linear_rip(v)));
    for (unsigned i = 0; i < GPR_COUNT; i += 2)
        line("%-4s %016llx  %-4s %016llx", gpr[i], U(v->regs.gpr[i]), gpr[i + 1],
             U(v->regs.gpr[i + 1]));
    line("rip  %016llx  rflags %08llx%s%s", U(v->regs.rip), U(v->regs.rflags),
         v->interrupt_shadow ? "  interrupt shadow" : "", v->nmi_blocked ? "  in NMI handler" : "");
    print_control(v);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        print_segment(segments[i], &v->regs.seg[i]);
}

static void command_exits(const char *arguments)
{
    if (!strcmp(arguments, "reset")) {
        for (unsigned i = 0; i < vcpu_count(); i++)
            memset(vcpu_get(i)->exits, 0, sizeof(vcpu_get(i)->exits));
        line("exit counts are zero");
        return;
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const struct vcpu *v = vcpu_get(i);
        uint64_t total = 0;
        if (vcpu_count() > 1)
            line("CPU %u", i);
        for (unsigned kind = 0; kind < HV_EXIT_KINDS; kind++) {
            total += v->exits[kind];
            if (v->exits[kind])
                line("%-24s %10llu", hv_exit_name((enum hv_exit_kind)kind), U(v->exits[kind]));
        }
        line("%-24s %10llu", "total", U(total));
        line("%-24s %10llu", "hidden memory touched", U(v->hidden_accesses));
    }
}

static void command_reset(const char *arguments)
{
    (void)arguments;
    debug.reset_asked = true; /* gdb gets its answer first */
    line("the machine is reset");
}

static void command_version(const char *arguments)
{
    char text[100];
    (void)arguments;

    line("%s", debug.config->about);
    if (debug.config->link && debug.config->link->describe(text, sizeof(text)))
        line("line: %s", text);
    line("breakpoints: %u software of %u, %u hardware of %u", breakpoints_count(),
         (unsigned)BREAKPOINTS_MAX, watch_count(), (unsigned)DEBUG_SLOTS);
}

static void command_mmio(const char *arguments)
{
    if (!strcmp(arguments, "on"))
        guest_memory_allow_devices(true);
    else if (!strcmp(arguments, "off"))
        guest_memory_allow_devices(false);
    else if (*arguments)
        line("usage: monitor mmio [on|off]");
    line("reading and writing device memory is %s",
         guest_memory_devices_allowed() ? "on: it may have side effects" : "off");
}

static void command_log(const char *arguments)
{
    char text[256];
    size_t offset = 0, n;
    (void)arguments;

    while ((n = log_read(offset, text, sizeof(text))) != 0) {
        out(text, n);
        offset += n;
    }
}

static void command_stop(const char *arguments)
{
    const char *rest;

    if (!str_prefix(arguments, "ap", &rest) || (*rest && *rest != ' ')) {
        line("usage: monitor stop ap [on|off]");
        return;
    }
    while (*rest == ' ')
        rest++;
    if (!strcmp(rest, "on") || !*rest)
        debug.stop_ap = true;
    else if (!strcmp(rest, "off"))
        debug.stop_ap = false;
    else
        line("usage: monitor stop ap [on|off]");
    line("stopping each CPU that the guest starts is %s", debug.stop_ap ? "on" : "off");
}

static void command_help(const char *arguments);

static const struct command {
    const char *name;
    void (*run)(const char *arguments);
    const char *help;
} commands[] = {
    {"help", command_help, "help              this list"},
    {"regs", command_regs, "regs              all registers of the current CPU"},
    {"exits", command_exits, "exits [reset]     how often the guest was left, by reason"},
    {"mmio", command_mmio, "mmio [on|off]     let memory commands touch devices (default: off)"},
    {"log", command_log, "log               gdbvisor's own messages"},
    {"stop", command_stop, "stop ap [on|off]  stop at the first instruction of CPUs that start"},
    {"reset", command_reset, "reset             reset the machine"},
    {"version", command_version, "version           versions, sizes, and what is set"},
};

static void command_help(const char *arguments)
{
    (void)arguments;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(commands); i++)
        line("%s", commands[i].help);
}

enum hv_status debug_monitor(const char *text, gdb_print_fn print)
{
    const char *rest;

    out = print;
    while (*text == ' ')
        text++;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(commands); i++) {
        if (!str_prefix(text, commands[i].name, &rest) || (*rest && *rest != ' '))
            continue;
        while (*rest == ' ')
            rest++;
        commands[i].run(rest);
        return HV_OK;
    }
    return HV_ENOENT;
}
