/* How a guest begins. */
#include "boot/guest_entry.h"

#include "lib/bytes.h"
#include "lib/string.h"

struct guest_entry guest_entry_flat32(uint64_t rip, uint64_t gdt_base)
{
    return (struct guest_entry){.mode = GUEST_FLAT32,
                                .cs = GUEST_CS,
                                .ds = GUEST_DS,
                                .rip = rip,
                                .rflags = GUEST_RFLAGS,
                                .gdt_base = gdt_base,
                                .gdt_limit = GUEST_GDT_SIZE - 1};
}

/* Descriptors: SDM, "Segment Descriptors". G, D, limit 0xfffff, present, ring 0, accessed. */
void guest_gdt_write(uint8_t gdt[GUEST_GDT_SIZE])
{
    memset(gdt, 0, GUEST_GDT_SIZE);
    put64(gdt + GUEST_CS, 0x00cf9b000000ffff); /* code, readable */
    put64(gdt + GUEST_DS, 0x00cf93000000ffff); /* data, writable */
}
