/*
 * Field encodings of the VMCS and the bits of its control fields. SDM vol. 3, appendix "Field
 * Encoding in VMCS" (groups and names are the manual's), and chapter "Virtual Machine Control
 * Structures".
 */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

enum vmcs_field {
    /* 16-bit control fields */
    VMCS_VPID = 0x0000,

    /* 16-bit guest-state fields; each next register is 2 on: ES CS SS DS FS GS LDTR TR */
    VMCS_GUEST_ES_SELECTOR = 0x0800,

    /* 16-bit host-state fields */
    VMCS_HOST_ES_SELECTOR = 0x0c00,
    VMCS_HOST_CS_SELECTOR = 0x0c02,
    VMCS_HOST_SS_SELECTOR = 0x0c04,
    VMCS_HOST_DS_SELECTOR = 0x0c06,
    VMCS_HOST_FS_SELECTOR = 0x0c08,
    VMCS_HOST_GS_SELECTOR = 0x0c0a,
    VMCS_HOST_TR_SELECTOR = 0x0c0c,

    /* 64-bit control fields */
    VMCS_IO_BITMAP_A = 0x2000,
    VMCS_IO_BITMAP_B = 0x2002,
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_EXIT_MSR_STORE_ADDRESS = 0x2006,
    VMCS_EXIT_MSR_LOAD_ADDRESS = 0x2008,
    VMCS_ENTRY_MSR_LOAD_ADDRESS = 0x200a,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_XSS_EXITING_BITMAP = 0x202c,
    VMCS_PCONFIG_EXITING_BITMAP = 0x203e,

    /* 64-bit read-only data fields */
    VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,

    /* 64-bit guest-state fields */
    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_GUEST_PDPTE0 = 0x280a, /* each next is 2 on */

    /* 64-bit host-state fields */
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,

    /* 32-bit control fields */
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_CPU_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PAGE_FAULT_MASK = 0x4006,
    VMCS_PAGE_FAULT_MATCH = 0x4008,
    VMCS_CR3_TARGET_COUNT = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
    VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_EVENT_ERROR = 0x4018,
    VMCS_ENTRY_INSN_LENGTH = 0x401a,
    VMCS_CPU_CONTROLS2 = 0x401e,

    /* 32-bit read-only data fields */
    VMCS_INSN_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_EXIT_EVENT_ERROR = 0x4406,
    VMCS_VECTORING_EVENT = 0x4408,
    VMCS_VECTORING_ERROR = 0x440a,
    VMCS_EXIT_INSN_LENGTH = 0x440c,
    VMCS_EXIT_INSN_INFO = 0x440e,

    /* 32-bit guest-state fields; registers in the order of the selectors */
    VMCS_GUEST_ES_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ES_RIGHTS = 0x4814,
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_GUEST_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,

    /* 32-bit host-state field */
    VMCS_HOST_SYSENTER_CS = 0x4c00,

    /* Natural-width control fields */
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,

    /* Natural-width read-only data fields */
    VMCS_EXIT_QUALIFICATION = 0x6400,
    VMCS_GUEST_LINEAR_ADDRESS = 0x640a,

    /* Natural-width guest-state fields; bases in the order of the selectors */
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_ES_BASE = 0x6806,
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,

    /* Natural-width host-state fields */
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
};

/* Pin-Based VM-Execution Controls */
enum vmx_pin {
    VMX_PIN_EXTERNAL = 1 << 0,
    VMX_PIN_NMI = 1 << 3,
    VMX_PIN_VIRTUAL_NMIS = 1 << 5,
    VMX_PIN_TIMER = 1 << 6,
};

/* Processor-Based VM-Execution Controls: primary */
#define VMX_CPU_HLT        (1U << 7)
#define VMX_CPU_INVLPG     (1U << 9)
#define VMX_CPU_MWAIT      (1U << 10)
#define VMX_CPU_RDPMC      (1U << 11)
#define VMX_CPU_RDTSC      (1U << 12)
#define VMX_CPU_CR3_LOAD   (1U << 15)
#define VMX_CPU_CR3_STORE  (1U << 16)
#define VMX_CPU_CR8_LOAD   (1U << 19)
#define VMX_CPU_CR8_STORE  (1U << 20)
#define VMX_CPU_NMI_WINDOW (1U << 22)
#define VMX_CPU_MOV_DR     (1U << 23)
#define VMX_CPU_IO_ALL     (1U << 24)
#define VMX_CPU_IO_BITMAPS (1U << 25)
#define VMX_CPU_MTF        (1U << 27)
#define VMX_CPU_MSR_BITMAP (1U << 28)
#define VMX_CPU_MONITOR    (1U << 29)
#define VMX_CPU_PAUSE      (1U << 30)
#define VMX_CPU_SECONDARY  (1U << 31)

/* ... secondary */
#define VMX_CPU2_EPT          (1U << 1)
#define VMX_CPU2_RDTSCP       (1U << 3)
#define VMX_CPU2_VPID         (1U << 5)
#define VMX_CPU2_UNRESTRICTED (1U << 7)
#define VMX_CPU2_INVPCID      (1U << 12)
#define VMX_CPU2_XSAVES       (1U << 20)
#define VMX_CPU2_USER_WAIT    (1U << 26)
#define VMX_CPU2_PCONFIG      (1U << 27)

