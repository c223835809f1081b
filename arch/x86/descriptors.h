/* The hypervisor's own GDT, TSS and IDT, one set for each CPU (the IDT is shared). */
#ifndef ARCH_X86_DESCRIPTORS_H
#define ARCH_X86_DESCRIPTORS_H

#include "hv/types.h"

enum { HOST_CS = 0x08, HOST_DS = 0x10, HOST_TR = 0x18 }; /* TR: + 16 for each CPU number */

/*
 * Interrupt stacks (TSS IST numbers): these traps can come when the stack in use is no good. #DB
 * cannot, and may come right behind VMRUN, where TR is still the guest's.
 */
enum { IST_NMI = 1, IST_DF = 2, IST_MC = 3, IST_COUNT = 3 };

/* Fills and loads GDT, segments, TR and IDT of this CPU. */
void descriptors_load(unsigned cpu);

/* The number of the CPU that runs this: its own place for the TSS descriptor tells. */
unsigned cpu_current(void);

#endif
