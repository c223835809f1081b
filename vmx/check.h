/*
 * The checks a processor makes before it enters a guest, made by us: it tells that one failed, and
 * not which. SDM vol. 3, chapter "VM Entries". Pure.
 *
 * Left out is what gdbvisor never switches on, or what is only found in memory: virtual APIC,
 * posted interrupts, page-modification log, VMCS shadowing, preemption of SMM, CET, PKRS,
 * performance counters, processor trace; the region a link pointer leads to. Such a control shows
 * as its bit in the report.
 */
#ifndef VMX_CHECK_H
#define VMX_CHECK_H

#include "vmx/features.h"
#include "vmx/fields.h"

/* One failed check. All strings are constants. */
struct vmx_fault {
    const char *group; /* "guest", "host ES", ... */
    const char *field; /* "CR4" */
    const char *rule;  /* what is wrong, or what has to be */
    uint64_t value;    /* of the field */
    uint64_t bits;     /* those that are wrong; 0: the value as a whole is */
};

enum { VMX_FAULTS_KEPT = 8 };

struct vmx_faults {
    unsigned count; /* the first VMX_FAULTS_KEPT of them are kept */
    struct vmx_fault fault[VMX_FAULTS_KEPT];
    const char *group; /* of what is checked now */
};

/* Add their faults, in the manual's order. `can`: what this processor allows. */
void vmx_check_controls(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can);
void vmx_check_host(struct vmx_faults *faults, const struct vmx_fields *fields,
                    const struct vmx_features *can);
void vmx_check_guest(struct vmx_faults *faults, const struct vmx_fields *fields,
                     const struct vmx_features *can);

/* All of them; faults is emptied first. */
void vmx_check_entry(struct vmx_faults *faults, const struct vmx_fields *fields,
                     const struct vmx_features *can);

/* "guest CR4 802020: bits this processor does not have (800000)"; returns the length. */
size_t vmx_fault_text(const struct vmx_fault *fault, char *text, size_t size);

/* ---- for the check_*.c ---- */

/* Parts of vmx_check_guest(). */
void vmx_check_segments(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can);
void vmx_check_activity(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can);

/* The rule holds, or is noted. */
void vmx_expect(struct vmx_faults *faults, bool holds, const char *field, uint64_t value,
                const char *rule);

/* None of these bits of the value is set, or the rule is noted with those that are. */
void vmx_expect_clear(struct vmx_faults *faults, uint64_t bits, const char *field, uint64_t value,
                      const char *rule);

/* As IA32_VMX_CR0_FIXED0 and FIXED1 say: all bits of `ones` are 1, none beside `may` is. */
void vmx_expect_fixed(struct vmx_faults *faults, uint64_t ones, uint64_t may, const char *field,
                      uint64_t value);

/* All bits above the processor's linear-address width are as the highest of it. */
void vmx_expect_canonical(struct vmx_faults *faults, const struct vmx_features *can,
                          const char *field, uint64_t address);

/* Each byte of an IA32_PAT value is a memory type. */
void vmx_expect_pat(struct vmx_faults *faults, const char *field, uint64_t value);

/* Bits of a physical address that this processor does not have. */
uint64_t vmx_beyond_memory(const struct vmx_features *can);

/* The guest is in virtual-8086 mode. */
bool vmx_is_v8086(const struct vmx_guest_fields *g);

/* EFER's bits that are defined. */
#define VMX_EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

#endif
