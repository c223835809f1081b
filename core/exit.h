/*
 * Why a CPU left the guest, in words both vendors share. Backends make these from their raw fields;
 * every switch over the kind names all of them.
 */
#ifndef CORE_EXIT_H
#define CORE_EXIT_H

#include "hv/types.h"

enum hv_exit_kind {
    HV_EXIT_NONE,       /* nothing to do: enter again */
    HV_EXIT_NMI,        /* an NMI is pending in the host */
    HV_EXIT_DEBUG,      /* #DB: debug.dr6; RIP as the processor reports it */
    HV_EXIT_BREAKPOINT, /* INT3 or INTO's kin #BP: RIP at the instruction */
    HV_EXIT_SOFT_INT,   /* INT n: soft_int.vector; RIP at the instruction */
    HV_EXIT_ICEBP,      /* INT1; RIP at the instruction */
    HV_EXIT_EXCEPTION,  /* any other exception that was trapped: exception.* */
    HV_EXIT_CPUID,
    HV_EXIT_MSR_READ, /* msr in the guest's ECX */
    HV_EXIT_MSR_WRITE,
    HV_EXIT_IO, /* io.* */
    HV_EXIT_HLT,
    HV_EXIT_MWAIT,
    HV_EXIT_DR,          /* MOV to or from a debug register */
    HV_EXIT_IRET,        /* about to execute IRET: asked for by the NMI window */
    HV_EXIT_STAGE2,      /* stage-2 fault: stage2.* */
    HV_EXIT_FETCH,       /* RUN_TO_FETCH, RUN_TO_INTERRUPT: about to fetch the instruction at RIP */
    HV_EXIT_STEP,        /* one instruction is done: debug.dr6 has what else it hit */
    HV_EXIT_VIRT_INSN,   /* an instruction of the hidden virtualisation extension */
    HV_EXIT_SHUTDOWN,    /* triple fault */
    HV_EXIT_INIT,        /* an INIT came, and is gone */
    HV_EXIT_TASK_SWITCH, /* a hardware task switch, not done yet: task.* */
    HV_EXIT_INVD,
    HV_EXIT_XSETBV,
    HV_EXIT_CR_WRITE, /* asked for: to CR cr.number, not done yet */
    HV_EXIT_BAD_CR,   /* a MOV to CR with reserved bits: the guest is owed #GP */
    HV_EXIT_INVALID,  /* the processor refused the guest's state: raw.* */
    HV_EXIT_UNKNOWN,  /* not asked for: raw.* */
    HV_EXIT_KINDS
};

/* What switches tasks: an instruction, or an event through a task gate. */
enum hv_task_source { HV_TASK_CALL, HV_TASK_IRET, HV_TASK_JMP, HV_TASK_GATE };

struct hv_exit {
    enum hv_exit_kind kind;
    uint8_t insn_length; /* of the instruction at RIP; 0: not known, decode it */
    union {
        struct {
            uint64_t dr6; /* the causes only, none of the always-set bits */
        } debug;
        struct {
            uint8_t vector;
        } soft_int;
        struct {
            uint8_t vector;
            bool has_error;
            uint32_t error;
            uint64_t address; /* #PF: what CR2 is to become */
        } exception;
        struct {
            uint16_t port;
            uint8_t size; /* 1, 2, 4 bytes */
            bool in;
            bool string;
        } io;
        struct {
            uint8_t number;
        } cr;
        struct {
            uint16_t selector; /* of the new TSS */
            enum hv_task_source source;
        } task;
        struct {
            gpa_t address;
            bool write, execute;
            bool present; /* a protection, not a missing mapping */
        } stage2;
        struct {
            uint64_t code, info1, info2;
        } raw;
    };
};

/* The kind's name for people, as `monitor exits` prints it; a few words at most. */
const char *hv_exit_name(enum hv_exit_kind kind);

#endif
