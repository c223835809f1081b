#include "core/exit.h"

static const char *const names[HV_EXIT_KINDS] = {
    [HV_EXIT_NONE] = "none",
    [HV_EXIT_NMI] = "nmi",
    [HV_EXIT_DEBUG] = "debug exception",
    [HV_EXIT_BREAKPOINT] = "breakpoint",
    [HV_EXIT_SOFT_INT] = "int n",
    [HV_EXIT_ICEBP] = "int1",
    [HV_EXIT_EXCEPTION] = "exception",
    [HV_EXIT_CPUID] = "cpuid",
    [HV_EXIT_MSR_READ] = "rdmsr",
    [HV_EXIT_MSR_WRITE] = "wrmsr",
    [HV_EXIT_IO] = "port i/o",
    [HV_EXIT_HLT] = "hlt",
    [HV_EXIT_MWAIT] = "mwait",
    [HV_EXIT_DR] = "mov dr",
    [HV_EXIT_IRET] = "iret",
    [HV_EXIT_STAGE2] = "stage 2",
    [HV_EXIT_FETCH] = "fetch",
    [HV_EXIT_STEP] = "step",
    [HV_EXIT_VIRT_INSN] = "virtualisation insn",
    [HV_EXIT_SHUTDOWN] = "shutdown",
    [HV_EXIT_INIT] = "init",
    [HV_EXIT_TASK_SWITCH] = "task switch",
    [HV_EXIT_INVD] = "invd",
    [HV_EXIT_XSETBV] = "xsetbv",
    [HV_EXIT_CR_WRITE] = "mov cr",
    [HV_EXIT_BAD_CR] = "bad control register",
    [HV_EXIT_INVALID] = "invalid state",
    [HV_EXIT_UNKNOWN] = "unknown",
};

const char *hv_exit_name(enum hv_exit_kind kind)
{
    return kind < HV_EXIT_KINDS ? names[kind] : "?";
}
