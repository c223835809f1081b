/*
 * The guest's memory, by physical and by linear address. Never faults, never touches a device
 * unless asked to, never shows the hypervisor's own memory (which reads as zeros).
 */
#ifndef CORE_GUEST_MEMORY_H
#define CORE_GUEST_MEMORY_H

#include "arch/x86/walk.h"
#include "core/vcpu.h"
#include "hv/status.h"

struct guest_range {
    gpa_t start, end; /* end: first byte behind */
    bool writable;
};

enum { GUEST_MAX_RANGES = 128 };

struct guest_memory_config {
    unsigned count;
    struct guest_range
        ranges[GUEST_MAX_RANGES]; /* what is memory, to be read without side effects */
    hpa_t self_start;             /* the hypervisor's reservation */
    uint64_t self_size;
    unsigned phys_bits;
};

void guest_memory_init(const struct guest_memory_config *config);

/* `monitor mmio on`: what is not memory is accessed all the same, in units of the size asked for.
 */
void guest_memory_allow_devices(bool allow);
bool guest_memory_devices_allowed(void);

bool guest_memory_is_self(gpa_t address);

/* True for memory, read-only too; and for memory that can be written. */
bool guest_phys_is_memory(gpa_t address);
bool guest_phys_is_ram(gpa_t address);

/* Bytes done: less than size where memory ends. */
size_t guest_phys_read(gpa_t address, void *buf, size_t size);
size_t guest_phys_write(gpa_t address, const void *buf, size_t size);

/* What the walk goes by now, and how it reads page tables: only where there is memory. */
struct x86_paging guest_paging(struct vcpu *v);
bool guest_walk_read(uint64_t address, void *buf, size_t size);

/* Through the guest's paging as it is now, whatever the mode, as a supervisor would. */
bool guest_translate(struct vcpu *v, gva_t address, struct x86_translation *translation);

/* The bytes from address on, at most size, that lie in its page; *gpa: where. 0: not mapped. */
size_t guest_linear_part(struct vcpu *v, gva_t address, size_t size, gpa_t *gpa);

/* Bytes done: less than size at the first one that is not mapped or is not memory. */
size_t guest_linear_read(struct vcpu *v, gva_t address, void *buf, size_t size);
size_t guest_linear_write(struct vcpu *v, gva_t address, const void *buf, size_t size);

#endif
