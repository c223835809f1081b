/* The host's half of the VMCS: what the processor loads at an exit. */
#ifndef VMX_HOST_H
#define VMX_HOST_H

#include "hv/types.h"

/* Writes it from what this CPU has loaded now. The VMCS must be current. */
void vmx_host_write(void);

/* The base of the TSS that this selector of that GDT names. */
uint64_t vmx_host_task_base(uint64_t gdt_base, uint16_t selector);

#endif