/* VM-Exit Controls */
#define VMX_EXIT_SAVE_DEBUG (1U << 2)
#define VMX_EXIT_HOST_64    (1U << 9)
#define VMX_EXIT_SAVE_PAT   (1U << 18)
#define VMX_EXIT_LOAD_PAT   (1U << 19)
#define VMX_EXIT_SAVE_EFER  (1U << 20)
#define VMX_EXIT_LOAD_EFER  (1U << 21)
#define VMX_EXIT_SAVE_TIMER (1U << 22)

/* VM-Entry Controls */
#define VMX_ENTRY_LOAD_DEBUG (1U << 2)
#define VMX_ENTRY_IA32E      (1U << 9)
#define VMX_ENTRY_SMM        (1U << 10)
#define VMX_ENTRY_END_DUAL   (1U << 11) /* deactivate dual-monitor treatment */
#define VMX_ENTRY_LOAD_PAT   (1U << 14)
#define VMX_ENTRY_LOAD_EFER  (1U << 15)

/* Guest Activity State */
enum vmx_activity { VMX_ACTIVE, VMX_HALTED, VMX_SHUT_DOWN, VMX_WAITS_FOR_SIPI };

/* Guest Interruptibility State */
enum vmx_interruptibility {
    VMX_BLOCKED_STI = 1 << 0,
    VMX_BLOCKED_MOV_SS = 1 << 1,
    VMX_BLOCKED_SMI = 1 << 2,
    VMX_BLOCKED_NMI = 1 << 3,
    VMX_BLOCKED_ENCLAVE = 1 << 4,
};

/* Pending Debug Exceptions */
#define VMX_PENDING_BS          (1ULL << 14)
#define VMX_PENDING_BREAKPOINTS 0x100fULL /* B0-B3, and that one of them was enabled */
#define VMX_PENDING_BLD         (1ULL << 11)
#define VMX_PENDING_RTM         (1ULL << 16)

/* Segment access rights */
enum { VMX_RIGHTS_UNUSABLE = 1 << 16 };

/* Interruption information, of entry, exit and IDT vectoring alike */
#define VMX_EVENT_VALID       (1U << 31)
#define VMX_EVENT_ERROR       (1U << 11)
#define VMX_EVENT_TYPE(info)  ((info) >> 8 & 7)
#define VMX_EVENT_NMI_UNBLOCK (1U << 12) /* exit: NMI unblocking due to IRET */
enum vmx_event_type {
    VMX_EVENT_EXTERNAL = 0,
    VMX_EVENT_NMI = 2,
    VMX_EVENT_HARDWARE = 3,
    VMX_EVENT_SOFT_INT = 4,
    VMX_EVENT_PRIVILEGED = 5, /* INT1 */
    VMX_EVENT_SOFT_EXCEPTION = 6,
    VMX_EVENT_OTHER = 7, /* entry only: a pending MTF exit */
};

/* Basic exit reasons: appendix "VMX Basic Exit Reasons" */
enum vmx_reason {
    VMX_REASON_EVENT = 0,
    VMX_REASON_EXTERNAL = 1,
    VMX_REASON_TRIPLE_FAULT = 2,
    VMX_REASON_INIT = 3,
    VMX_REASON_STARTUP = 4,
    VMX_REASON_NMI_WINDOW = 8,
    VMX_REASON_TASK_SWITCH = 9,
    VMX_REASON_CPUID = 10,
    VMX_REASON_GETSEC = 11,
    VMX_REASON_HLT = 12,
    VMX_REASON_INVD = 13,
    VMX_REASON_VMCALL = 18, /* to VMXON, one each */
    VMX_REASON_VMXON = 27,
    VMX_REASON_CR = 28,
    VMX_REASON_DR = 29,
    VMX_REASON_IO = 30,
    VMX_REASON_RDMSR = 31,
    VMX_REASON_WRMSR = 32,
    VMX_REASON_BAD_STATE = 33,
    VMX_REASON_BAD_MSR = 34,
    VMX_REASON_MWAIT = 36,
    VMX_REASON_MTF = 37,
    VMX_REASON_MACHINE_CHECK = 41,
    VMX_REASON_EPT_VIOLATION = 48,
    VMX_REASON_EPT_MISCONFIGURED = 49,
    VMX_REASON_INVEPT = 50,
    VMX_REASON_INVVPID = 53,
    VMX_REASON_XSETBV = 55,
    VMX_REASON_SEAMCALL = 76,
    VMX_REASON_TDCALL = 77,
};
#define VMX_REASON_MASK 0xffffU
/* Beside a reason: the entry failed. Alone, which no processor says: VMLAUNCH or VMRESUME failed.
 */
#define VMX_REASON_NO_ENTRY (1U << 31)

/* Exit Qualification for EPT Violations */
enum vmx_ept_violation {
    VMX_EPT_WRITE = 1 << 1,
    VMX_EPT_FETCH = 1 << 2,
    VMX_EPT_ALLOWED = 7 << 3, /* what the entry allows: none of it, not present */
    VMX_EPT_NMI_UNBLOCK = 1 << 12,
};

#endif
