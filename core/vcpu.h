/* A CPU of the guest: its registers and what core knows of it. */
#ifndef CORE_VCPU_H
#define CORE_VCPU_H

#include "core/exit.h"
#include "hv/types.h"

enum hv_gpr {
    GPR_RAX,
    GPR_RCX,
    GPR_RDX,
    GPR_RBX,
    GPR_RSP,
    GPR_RBP,
    GPR_RSI,
    GPR_RDI,
    GPR_R8,
    GPR_R9,
    GPR_R10,
    GPR_R11,
    GPR_R12,
    GPR_R13,
    GPR_R14,
    GPR_R15,
    GPR_COUNT
};

/* The order of the processor's segment numbers, then the two system ones. */
enum hv_segment_name {
    SEG_ES,
    SEG_CS,
    SEG_SS,
    SEG_DS,
    SEG_FS,
    SEG_GS,
    SEG_LDTR,
    SEG_TR,
    SEG_COUNT
};

struct hv_segment {
    uint16_t selector;
    /* Bits 40-47 of a descriptor in bits 0-7 (type, S, DPL, P), its bits 52-55 in 8-11 (AVL L D G).
     */
    uint16_t attributes;
    uint32_t limit; /* bytes */
    uint64_t base;
};

enum {
    SEG_ATTR_DPL_SHIFT = 5,
    SEG_ATTR_PRESENT = 1 << 7,
    SEG_ATTR_LONG = 1 << 9,
    SEG_ATTR_DB = 1 << 10,
    SEG_ATTR_GRANULAR = 1 << 11,
};

struct hv_table {
    uint64_t base;
    uint16_t limit;
};

/* Registers are fetched from the backend by group, on demand. */
enum hv_reg_group {
    REGS_SEGMENTS = 1 << 0,
    REGS_TABLES = 1 << 1,
    REGS_CONTROL = 1 << 2, /* CR0, 2, 3, 4, 8, EFER */
    REGS_SYSCALL = 1 << 3, /* STAR ... SYSENTER_*, KERNEL_GS_BASE */
    REGS_ALL = 15,         /* what a reset of the CPU sets */
    REGS_PAT = 1 << 4,     /* and what it keeps */
};

/* gpr, rip and rflags are always valid; the rest by vcpu_need() and vcpu_change(). */
struct hv_regs {
    uint64_t gpr[GPR_COUNT];
    uint64_t rip, rflags;
    struct hv_segment seg[SEG_COUNT];
    struct hv_table gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat;
};

/* The guest's own debug registers: what it reads back, whatever is live. */
struct hv_debug_regs {
    uint64_t dr[4], dr6, dr7;
    uint64_t debugctl; /* IA32_DEBUGCTL; 0 and not loaded where the processor does not switch it */
};

enum hv_event_type {
    HV_EVENT_NONE,
    HV_EVENT_EXTERNAL,
    HV_EVENT_NMI,
    HV_EVENT_EXCEPTION,
    HV_EVENT_SOFT
};

/* An event to deliver at the next entry. */
struct hv_event {
    enum hv_event_type type;
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint8_t insn_length; /* SOFT: the instruction's; RIP still points to it */
};

/* How far to run. */
enum hv_run_mode {
    RUN_FREE,         /* until something that is trapped */
    RUN_STEP,         /* one instruction under TF, device interrupts held */
    RUN_TO_FETCH,     /* deliver the pending event and stop before the next instruction's fetch */
    RUN_TO_INTERRUPT, /* the same, and take a device interrupt that is due in its place */
    RUN_HALTED, /* as RUN_FREE, but HLT is not trapped and a device interrupt ends it untaken */
};

/* Ends in front of an instruction's fetch: nothing of the guest's memory is executable. */
static inline bool run_stops_at_fetch(enum hv_run_mode mode)
{
    return mode == RUN_TO_FETCH || mode == RUN_TO_INTERRUPT;
}

/* What is trapped beyond what is always trapped; more while stepping. */
enum hv_trap {
    TRAP_DEBUG = 1 << 0,      /* #DB */
    TRAP_BREAKPOINT = 1 << 1, /* #BP by INT3 */
    TRAP_DR_READS = 1 << 2,   /* MOV from DR (MOV to DR always is) */
    TRAP_IRET = 1 << 3,
    TRAP_STEP = 1 << 4, /* all exceptions, INT n, INT1, HLT, MWAIT: for RUN_STEP */
    /* What debug wants to see before it is carried out (core/handle.h); off while v->passing. */
    TRAP_CR0_WRITES = 1 << 5, /* MOV, LMSW, CLTS; where the processor can, of the same value too */
    TRAP_CR3_WRITES = 1 << 6,
    TRAP_CR4_WRITES = 1 << 7,
    TRAP_SOFT_INT = 1 << 8, /* INT n, where the processor can */
    TRAP_WATCHED = 1 << 9,  /* what core/policy.h and io_policy.h watch */
    TRAP_HLT = 1 << 10,
    TRAP_SEEN = TRAP_CR0_WRITES | TRAP_CR3_WRITES | TRAP_CR4_WRITES | TRAP_SOFT_INT | TRAP_WATCHED |
                TRAP_HLT,
};

