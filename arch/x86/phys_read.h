/* How the pure parts of arch/x86 read physical memory: through the caller. */
#ifndef ARCH_X86_PHYS_READ_H
#define ARCH_X86_PHYS_READ_H

#include "hv/types.h"

/*
 * Copies size bytes from the physical address into buf. False: not all of it is memory that may be
 * read; what buf holds then is not used.
 */
typedef bool (*x86_phys_read_fn)(uint64_t address, void *buf, size_t size);

#endif
