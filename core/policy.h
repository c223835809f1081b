/*
 * What of the guest's world is not passed through: MSRs and CPUID; I/O ports
 * are in core/io_policy.h. Data first: the
 * bitmaps are built from rows, the handlers below give the guest what it sees instead.
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "core/vcpu.h"

enum { MSR_TRAP_READ = 1, MSR_TRAP_WRITE = 2 };

struct msr_row {
    uint32_t first, last;
    unsigned traps;
};

/*
 * MSRs that exit besides under TRAP_WATCHED, from hv_backend->remap() on; the handlers below know
 * nothing of them. Not copied.
 */
void msr_policy_watch(const struct msr_row *rows, unsigned count);

/* Permission maps, for all CPUs: what core traps, and with what is watched besides. */
enum policy_map { POLICY_OWN, POLICY_WATCHED, POLICY_MAPS };

/* Sets a row's bits in a vendor's MSR map. own: it is core's, and nobody watches it. */
typedef void (*msr_map_fn)(uint8_t *map, const struct msr_row *row, bool own);

/* Makes POLICY_MAPS maps of `size` bytes, one behind the other. Other MSRs are passed through. */
void msr_policy_build(uint8_t *maps, size_t size, msr_map_fn add);

/* Is an access core's own, so that it exits whatever is watched? */
bool msr_policy_wants(uint32_t msr);

/*
 * RDMSR and WRMSR that exited (also those no bitmap reaches, which go to the processor). False: the
 * guest is owed #GP.
 */
bool msr_policy_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool msr_policy_write(struct vcpu *v, uint32_t msr, uint64_t value);

struct cpuid_words {
    uint32_t eax, ebx, ecx, edx;
};

/* Bits of a leaf that the guest does not see. */
struct cpuid_row {
    uint32_t leaf, subleaf;
    struct cpuid_words bits;
};
#define CPUID_ANY_SUBLEAF UINT32_MAX

/* What a backend cannot give to a guest: these rows are hidden besides core's own. Not copied. */
void cpuid_policy_hide(const struct cpuid_row *rows, unsigned count);

/* What the guest is to see of a leaf that the processor answered so. */
struct cpuid_words cpuid_policy(uint32_t leaf, uint32_t subleaf, struct cpuid_words real,
                                uint64_t guest_cr4);

/*
 * May XSETBV load this into XCR0? known: what CPUID.(EAX=0DH, ECX=0):EDX:EAX reports. Pure.
 * SDM vol. 2, "XSETBV".
 */
bool xcr0_policy(uint64_t value, uint64_t known);

#endif
