/* What a CPU has and does: its registers, why it left the guest. */
#include "arch/x86/tsc.h"
#include "core/backend.h"
#include "core/park.h"
#include "debug/monitor.h"
#include "hv/compiler.h"
#include "lib/string.h"

static void print_segment(const char *name, const struct hv_segment *s)
{
    monitor_line("%-4s %04x  base %016llx  limit %08x  attributes %03x", name,
                 (unsigned)s->selector, U(s->base), (unsigned)s->limit, (unsigned)s->attributes);
}

static void print_control(struct vcpu *v)
{
    const struct hv_regs *r = &v->regs;
    const struct hv_debug_regs *d = &v->debug_regs;

    monitor_line("cr0  %016llx  cr2  %016llx  cr3  %016llx", U(r->cr0), U(r->cr2), U(r->cr3));
    monitor_line("cr4  %016llx  cr8  %016llx  efer %016llx", U(r->cr4), U(r->cr8), U(r->efer));
    monitor_line("dr0  %016llx  dr1  %016llx  dr2  %016llx", U(d->dr[0]), U(d->dr[1]), U(d->dr[2]));
    monitor_line("dr3  %016llx  dr6  %016llx  dr7  %016llx", U(d->dr[3]), U(d->dr6), U(d->dr7));
    monitor_line("gdtr %016llx:%04x  idtr %016llx:%04x", U(r->gdtr.base), (unsigned)r->gdtr.limit,
                 U(r->idtr.base), (unsigned)r->idtr.limit);
}

bool monitor_regs(const char *rest)
{
    static const char *const gpr[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    struct vcpu *v = monitor_vcpu();

    if (!monitor_at_end(rest))
        return false;
    vcpu_need(v, REGS_ALL);
    monitor_line("CPU %u, %s, ring %u, at %04x:%llx (linear %llx)", v->number, vcpu_mode_name(v),
                 vcpu_cpl(v), (unsigned)v->regs.seg[SEG_CS].selector, U(v->regs.rip),
                 U(vcpu_linear_rip(v)));
    for (unsigned i = 0; i < GPR_COUNT; i += 2)
        monitor_line("%-4s %016llx  %-4s %016llx", gpr[i], U(v->regs.gpr[i]), gpr[i + 1],
                     U(v->regs.gpr[i + 1]));
    monitor_line("rip  %016llx  rflags %08llx%s%s", U(v->regs.rip), U(v->regs.rflags),
                 v->interrupt_shadow ? "  interrupt shadow" : "",
                 v->nmi_blocked ? "  in NMI handler" : "");
    print_control(v);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        print_segment(segments[i], &v->regs.seg[i]);
    return true;
}

static void print_exits(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const struct vcpu *v = vcpu_get(i);
        uint64_t total = 0;
        if (vcpu_count() > 1)
            monitor_line("CPU %u", i);
        for (unsigned kind = 0; kind < HV_EXIT_KINDS; kind++) {
            total += v->exits[kind];
            if (v->exits[kind])
                monitor_line("%-24s %10llu", hv_exit_name((enum hv_exit_kind)kind),
                             U(v->exits[kind]));
        }
        monitor_line("%-24s %10llu", "total", U(total));
        monitor_line("%-24s %10llu", "hidden memory touched", U(v->hidden_accesses));
        if (v->apic_writes)
            monitor_line("%-24s %10llu", "apic writes", U(v->apic_writes));
    }
    struct park_skew skew = park_skew();
    uint64_t ticks = HV_MAX(tsc_hz() / 1000000, 1ULL); /* in a microsecond */
    if (vcpu_count() > 1)
        monitor_line("all stood %llu us after the first was to stop; at most %llu us",
                     U(skew.last / ticks), U(skew.max / ticks));
}

bool monitor_exits(const char *rest)
{
    bool reset = monitor_take(&rest, "reset");

    if (!monitor_at_end(rest))
        return false;
    if (!reset) {
        print_exits();
        return true;
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        memset(vcpu_get(i)->exits, 0, sizeof(vcpu_get(i)->exits));
        vcpu_get(i)->apic_writes = 0;
    }
    park_skew_reset();
    monitor_line("exit counts are zero");
    return true;
}
