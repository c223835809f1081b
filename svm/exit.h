/* Raw SVM fields to neutral words and back. Pure. */
#ifndef SVM_EXIT_H
#define SVM_EXIT_H

#include "core/vcpu.h"
#include "svm/vmcb.h"

/*
 * The exit that the control area tells. opcode: the byte at the guest's RIP, which alone tells INT3
 * from INT n on processors that report both as INT n (or -1 when it cannot be read).
 */
void svm_exit_decode(const struct vmcb *vmcb, int opcode, struct hv_exit *exit);

/* True when the processor refused the guest's state. */
bool svm_exit_is_invalid(const struct vmcb *vmcb);

/* True when the exit code needs the opcode for svm_exit_decode. */
bool svm_exit_needs_opcode(const struct vmcb *vmcb);

/* EVENTINJ for an event; 0 for none. */
uint64_t svm_event_encode(const struct hv_event *event);

/*
 * The event whose delivery the exit interrupted (EXITINTINFO), to be delivered again; type
 * HV_EVENT_NONE when there was none. Puts right a processor that reports external interrupts and
 * NMIs as exceptions.
 */
struct hv_event svm_event_interrupted(uint64_t exit_int_info);

#endif
