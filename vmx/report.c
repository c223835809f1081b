#include "vmx/report.h"

#include "arch/x86/insn.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "vmx/check.h"
#include "vmx/fields.h"
#include "vmx/reasons.h"
#include "vmx/vmcs.h"

enum { LINE = 160, ABORT_OFFSET = 4 };

#define U(x) ((unsigned long long)(x))

static void report_reason(const struct vmx_raw_exit *exit, vmx_line_fn line)
{
    unsigned reason = exit->reason & VMX_REASON_MASK;
    char text[LINE];

    if (exit->reason == VMX_REASON_NO_ENTRY) {
        fmt_print(text, sizeof(text), "VM entry refused: error %llu, %s", U(exit->qualification),
                  vmx_insn_error_text(exit->qualification));
    } else if (exit->reason & VMX_REASON_NO_ENTRY) {
        const char *more = vmx_entry_failure_text(reason, exit->qualification);
        fmt_print(text, sizeof(text), "VM entry failed: reason %u, %s; qualification %llu%s%s",
                  reason, vmx_reason_text(reason), U(exit->qualification), *more ? ", " : "", more);
    } else {
        fmt_print(text, sizeof(text), "VM exit: reason %u, %s", reason, vmx_reason_text(reason));
    }
    line(text);
}

static void report_faults(const struct vmx_fields *fields, const struct vmx_features *can,
                          vmx_line_fn line)
{
    struct vmx_faults faults;
    char text[LINE];

    vmx_check_entry(&faults, fields, can);
    for (unsigned i = 0; i < HV_MIN(faults.count, (unsigned)VMX_FAULTS_KEPT); i++) {
        vmx_fault_text(&faults.fault[i], text, sizeof(text));
        line(text);
    }
    if (faults.count > VMX_FAULTS_KEPT) {
        fmt_print(text, sizeof(text), "and %u more", faults.count - VMX_FAULTS_KEPT);
        line(text);
    }
    if (!faults.count)
        line("no check of ours explains it");
}

static void report_raw(const struct vmx_raw_exit *exit, const struct vmx_fields *fields,
                       vmx_line_fn line)
{
    const struct vmx_guest_fields *g = &fields->guest;
    const struct vmx_control_fields *c = &fields->control;
    char text[LINE];

    fmt_print(text, sizeof(text),
              "exit reason %x qualification %llx event %x vectoring %x  to deliver %x",
              (unsigned)exit->reason, U(exit->qualification), (unsigned)exit->event,
              (unsigned)vmread(VMCS_VECTORING_EVENT), (unsigned)c->event);
    line(text);
    fmt_print(text, sizeof(text), "cr0 %llx cr3 %llx cr4 %llx efer %llx rip %llx rflags %llx",
              U(g->cr0), U(g->cr3), U(g->cr4), U(g->efer), U(g->rip), U(g->rflags));
    line(text);
    fmt_print(text, sizeof(text),
              "cs %x base %llx rights %x  ss rights %x  tr rights %x  blocked %x  pending %llx",
              (unsigned)g->seg[SEG_CS].selector, U(g->seg[SEG_CS].base),
              (unsigned)g->seg[SEG_CS].rights, (unsigned)g->seg[SEG_SS].rights,
              (unsigned)g->seg[SEG_TR].rights, (unsigned)g->interruptibility, U(g->pending_debug));
    line(text);
    fmt_print(text, sizeof(text), "controls: pin %x processor %x, %x exit %x entry %x",
              (unsigned)c->pin, (unsigned)c->cpu, (unsigned)c->cpu2, (unsigned)c->exit,
              (unsigned)c->entry);
    line(text);
}

void vmx_report(const struct vmx_raw_exit *exit, const struct vmx_features *can, vmx_line_fn line)
{
    struct vmx_fields fields;

    vmx_fields_read(&fields);
    report_reason(exit, line);
    if (exit->reason & VMX_REASON_NO_ENTRY)
        report_faults(&fields, can, line);
    report_raw(exit, &fields, line);
}

void vmx_report_abort(unsigned cpu, const uint8_t *region, vmx_line_fn line)
{
    uint32_t indicator;
    char text[LINE];

    memcpy(&indicator, region + ABORT_OFFSET, sizeof(indicator));
    if (!indicator)
        return;
    fmt_print(text, sizeof(text), "CPU %u: VMX abort %u, %s: it is shut down until a reset", cpu,
              (unsigned)indicator, vmx_abort_text(indicator));
    line(text);
}

void vmx_abort_clear(uint8_t *region)
{
    memset(region + ABORT_OFFSET, 0, sizeof(uint32_t));
}
