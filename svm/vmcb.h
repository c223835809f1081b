/*
 * The virtual machine control block. APM vol. 2, appendix "Layout of VMCB", and chapter "Secure
 * Virtual Machine".
 */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include "hv/compiler.h"
#include "hv/types.h"

/* Intercept vector 3, at 00Ch. */
enum svm_intercept3 {
    SVM_INTERCEPT_INTR = 1 << 0,
    SVM_INTERCEPT_NMI = 1 << 1,
    SVM_INTERCEPT_PUSHF = 1 << 16,
    SVM_INTERCEPT_CPUID = 1 << 18,
    SVM_INTERCEPT_IRET = 1 << 20,
    SVM_INTERCEPT_INTN = 1 << 21,
    SVM_INTERCEPT_INVD = 1 << 22,
    SVM_INTERCEPT_HLT = 1 << 24,
    SVM_INTERCEPT_INVLPGA = 1 << 26,
    SVM_INTERCEPT_IOIO = 1 << 27,
    SVM_INTERCEPT_MSR = 1 << 28,
    SVM_INTERCEPT_TASK_SWITCH = 1 << 29,
    SVM_INTERCEPT_SHUTDOWN = (int)(1U << 31),
};

/* Intercept vector 4, at 010h. */
enum svm_intercept4 {
    SVM_INTERCEPT_VMRUN = 1 << 0,
    SVM_INTERCEPT_VMMCALL = 1 << 1,
    SVM_INTERCEPT_VMLOAD = 1 << 2,
    SVM_INTERCEPT_VMSAVE = 1 << 3,
    SVM_INTERCEPT_STGI = 1 << 4,
    SVM_INTERCEPT_CLGI = 1 << 5,
    SVM_INTERCEPT_SKINIT = 1 << 6,
    SVM_INTERCEPT_ICEBP = 1 << 8,
    SVM_INTERCEPT_MWAIT = 1 << 11,
};

enum svm_tlb_control { SVM_TLB_KEEP = 0, SVM_TLB_FLUSH_ALL = 1, SVM_TLB_FLUSH_ASID = 3 };

#define SVM_V_TPR_MASK     0xffULL
#define SVM_V_INTR_MASKING (1ULL << 24)

/* VMCB clean bits ("VMCB Clean Field"): set when unchanged since the last exit. */
enum svm_clean {
    SVM_CLEAN_INTERCEPTS = 1 << 0,
    SVM_CLEAN_IOPM = 1 << 1,
    SVM_CLEAN_ASID = 1 << 2,
    SVM_CLEAN_TPR = 1 << 3,
    SVM_CLEAN_NP = 1 << 4,
    SVM_CLEAN_CR = 1 << 5,
    SVM_CLEAN_DR = 1 << 6,
    SVM_CLEAN_DT = 1 << 7,
    SVM_CLEAN_SEG = 1 << 8,
    SVM_CLEAN_CR2 = 1 << 9,
    SVM_CLEAN_LBR = 1 << 10,
    SVM_CLEAN_ALL = (1 << 11) - 1,
};

/* EVENTINJ and EXITINTINFO ("Event Injection"). */
#define SVM_EVENT_VALID (1ULL << 31)
#define SVM_EVENT_ERROR (1ULL << 11)
enum svm_event_type {
    SVM_EVENT_INTR = 0,
    SVM_EVENT_NMI = 2,
    SVM_EVENT_EXCEPTION = 3,
    SVM_EVENT_SOFT = 4
};

