/* The hypervisor's own page tables and control registers. */
#ifndef ARCH_X86_HOST_PAGING_H
#define ARCH_X86_HOST_PAGING_H

#include "hv/types.h"

/* The running image: page-aligned parts of different permission. */
struct host_image {
    hpa_t base; /* 2 MiB aligned */
    uint64_t size;
    uint64_t rodata, data; /* offsets: text ends, rodata ends */
};

/*
 * Builds the tables (once) - everything below 4 GiB one to one, writable and not executable, but
 * the image by its permissions - and the physmem windows above.
 */
void host_paging_build(const struct host_image *image);

/*
 * Whether code in the lowest 2 MiB, below the image, may run: for as long as a CPU comes up there.
 */
void host_paging_run_low(bool allowed);

/* The tables' address, for CR3. */
hpa_t host_paging_root(void);

/* Takes the tables and the control register bits the hypervisor runs with, on this CPU. */
void host_paging_load(void);

#endif
