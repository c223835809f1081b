/*
 * Software breakpoints: INT3 bytes in the guest's memory, kept by guest-physical address with the
 * byte that belongs there. Whoever reads through here sees the true bytes.
 */
#ifndef DEBUG_BREAKPOINTS_H
#define DEBUG_BREAKPOINTS_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { BREAKPOINTS_MAX = 1024 };

/*
 * Idempotent both. HV_EFAULT: not mapped, or not memory that can be written; HV_ENOSPC: too many.
 * Removing what is not there is HV_OK. Two addresses of one byte are two breakpoints: the byte goes
 * back with the second.
 */
enum hv_status breakpoints_insert(struct vcpu *v, gva_t address);
enum hv_status breakpoints_remove(struct vcpu *v, gva_t address);
void breakpoints_remove_all(void);
unsigned breakpoints_count(void);

/* True when the INT3 at this linear address of v is ours. */
bool breakpoints_at(struct vcpu *v, gva_t address);

/* Takes the breakpoint at address (there must be one) out for a step, and puts it back. */
void breakpoints_lift(struct vcpu *v, gva_t address);
void breakpoints_drop(struct vcpu *v);

/* Linear memory of v with true bytes under breakpoints. Bytes done. */
size_t breakpoints_read(struct vcpu *v, gva_t address, void *buf, size_t size);
size_t breakpoints_write(struct vcpu *v, gva_t address, const void *buf, size_t size);

#endif
