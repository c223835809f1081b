/*
 * What single-stepping one instruction by RFLAGS.TF needs, so that the guest never sees our TF.
 * Pure: a decoded instruction goes in, a plan comes out; whoever steps carries it out.
 *
 * The frame around it: exceptions the stepped instruction raises are intercepted and injected again
 * with TF taken out; so are INT n, INT3, INTO and ICEBP. What is left are instructions that read or
 * write TF themselves, or whose trap comes late or never.
 */
#ifndef ARCH_X86_STEP_PLAN_H
#define ARCH_X86_STEP_PLAN_H

#include "arch/x86/decode.h"
#include "hv/types.h"

enum step_class {
    STEP_PLAIN,          /* neither reads nor writes TF, traps when done */
    STEP_PUSHF,          /* our TF lands on the guest's stack */
    STEP_POPF,           /* TF comes from the guest's stack */
    STEP_IRET,           /* the same; with NT set (outside long mode) a task switch */
    STEP_RSM,            /* TF comes from the SMM save area */
    STEP_INT_N,          /* CD ib; INT 3 so encoded is vector 3 here, not STEP_INT3 */
    STEP_INT3,           /* CC */
    STEP_INTO,           /* CE */
    STEP_ICEBP,          /* F1 */
    STEP_STI,            /* interrupt shadow: the trap may come one instruction late */
    STEP_MOV_SS,         /* MOV SS, POP SS: the trap does come one instruction late. LSS is none */
    STEP_HLT,            /* sleeps, the trap is lost */
    STEP_MWAIT,          /* MWAIT, MWAITX: the same */
    STEP_SYSCALL,        /* long mode: TF goes to R11, and by SFMASK out of RFLAGS (no trap then) */
    STEP_SYSCALL_LEGACY, /* outside long mode: R11 and TF stay */
    STEP_SYSRET,         /* long mode: TF comes from R11 */
    STEP_SYSRET_LEGACY,  /* outside long mode: TF stays */
    STEP_SYSENTER,       /* TF stays set in the handler */
    STEP_SYSEXIT,        /* TF stays */
    STEP_REP_STRING,     /* traps after each iteration, RIP on the instruction until the last */
    STEP_WRMSR,          /* WRMSR, WRMSRNS: may make TF a trap on branches only */
    STEP_FAR,            /* far CALL, JMP, RET: other mode, call gate or task switch */
    /* A task switch moves TF through both TSSs: intercept it, no repair here covers it. */
};

struct step_plan {
    enum step_class kind;
    uint8_t length; /* bytes of the instruction */
    uint8_t vector; /* of STEP_INT_N, STEP_INT3, STEP_INTO, STEP_ICEBP; else 0 */

    /* PUSHF: bytes of the flags image at the top of the stack afterwards (2, 4, 8); else 0. */
    uint8_t image_size;

    bool jumps; /* goes elsewhere without a condition, if only behind itself */

    bool wide;       /* SYSRET: to 64-bit code, by all of RCX */
    bool repair_r11; /* put step_repair_image() of R11 into R11 afterwards */

    /* Where the trap can be late or lost, and a debug-register breakpoint has to help. */
    bool guard_next;   /* on the instruction behind this one */
    bool guard_target; /* on where it goes: LSTAR, CSTAR or STAR; SYSRET: RCX, for its trap is
                          decided by the TF it loads */
};

/* long_mode: EFER.LMA, 64-bit and compatibility mode alike. insn: as x86_decode() gave it. */
struct step_plan step_plan_make(const struct x86_insn *insn, bool long_mode);

/* The class alone. */
enum step_class step_classify(const struct x86_insn *insn, bool long_mode);

/* Bytes that PUSHF, POPF or IRET move for RFLAGS (APM vol. 3, "PUSHF", "IRET"): 2, 4, 8. */
unsigned step_flags_size(const struct x86_insn *insn);

/*
 * Whether the instruction was a branch for IA32_DEBUGCTL.BTF. moved: how far it moved RIP on.
 */
bool step_branched(const struct step_plan *plan, uint64_t moved);

/*
 * The guest's RFLAGS after the step. flags_before: the guest's own before it, its own TF and not
 * ours; flags_after: as the processor left them, stepped with TF set. Where the instruction loads
 * TF, the loaded one is the guest's; elsewhere it keeps its own, unless the instruction cleared TF.
 */
uint64_t step_repair_flags(enum step_class kind, uint64_t flags_before, uint64_t flags_after);

/*
 * Whether the guest's own TF traps behind the instruction (if BTF lets it). flags_after: repaired.
 * SYSCALL and SYSRET are judged by the TF that they leave, others by the one they began with; MOV
 * SS puts the trap off behind the next.
 */
bool step_traps(enum step_class kind, uint64_t flags_before, uint64_t flags_after);

/* A copy of RFLAGS that the instruction made (PUSHF's image, R11) with the guest's own TF in it. */
uint64_t step_repair_image(uint64_t image, uint64_t flags_before);

#endif