struct vcpu {
    unsigned number;
    struct hv_regs regs;
    unsigned valid;   /* groups of regs that are fetched */
    unsigned changed; /* groups of regs to commit at the next entry */

    struct hv_debug_regs debug_regs; /* the guest's own */
    uint64_t live_dr[4], live_dr7;   /* what the processor gets while the guest runs */
    bool dr_dirty;                   /* live_* (or debug_regs.dr6) changed since the last entry */

    struct hv_event event; /* to deliver at the next entry */
    bool nmi_pending;      /* an NMI of the guest's waits for its turn */
    bool nmi_blocked;      /* the guest is in its NMI handler (until IRET) */
    bool interrupt_shadow; /* after STI or MOV SS; as of the last exit, and for the next entry */

    unsigned traps;      /* enum hv_trap, as debug wants them */
    unsigned core_traps; /* and as core does */
    uint32_t watch_hits; /* of core/watch_pages.h: what the last step touched, for debug to take */

    uint32_t exceptions; /* bit n: exception n, as debug wants to see them; off while passing */
    bool passing;        /* debug has seen the instruction at RIP: it is carried out */

    bool noticed; /* a device of ours (core/io_policy.h) has to be looked at; debug/ clears it */
    bool refused; /* the last exit was a refused state, see handle.c */

    uint64_t exits[HV_EXIT_KINDS];
    uint64_t apic_writes;     /* to the local APIC's guarded page */
    uint64_t hidden_accesses; /* attempts on the hypervisor's memory */
};

/* The CPU of that number; NULL behind the last. */
struct vcpu *vcpu_get(unsigned number);
unsigned vcpu_count(void);
/* Once, before more than CPU 0 is there: 1 to HV_MAX_CPUS. */
void vcpu_set_count(unsigned count);

/* Makes the groups' registers valid. */
void vcpu_need(struct vcpu *v, unsigned groups);
/* The same, and notes that the caller changes them. */
void vcpu_change(struct vcpu *v, unsigned groups);

/* The state of a CPU after power-on (SDM vol. 3, "Processor State After Reset"). */
void vcpu_reset(struct vcpu *v);

/*
 * The same after INIT: the MSRs of SYSCALL and SYSENTER and CR0's cache bits stay. signature: what
 * EDX holds then, CPUID.1:EAX.
 */
void vcpu_init(struct vcpu *v, uint32_t signature);

/* From there to what a start-up interrupt makes of it: real mode at vector << 12. */
void vcpu_start(struct vcpu *v, uint8_t vector);

/* 16, 32 or 64: the width of the code that runs. */
unsigned vcpu_code_bits(struct vcpu *v);
/* The current privilege level. */
unsigned vcpu_cpl(struct vcpu *v);
/* CS.base + RIP, as the instruction fetch computes it. */
gva_t vcpu_linear_rip(struct vcpu *v);

/* The bits of RSP and RBP that PUSH, POP and LEAVE use: the width of the stack. */
uint64_t vcpu_stack_mask(struct vcpu *v);
/* SS.base + RSP, as PUSH and POP compute it. */
gva_t vcpu_linear_rsp(struct vcpu *v);

/* RIP moved on by length, wrapped as the mode does; ends the interrupt shadow. */
void vcpu_skip(struct vcpu *v, unsigned length);

/*
 * An exception for the guest at the next entry (replaces what was pending: the caller's duty), with
 * what the processor's own does besides: a fault sets RF in its frame, #DB ends BTF and LBR.
 */
void vcpu_raise(struct vcpu *v, uint8_t vector);
void vcpu_raise_error(struct vcpu *v, uint8_t vector, uint32_t error);

/* INT n, INT3 or INTO at RIP, of this length. */
void vcpu_raise_soft(struct vcpu *v, uint8_t vector, uint8_t length);

/*
 * Whether the guest's own TF owes it a #DB behind an instruction that it began with these RFLAGS.
 * branched: it went somewhere else (with BTF only such an instruction traps).
 */
bool vcpu_owes_step(const struct vcpu *v, uint64_t rflags, bool branched);
/* That #DB. */
void vcpu_raise_step(struct vcpu *v);

/* What is trapped now in a run of this mode: enum hv_trap, and bit n for exception n. */
unsigned vcpu_traps(const struct vcpu *v, bool by_trap_flag);
uint32_t vcpu_exceptions(const struct vcpu *v, unsigned traps);

/* A word for people: "real mode", "64-bit" ... */
const char *vcpu_mode_name(struct vcpu *v);

#endif
