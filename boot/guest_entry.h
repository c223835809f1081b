/*
 * How a guest begins: registers and one of two processor modes. Neutral: the backend turns it into
 * its own state.
 *
 * GUEST_FLAT32: CR0 has PE (and ET) alone, paging off; CR4, EFER 0; cs = GUEST_CS and ds, es, fs,
 * gs, ss = GUEST_DS, each with base 0 and limit 4 GiB, 32 bit; GDTR = gdt_base, gdt_limit; IDTR
 * limit 0; LDTR and TR unusable for the guest; interrupts off; A20 on.
 *
 * GUEST_REAL16: CR0 has ET alone; cs:rip = cs:ip with base cs << 4, all other segments 0, limit
 * 64 KiB; IDTR base 0, limit 0x3ff; gdt_base and gdt_limit 0.
 *
 * In both, DR7, DR6 and the MTRRs are as after firmware (untouched), RFLAGS is as given.
 */
#ifndef BOOT_GUEST_ENTRY_H
#define BOOT_GUEST_ENTRY_H

#include "hv/types.h"

enum guest_mode { GUEST_REAL16, GUEST_FLAT32 };

/* Linux's 32-bit boot protocol wants these two (Linux, "The Linux/x86 Boot Protocol"). */
enum { GUEST_CS = 0x10, GUEST_DS = 0x18 };

enum { GUEST_RFLAGS = 2 }; /* the bit that always is 1: IF, TF, DF and the rest are 0 */

struct guest_entry {
    enum guest_mode mode;
    uint16_t cs; /* selector; REAL16: base / 16 */
    uint16_t ds; /* selector of the data segments */
    uint64_t rip, rsp, rflags;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t gdt_base;
    uint32_t gdt_limit;
};

enum { GUEST_GDT_SIZE = 32 };

/* A FLAT32 entry with everything but rip, its registers and the GDT's address set. */
struct guest_entry guest_entry_flat32(uint64_t rip, uint64_t gdt_base);

/*
 * Writes the GDT of a FLAT32 entry: two empty descriptors, flat 32-bit code (GUEST_CS) and flat
 * 32-bit data (GUEST_DS), both with the accessed bit set as the loaded segments have it.
 */
void guest_gdt_write(uint8_t gdt[GUEST_GDT_SIZE]);

#endif
