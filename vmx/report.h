/*
 * A report for people of an entry that failed, or of the last exit: what the processor says, in
 * words; which of its checks failed (vmx/check.h); the raw fields.
 */
#ifndef VMX_REPORT_H
#define VMX_REPORT_H

#include "vmx/exit.h"
#include "vmx/features.h"

typedef void (*vmx_line_fn)(const char *text);

/* By lines, from the current VMCS. exit: as the entry left it, see VMX_REASON_NO_ENTRY. */
void vmx_report(const struct vmx_raw_exit *exit, const struct vmx_features *can, vmx_line_fn line);

/*
 * A VMX abort is an exit that the processor cannot finish: it writes a number into the VMCS region
 * and shuts down, until the machine is reset. So no CPU ever reads its own. What this shows is the
 * abort of another CPU, which seems to hang otherwise; a reader of memory from outside finds the
 * number in the same place. Nothing shows here when the reset came first. No line when there was
 * none. region: of CPU `cpu`, any CPU may read it.
 */
void vmx_report_abort(unsigned cpu, const uint8_t *region, vmx_line_fn line);

/* Empties the indicator, before the region is used. */
void vmx_abort_clear(uint8_t *region);

#endif
