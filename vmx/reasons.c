#include "vmx/reasons.h"

#include "hv/compiler.h"
#include "vmx/vmcs.h"

static const char not_known[] = "not known";

static const char *word(const char *const *words, size_t count, uint64_t number)
{
    return number < count && words[number] ? words[number] : not_known;
}

static const char *const reasons[] = {
    [VMX_REASON_EVENT] = "exception or NMI",
    [VMX_REASON_EXTERNAL] = "external interrupt",
    [VMX_REASON_TRIPLE_FAULT] = "triple fault",
    [VMX_REASON_INIT] = "INIT",
    [VMX_REASON_STARTUP] = "start-up IPI",
    [5] = "SMI behind an I/O instruction",
    [6] = "SMI",
    [7] = "interrupt window",
    [VMX_REASON_NMI_WINDOW] = "NMI window",
    [VMX_REASON_TASK_SWITCH] = "task switch",
    [VMX_REASON_CPUID] = "CPUID",
    [VMX_REASON_GETSEC] = "GETSEC",
    [VMX_REASON_HLT] = "HLT",
    [VMX_REASON_INVD] = "INVD",
    [14] = "INVLPG",
    [15] = "RDPMC",
    [16] = "RDTSC",
    [17] = "RSM",
    [VMX_REASON_VMCALL] = "VMCALL",
    [19] = "VMCLEAR",
    [20] = "VMLAUNCH",
    [21] = "VMPTRLD",
    [22] = "VMPTRST",
    [23] = "VMREAD",
    [24] = "VMRESUME",
    [25] = "VMWRITE",
    [26] = "VMXOFF",
    [VMX_REASON_VMXON] = "VMXON",
    [VMX_REASON_CR] = "access to a control register",
    [VMX_REASON_DR] = "access to a debug register",
    [VMX_REASON_IO] = "I/O instruction",
    [VMX_REASON_RDMSR] = "RDMSR",
    [VMX_REASON_WRMSR] = "WRMSR",
    [VMX_REASON_BAD_STATE] = "the guest's state is not valid",
    [VMX_REASON_BAD_MSR] = "an MSR could not be loaded",
    [VMX_REASON_MWAIT] = "MWAIT",
    [VMX_REASON_MTF] = "monitor trap flag",
    [39] = "MONITOR",
    [40] = "PAUSE",
    [VMX_REASON_MACHINE_CHECK] = "a machine check came in the entry",
    [43] = "TPR below threshold",
    [44] = "access to the APIC page",
    [45] = "virtualized EOI",
    [46] = "access to GDTR or IDTR",
    [47] = "access to LDTR or TR",
    [VMX_REASON_EPT_VIOLATION] = "EPT violation",
    [VMX_REASON_EPT_MISCONFIGURED] = "EPT misconfiguration",
    [VMX_REASON_INVEPT] = "INVEPT",
    [51] = "RDTSCP",
    [52] = "preemption timer",
    [VMX_REASON_INVVPID] = "INVVPID",
    [54] = "WBINVD",
    [VMX_REASON_XSETBV] = "XSETBV",
    [56] = "write to the APIC page",
    [57] = "RDRAND",
    [58] = "INVPCID",
    [59] = "VMFUNC",
    [60] = "ENCLS",
    [61] = "RDSEED",
    [62] = "page-modification log full",
    [63] = "XSAVES",
    [64] = "XRSTORS",
    [67] = "UMWAIT",
    [68] = "TPAUSE",
    [74] = "bus lock",
    [75] = "notification",
};

const char *vmx_reason_text(uint32_t reason)
{
    return word(reasons, HV_ARRAY_SIZE(reasons), reason);
}

const char *vmx_insn_error_text(uint64_t error)
{
    static const char *const words[] = {
        [0] = "there is no current VMCS",
        [1] = "VMCALL in root operation",
        [2] = "VMCLEAR of an address that is not valid",
        [3] = "VMCLEAR of the VMXON region",
        [4] = "VMLAUNCH of a VMCS that is launched already",
        [5] = "VMRESUME of a VMCS that is not launched",
        [6] = "VMRESUME behind a VMXOFF",
        [7] = "a control field is not valid",
        [8] = "a field of the host's state is not valid",
        [9] = "VMPTRLD of an address that is not valid",
        [10] = "VMPTRLD of the VMXON region",
        [11] = "VMPTRLD of a region with another revision identifier",
        [12] = "VMREAD or VMWRITE of a field this processor does not have",
        [13] = "VMWRITE of a read-only field",
        [15] = "VMXON in root operation",
        [16] = "the executive-VMCS pointer is not valid",
        [17] = "the executive VMCS is not launched",
        [18] = "the executive-VMCS pointer is not the VMXON pointer",
        [19] = "VMCALL to the SMM monitor with a VMCS that is not clear",
        [20] = "VMCALL to the SMM monitor with exit controls that are not valid",
        [22] = "VMCALL to an SMM monitor with another revision identifier",
        [23] = "VMXOFF with an SMM monitor active",
        [24] = "VMCALL to an SMM monitor with features that are not valid",
        [25] = "a control field of the executive VMCS is not valid",
        [26] = "MOV SS blocks events in the host",
        [28] = "an operand of INVEPT or INVVPID is not valid",
    };

    return word(words, HV_ARRAY_SIZE(words), error);
}

const char *vmx_entry_failure_text(uint32_t reason, uint64_t qualification)
{
    static const char *const words[] = {
        [0] = "",
        [2] = "the PDPTEs could not be loaded",
        [3] = "an NMI is to be delivered while STI blocks",
        [4] = "the VMCS link pointer",
    };

    if (reason == VMX_REASON_BAD_STATE)
        return word(words, HV_ARRAY_SIZE(words), qualification);
    if (reason == VMX_REASON_BAD_MSR)
        return "its place in the MSR-load area, from 1";
    return "";
}

const char *vmx_abort_text(uint32_t indicator)
{
    static const char *const words[] = {
        [0] = "none",
        [1] = "a guest's MSR could not be saved",
        [2] = "the host's PDPTEs are not valid",
        [3] = "the VMCS is corrupt",
        [4] = "a host's MSR could not be loaded",
        [5] = "a machine check came in the exit",
        [6] = "from IA-32e mode into a 32-bit host",
    };

    return word(words, HV_ARRAY_SIZE(words), indicator);
}
