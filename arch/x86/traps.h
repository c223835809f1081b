/*
 * Traps of the hypervisor itself. None is expected but: NMI (let in on purpose, counted), #DB by a
 * debug register that the processor left armed (ignored), #GP on an MSR that is not there
 * (repaired, see rdmsr_safe). Everything else is a bug and goes to the fatal handler.
 */
#ifndef ARCH_X86_TRAPS_H
#define ARCH_X86_TRAPS_H

#include "hv/types.h"

enum { TRAP_VECTORS = 256 };

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The entries that the IDT points to (traps.asm). */
extern const uint64_t trap_entries[TRAP_VECTORS];

/* Who is told of a trap nobody expects; must not return. */
typedef void (*trap_fatal_fn)(const struct trap_frame *frame, uint64_t cr2);
void traps_set_fatal(trap_fatal_fn handler);

/* NMIs that the host itself has taken on this CPU. */
uint64_t traps_nmi_count(void);

/* This CPU's count itself, for assembly that compares it. */
const uint64_t *traps_nmi_counter(void);

/*
 * An NMI that the host takes with RIP in [start, end) goes on at `to`: for code that must not go on
 * as if none had come. The stack has to be the same all over the window.
 */
enum nmi_window { NMI_WINDOW_ENTER, NMI_WINDOW_WAIT, NMI_WINDOWS };
void traps_set_nmi_window(enum nmi_window window, uint64_t start, uint64_t end, uint64_t to);

/*
 * Halts until this CPU takes an NMI; returns at once when *nmis, its count, is no longer `seen`
 * (traps.asm). NMIs must not be held back.
 */
void traps_wait_nmi(const uint64_t *nmis, uint64_t seen);

/* Lets traps_wait_nmi() be used. Once. */
void traps_init_wait(void);

/* Called by traps.asm. */
void trap_dispatch(struct trap_frame *frame);

#endif
