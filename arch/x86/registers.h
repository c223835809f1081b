/*
 * Numbers of the architecture: control, flag, debug and model-specific registers.
 * Names and bits: SDM vol. 3, "Control Registers", "Debug Registers"; APM vol. 2, "MSR
 * Cross-Reference".
 */
#ifndef ARCH_X86_REGISTERS_H
#define ARCH_X86_REGISTERS_H

#define RFLAGS_CF         (1ULL << 0)
#define RFLAGS_ONE        (1ULL << 1) /* always set */
#define RFLAGS_TF         (1ULL << 8)
#define RFLAGS_IF         (1ULL << 9)
#define RFLAGS_DF         (1ULL << 10)
#define RFLAGS_NT         (1ULL << 14)
#define RFLAGS_IOPL_SHIFT 12
#define RFLAGS_RF         (1ULL << 16)
#define RFLAGS_VM         (1ULL << 17)
#define RFLAGS_AC         (1ULL << 18)

#define CR0_PE (1ULL << 0)
#define CR0_MP (1ULL << 1)
#define CR0_EM (1ULL << 2)
#define CR0_TS (1ULL << 3)
#define CR0_ET (1ULL << 4)
#define CR0_NE (1ULL << 5)
#define CR0_WP (1ULL << 16)
#define CR0_NW (1ULL << 29)
#define CR0_CD (1ULL << 30)
#define CR0_PG (1ULL << 31)

#define CR4_DE         (1ULL << 3)
#define CR4_PSE        (1ULL << 4)
#define CR4_PAE        (1ULL << 5)
#define CR4_MCE        (1ULL << 6)
#define CR4_PGE        (1ULL << 7)
#define CR4_OSFXSR     (1ULL << 9)
#define CR4_OSXMMEXCPT (1ULL << 10)
#define CR4_LA57       (1ULL << 12)
#define CR4_VMXE       (1ULL << 13)
#define CR4_SMXE       (1ULL << 14)
#define CR4_PCIDE      (1ULL << 17)
#define CR4_OSXSAVE    (1ULL << 18)
#define CR4_SMEP       (1ULL << 20)
#define CR4_SMAP       (1ULL << 21)
#define CR4_PKE        (1ULL << 22)
#define CR4_CET        (1ULL << 23)
#define CR4_LAM_SUP    (1ULL << 28)

#define EFER_SCE   (1ULL << 0)
#define EFER_LME   (1ULL << 8)
#define EFER_LMA   (1ULL << 10)
#define EFER_NXE   (1ULL << 11)
#define EFER_SVME  (1ULL << 12)
#define EFER_LMSLE (1ULL << 13)
#define EFER_FFXSR (1ULL << 14)
#define EFER_TCE   (1ULL << 15)

#define DR6_B(n)        (1ULL << (n))
#define DR6_BLD         (1ULL << 11) /* a bus lock; 0 says so */
#define DR6_BD          (1ULL << 13)
#define DR6_BS          (1ULL << 14)
#define DR6_BT          (1ULL << 15)
#define DR6_RTM         (1ULL << 16)  /* in a transaction; 0 says so */
#define DR6_RESET       0xffff0ff0ULL /* after INIT; the bits that are always set */
#define DR7_RESET       0x00000400ULL /* after INIT */
#define DR7_L(n)        (1ULL << ((n)*2))
#define DR7_G(n)        (2ULL << ((n)*2))
#define DR7_LE          (1ULL << 8)
#define DR7_GE          (1ULL << 9)
#define DR7_RTM         (1ULL << 11)
#define DR7_GD          (1ULL << 13)
#define DR7_RW(n, rw)   ((unsigned long long)(rw) << (16 + (n)*4))
#define DR7_LEN(n, len) ((unsigned long long)(len) << (18 + (n)*4))

#define DEBUGCTL_LBR (1ULL << 0)
#define DEBUGCTL_BTF (1ULL << 1)

/* IA32_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCK  (1ULL << 0)
#define FEATURE_CONTROL_VMXON (1ULL << 2) /* outside of SMX */
#define FEATURE_CONTROL_VIRT  0xff06ULL   /* all of VMX and SMX */

/* Exception vectors. */
enum {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_AC = 17,
    VECTOR_MC = 18,
    VECTOR_CP = 21,
    VECTOR_VC = 29,
    VECTOR_SX = 30,
};

#define MSR_APIC_BASE       0x0000001bU
#define MSR_FEATURE_CONTROL 0x0000003aU
#define MSR_MTRRCAP         0x000000feU
#define MSR_SYSENTER_CS     0x00000174U
#define MSR_SYSENTER_ESP    0x00000175U
#define MSR_SYSENTER_EIP    0x00000176U
#define MSR_DEBUGCTL        0x000001d9U
#define MSR_MTRR_PHYSBASE0  0x00000200U /* + 2n; mask at + 2n + 1 */
#define MSR_MTRR_FIX64K     0x00000250U
#define MSR_MTRR_FIX16K_0   0x00000258U /* and 259 */
#define MSR_MTRR_FIX4K_0    0x00000268U /* to 26f */
#define MSR_PAT             0x00000277U
#define MSR_MTRR_DEF_TYPE   0x000002ffU
#define MSR_VMX_BASIC       0x00000480U
#define MSR_VMX_PIN         0x00000481U
#define MSR_VMX_CPU         0x00000482U
#define MSR_VMX_EXIT        0x00000483U
#define MSR_VMX_ENTRY       0x00000484U
#define MSR_VMX_MISC        0x00000485U
#define MSR_VMX_CR0_FIXED0  0x00000486U
#define MSR_VMX_CR0_FIXED1  0x00000487U
#define MSR_VMX_CR4_FIXED0  0x00000488U
#define MSR_VMX_CR4_FIXED1  0x00000489U
#define MSR_VMX_CPU2        0x0000048bU
#define MSR_VMX_EPT_VPID    0x0000048cU
#define MSR_VMX_TRUE_PIN    0x0000048dU
#define MSR_VMX_TRUE_CPU    0x0000048eU
#define MSR_VMX_TRUE_EXIT   0x0000048fU
#define MSR_VMX_TRUE_ENTRY  0x00000490U
#define MSR_VMX_LAST        0x00000493U
#define MSR_RTIT_FIRST      0x00000560U /* Intel PT */
#define MSR_RTIT_LAST       0x00000587U
#define MSR_X2APIC_FIRST    0x00000800U
#define MSR_X2APIC_ID       0x00000802U
#define MSR_X2APIC_ICR      0x00000830U
#define MSR_EFER            0xc0000080U
#define MSR_STAR            0xc0000081U
#define MSR_LSTAR           0xc0000082U
#define MSR_CSTAR           0xc0000083U
#define MSR_SFMASK          0xc0000084U
#define MSR_FS_BASE         0xc0000100U
#define MSR_GS_BASE         0xc0000101U
#define MSR_KERNEL_GS_BASE  0xc0000102U
#define MSR_SYSCFG          0xc0010010U
#define MSR_TOM2            0xc001001dU
#define MSR_VM_CR           0xc0010114U
#define MSR_IGNNE           0xc0010115U
#define MSR_SMM_CTL         0xc0010116U
#define MSR_VM_HSAVE_PA     0xc0010117U
#define MSR_SVM_KEY         0xc0010118U

#endif
