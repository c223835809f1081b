/*
 * All of physical memory, for the hypervisor: what lies below 4 GiB is mapped one to one, the rest
 * through a window of each CPU.
 */
#ifndef ARCH_X86_PHYSMEM_H
#define ARCH_X86_PHYSMEM_H

#include "hv/types.h"

/*
 * A pointer to the byte at address, good up to the end of its 2 MiB page and, above 4 GiB, until
 * this CPU's next call.
 */
void *physmem_map(hpa_t address);

/* Copies between physical memory and ours, across page borders. */
void physmem_read(hpa_t address, void *buf, size_t size);
void physmem_write(hpa_t address, const void *buf, size_t size);

#endif
