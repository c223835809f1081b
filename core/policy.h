/*
 * What of the guest's world is not passed through: MSRs, I/O ports, CPUID. Data first: the
 * bitmaps are built from rows, the handlers below give the guest what it sees instead.
 */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { MSR_TRAP_READ = 1, MSR_TRAP_WRITE = 2 };

struct msr_row {
    uint32_t first, last;
    unsigned traps;
};

/* Ports first to last. */
struct port_row {
    uint16_t first, last;
};

/*
 * MSRs and ports that exit besides under TRAP_WATCHED, from hv_backend->remap() on; the handlers
 * below know nothing of them. Not copied.
 */
void policy_watch(const struct msr_row *msrs, unsigned msr_count, const struct port_row *ports,
                  unsigned port_count);

/* Permission maps, for all CPUs: what core traps, and with what is watched besides. */
enum policy_map { POLICY_OWN, POLICY_WATCHED, POLICY_MAPS };

/* Sets a row's bits in a vendor's MSR map. own: it is core's, and nobody watches it. */
typedef void (*msr_map_fn)(uint8_t *map, const struct msr_row *row, bool own);

/* Makes POLICY_MAPS maps of `size` bytes, one behind the other. Other MSRs are passed through. */
void msr_policy_build(uint8_t *maps, size_t size, msr_map_fn add);

/*
 * The same for ports, in one form for both vendors: bit n % 8 of byte n / 8 for each port n that
 * exits. Page aligned; the third page, all zeros, is SVM's alone.
 */
enum { IO_MAP_SIZE = 3 * 4096 };
void io_policy_build(void);
const uint8_t *io_policy_map(enum policy_map map);

/* Is an access core's own, so that it exits whatever is watched? size: bytes. */
bool msr_policy_wants(uint32_t msr);
bool io_policy_wants(uint16_t port, unsigned size);

/*
 * RDMSR and WRMSR that exited (also those no bitmap reaches, which go to the processor). False: the
 * guest is owed #GP.
 */
bool msr_policy_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool msr_policy_write(struct vcpu *v, uint32_t msr, uint64_t value);

/*
 * Ports [first, first + count): writes go nowhere, each reads as its byte in reads, which stays the
 * caller's; NULL: they look absent, all ones. At most 8 calls.
 */
enum hv_status io_policy_hide(uint16_t first, uint16_t count, const uint8_t *reads);
bool io_policy_is_hidden(uint16_t port);

/*
 * A device of ours in their place: each access is a call of a byte, *value in for a write and out
 * for a read. True: something of it has to be looked at outside of core_run(). Counts as one of the
 * 8 calls above.
 */
typedef bool (*io_device_fn)(unsigned offset, bool in, uint8_t *value);
enum hv_status io_policy_device(uint16_t first, uint16_t count, io_device_fn access);

/*
 * What is written to a port, and goes there, is told besides; NULL: no more. True as above. From
 * hv_backend->remap() on. HV_ENOSPC: 4 ports have one.
 */
typedef bool (*io_tap_fn)(uint16_t port, uint8_t value);
enum hv_status io_policy_tap(uint16_t port, io_tap_fn tell);

/*
 * IN or OUT of 1, 2 or 4 bytes that exited. What is not hidden of an access that straddles the edge
 * is done byte by byte. *value: in for OUT, out for IN. True: as a device of ours says.
 */
bool io_policy_access(uint16_t port, unsigned size, bool in, uint32_t *value);

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
