/*
 * Guest page walk: linear address -> guest-physical address, in every paging mode. Pure: memory is
 * read through the caller's function, nothing is written, accessed and dirty bits stay.
 *
 * SDM vol. 3, "Paging"; APM vol. 2, "Page Translation and Protection". Where the two differ, only
 * bits that both reserve are taken as reserved.
 */
#ifndef ARCH_X86_WALK_H
#define ARCH_X86_WALK_H

#include "arch/x86/phys_read.h"
#include "hv/types.h"

struct x86_paging {
    uint64_t cr0, cr3, cr4, efer;
    unsigned phys_bits; /* CPUID Fn8000_0008 EAX[7:0]; taken as 32..52 */
};

enum x86_walk_reason {
    X86_WALK_OK,
    X86_WALK_NON_CANONICAL,
    X86_WALK_NOT_PRESENT,
    X86_WALK_RESERVED,   /* a bit that must be zero is not */
    X86_WALK_UNREADABLE, /* the entry is not in memory that the read function gives */
};

struct x86_translation {
    enum x86_walk_reason reason;
    /* 1 page table, 2 page directory, .. 5: where the walk ended, well or not; 0: no paging, or
       a non-canonical address. */
    unsigned level;
    gpa_t entry_address; /* of the last entry looked at; 0 with level 0 */
    uint64_t entry;      /* its value, 0 if it could not be read */

    /* With X86_WALK_OK: */
    gpa_t gpa;          /* of the very byte asked for */
    uint64_t page_size; /* bytes; 4 GiB without paging */
    bool writable;      /* what all levels together say; x86_walk_allows() is the judge */
    bool user;
    bool no_execute;
};

/*
 * Translates linear. Without long mode its upper 32 bits are ignored, as the processor wraps there.
 * Reads one entry of 4 or 8 bytes per level, at most five. Returns true when out->reason is
 * X86_WALK_OK.
 */
bool x86_walk(const struct x86_paging *paging, gva_t linear, x86_phys_read_fn read,
              struct x86_translation *out);

enum x86_access { X86_READ, X86_WRITE, X86_FETCH };

/*
 * May this access be done through that translation, by CR0.WP, EFER.NXE, CR4.SMEP and CR4.SMAP?
 * user: CPL is 3 and the access is not an implicit one to a system table. ac: RFLAGS.AC. Protection
 * keys and shadow stacks are not looked at.
 */
bool x86_walk_allows(const struct x86_paging *paging, const struct x86_translation *translation,
                     enum x86_access access, bool user, bool ac);

/* A few words for people: "not present", ... */
const char *x86_walk_reason_name(enum x86_walk_reason reason);

#endif