/* Exit codes: appendix "SVM Intercept Exit Codes". */
enum svm_exit_code {
    SVM_EXIT_CR_WRITE = 0x10,
    SVM_EXIT_DR_READ = 0x20,
    SVM_EXIT_DR_WRITE = 0x30,
    SVM_EXIT_EXCEPTION = 0x40,
    SVM_EXIT_INTR = 0x60,
    SVM_EXIT_NMI = 0x61,
    SVM_EXIT_CPUID = 0x72,
    SVM_EXIT_IRET = 0x74,
    SVM_EXIT_SWINT = 0x75,
    SVM_EXIT_INVD = 0x76,
    SVM_EXIT_HLT = 0x78,
    SVM_EXIT_INVLPGA = 0x7a,
    SVM_EXIT_IOIO = 0x7b,
    SVM_EXIT_MSR = 0x7c,
    SVM_EXIT_TASK_SWITCH = 0x7d,
    SVM_EXIT_SHUTDOWN = 0x7f,
    SVM_EXIT_VMRUN = 0x80,
    SVM_EXIT_SKINIT = 0x86,
    SVM_EXIT_ICEBP = 0x88,
    SVM_EXIT_MWAIT = 0x8b,
    SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID UINT32_MAX /* its low half: not all write the high one */

/* EXITINFO1 of a nested page fault ("Nested versus Guest Page Faults"). */
enum svm_npf { SVM_NPF_PRESENT = 1, SVM_NPF_WRITE = 2, SVM_NPF_FETCH = 16 };

/* EXITINFO2 of a task switch ("Task Switch Intercept"). */
#define SVM_TASK_IRET (1ULL << 36)
#define SVM_TASK_JMP  (1ULL << 38)

struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb_control {
    uint16_t cr_reads, cr_writes, dr_reads, dr_writes;
    uint32_t exceptions, intercept3, intercept4, intercept5;
    uint8_t reserved1[0x40 - 0x18];
    uint64_t iopm_base, msrpm_base, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved2[3];
    uint64_t interrupt_control; /* V_TPR, V_IRQ, V_INTR_MASKING ... */
    uint64_t interrupt_shadow;  /* bit 0 */
    uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
    uint64_t nested_control; /* bit 0: NP_ENABLE */
    uint8_t reserved3[0xa8 - 0x98];
    uint64_t event_injection;
    uint64_t nested_cr3;
    uint64_t lbr_control;
    uint32_t clean, reserved4;
    uint64_t next_rip;
    uint8_t reserved5[0x400 - 0xd0];
};

struct vmcb_save {
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved1[0xcb - 0xa0];
    uint8_t cpl;
    uint32_t reserved2;
    uint64_t efer;
    uint8_t reserved3[0x148 - 0xd8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved4[0x1d8 - 0x180];
    uint64_t rsp;
    uint8_t reserved5[0x1f8 - 0x1e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved6[0x268 - 0x248];
    uint64_t pat, debug_control;
    uint8_t reserved7[0xc00 - 0x278];
};

struct vmcb {
    struct vmcb_control control;
    struct vmcb_save save;
};

HV_ASSERT_OFFSET(struct vmcb, control.exceptions, 0x008);
HV_ASSERT_OFFSET(struct vmcb, control.intercept3, 0x00c);
HV_ASSERT_OFFSET(struct vmcb, control.intercept4, 0x010);
HV_ASSERT_OFFSET(struct vmcb, control.iopm_base, 0x040);
HV_ASSERT_OFFSET(struct vmcb, control.msrpm_base, 0x048);
HV_ASSERT_OFFSET(struct vmcb, control.tsc_offset, 0x050);
HV_ASSERT_OFFSET(struct vmcb, control.asid, 0x058);
HV_ASSERT_OFFSET(struct vmcb, control.tlb_control, 0x05c);
HV_ASSERT_OFFSET(struct vmcb, control.interrupt_control, 0x060);
HV_ASSERT_OFFSET(struct vmcb, control.interrupt_shadow, 0x068);
HV_ASSERT_OFFSET(struct vmcb, control.exit_code, 0x070);
HV_ASSERT_OFFSET(struct vmcb, control.exit_info1, 0x078);
HV_ASSERT_OFFSET(struct vmcb, control.exit_info2, 0x080);
HV_ASSERT_OFFSET(struct vmcb, control.exit_int_info, 0x088);
HV_ASSERT_OFFSET(struct vmcb, control.nested_control, 0x090);
HV_ASSERT_OFFSET(struct vmcb, control.event_injection, 0x0a8);
HV_ASSERT_OFFSET(struct vmcb, control.nested_cr3, 0x0b0);
HV_ASSERT_OFFSET(struct vmcb, control.lbr_control, 0x0b8);
HV_ASSERT_OFFSET(struct vmcb, control.clean, 0x0c0);
HV_ASSERT_OFFSET(struct vmcb, control.next_rip, 0x0c8);
HV_ASSERT_OFFSET(struct vmcb, save.es, 0x400);
HV_ASSERT_OFFSET(struct vmcb, save.gdtr, 0x460);
HV_ASSERT_OFFSET(struct vmcb, save.ldtr, 0x470);
HV_ASSERT_OFFSET(struct vmcb, save.idtr, 0x480);
HV_ASSERT_OFFSET(struct vmcb, save.tr, 0x490);
HV_ASSERT_OFFSET(struct vmcb, save.cpl, 0x4cb);
HV_ASSERT_OFFSET(struct vmcb, save.efer, 0x4d0);
HV_ASSERT_OFFSET(struct vmcb, save.cr4, 0x548);
HV_ASSERT_OFFSET(struct vmcb, save.cr3, 0x550);
HV_ASSERT_OFFSET(struct vmcb, save.cr0, 0x558);
HV_ASSERT_OFFSET(struct vmcb, save.dr7, 0x560);
HV_ASSERT_OFFSET(struct vmcb, save.dr6, 0x568);
HV_ASSERT_OFFSET(struct vmcb, save.rflags, 0x570);
HV_ASSERT_OFFSET(struct vmcb, save.rip, 0x578);
HV_ASSERT_OFFSET(struct vmcb, save.rsp, 0x5d8);
HV_ASSERT_OFFSET(struct vmcb, save.rax, 0x5f8);
HV_ASSERT_OFFSET(struct vmcb, save.star, 0x600);
HV_ASSERT_OFFSET(struct vmcb, save.kernel_gs_base, 0x620);
HV_ASSERT_OFFSET(struct vmcb, save.sysenter_eip, 0x638);
HV_ASSERT_OFFSET(struct vmcb, save.cr2, 0x640);
HV_ASSERT_OFFSET(struct vmcb, save.pat, 0x668);
HV_ASSERT_OFFSET(struct vmcb, save.debug_control, 0x670);
HV_ASSERT_SIZE(struct vmcb, 4096);

#endif
