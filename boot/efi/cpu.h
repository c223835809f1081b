/*
 * The processor as the firmware has it: captured, made a guest's registers of, and put back. The
 * first and the last touch the machine; the middle is pure.
 */
#ifndef BOOT_EFI_CPU_H
#define BOOT_EFI_CPU_H

#include "arch/x86/insn.h"
#include "core/vcpu.h"

/* Where efi_launch() was called, and what its caller wants kept. launch.asm knows the offsets. */
struct efi_context {
    uint64_t rbx, rbp, r12, r13, r14, r15;
    uint64_t rsp, rip, rflags;
    uint64_t cs, ss; /* for the way back */
};

struct efi_cpu {
    struct efi_context context;
    uint16_t selector[SEG_COUNT]; /* in the order of enum hv_segment_name */
    struct table_register gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer;
    uint64_t fs_base, gs_base;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    struct hv_debug_regs debug_regs;
};

/* Reads all but the context. */
void efi_cpu_capture(struct efi_cpu *cpu);

/*
 * Pure. The registers of a guest that goes on at the context with RAX = 0. gdt: the firmware's, as
 * many bytes as cpu->gdtr.limit + 1. A TR that holds nothing becomes an empty busy TSS, which is
 * what a processor has after reset: VT-x enters no guest without one.
 */
void efi_cpu_registers(const struct efi_cpu *cpu, const uint8_t *gdt, struct hv_regs *regs);

/* Puts back what running as host has changed, but the context. The code must be mapped in both. */
void efi_cpu_restore(const struct efi_cpu *cpu);

#endif
