#include "core/ioapic_guard.h"

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "core/mediate.h"
#include "hv/compiler.h"
#include "lib/spinlock.h"
#include "lib/string.h"

/* 82093AA I/O APIC datasheet, "Memory Mapped Registers". */
enum {
    REG_SELECT = 0x00,
    REG_WINDOW = 0x10,
    REG_EOI = 0x40,
    INDEX_VERSION = 1,
    INDEX_ENTRIES = 0x10
};
enum {
    ENTRY_VECTOR = 0xff,
    ENTRY_DELIVERY = 7 << 8,
    ENTRY_LOWEST = 1 << 8, /* lowest priority; 0 is fixed */
    ENTRY_NMI = 4 << 8,
    ENTRY_LOGICAL = 1 << 11,
    ENTRY_MASKED = 1 << 16,
    FIRST_VECTOR = 16, /* an APIC takes none below */
};

static struct spinlock lock; /* of all below, and of the chip's select and window */
static struct ioapic_pin pin;
static uint32_t guest_select;   /* what the guest last wrote to the select register */
static uint32_t guest_entry[2]; /* the guest's low and high half of our entry */

static uint32_t read_index(uint32_t index)
{
    mmio_write32(pin.ioapic + REG_SELECT, index);
    return mmio_read32(pin.ioapic + REG_WINDOW);
}

static void write_index(uint32_t index, uint32_t value)
{
    mmio_write32(pin.ioapic + REG_SELECT, index);
    mmio_write32(pin.ioapic + REG_WINDOW, value);
}

/* Our entry's half (0 low, 1 high), or -1 when the index is another register. */
static int our_half(uint32_t index)
{
    uint32_t low = INDEX_ENTRIES + 2 * pin.entry;
    return index == low ? 0 : index == low + 1 ? 1 : -1;
}

static bool guarded; /* a chip has answered */
static unsigned entries;

bool ioapic_guard_entry(unsigned entry, uint64_t *value, bool *ours)
{
    uint32_t index = INDEX_ENTRIES + 2 * entry;

    if (!guarded || entry >= entries)
        return false;
    spin_lock(&lock);
    uint32_t select = mmio_read32(pin.ioapic + REG_SELECT);
    *ours = entry == pin.entry;
    *value = *ours ? guest_entry[0] | (uint64_t)guest_entry[1] << 32
                   : read_index(index) | (uint64_t)read_index(index + 1) << 32;
    mmio_write32(pin.ioapic + REG_SELECT, select);
    spin_unlock(&lock);
    return true;
}

static void before(struct vcpu *v, gpa_t address, uint8_t *page)
{
    uint32_t offset = (uint32_t)address & 0xff0;
    (void)v;

    spin_lock(&lock);
    if (offset == REG_SELECT) {
        memcpy(page + (address & 0xfff & ~0xfULL), &guest_select, 4);
    } else if (offset == REG_WINDOW) {
        int half = our_half(guest_select);
        uint32_t value = half >= 0 ? guest_entry[half] : read_index(guest_select);
        memcpy(page + (address & 0xfff & ~0xfULL), &value, 4);
    }
    spin_unlock(&lock);
}

/* The guest reads the chip itself, but for the moments when it has selected our entry. */
static void select_for_reads(struct vcpu *v)
{
    bool ours = our_half(guest_select) >= 0;

    mmio_write32(pin.ioapic + REG_SELECT, ours ? INDEX_VERSION : guest_select);
    mediate_pass_reads(v, HV_ALIGN_DOWN(pin.ioapic, 4096), !ours);
}

static void after_write(struct vcpu *v, gpa_t address, const uint8_t *page)
{
    uint32_t offset = (uint32_t)address & 0xff0;
    uint32_t value;

    memcpy(&value, page + (address & 0xfff & ~0xfULL), 4);
    spin_lock(&lock);
    if (offset == REG_SELECT) {
        guest_select = value & 0xff;
        select_for_reads(v);
    } else if (offset == REG_WINDOW) {
        int half = our_half(guest_select);
        if (half >= 0)
            guest_entry[half] = half ? value : value & 0x1afff; /* without the read-only bits */
        else
            write_index(guest_select, value);
    } else if (offset == REG_EOI) {
        mmio_write32(pin.ioapic + REG_EOI, value);
    }
    spin_unlock(&lock);
}

void ioapic_guard_raise(void)
{
    uint32_t entry, destination;

    spin_lock(&lock);
    entry = guest_entry[0];
    destination = guest_entry[1] >> 24;
    spin_unlock(&lock);
    if (!pin.ioapic || (entry & ENTRY_MASKED) || (entry & ENTRY_DELIVERY) > ENTRY_LOWEST ||
        (entry & ENTRY_VECTOR) < FIRST_VECTOR)
        return;
    /* Vector, delivery and destination mode stand where an interrupt command has them. */
    apic_send_fixed(destination, entry & (ENTRY_VECTOR | ENTRY_DELIVERY | ENTRY_LOGICAL));
}

enum hv_status ioapic_guard_init(const struct ioapic_pin *p)
{
    pin = *p;
    uint32_t version = read_index(INDEX_VERSION);
    if (version == 0 || version == UINT32_MAX || pin.entry > (version >> 16 & 0xff))
        return HV_ENOENT;

    guarded = true;
    entries = (version >> 16 & 0xff) + 1;
    guest_select = 0;
    guest_entry[0] = read_index(INDEX_ENTRIES + 2 * pin.entry) & 0x1afff;
    guest_entry[1] = read_index(INDEX_ENTRIES + 2 * pin.entry + 1);
    write_index(INDEX_ENTRIES + 2 * pin.entry, ENTRY_MASKED);
    write_index(INDEX_ENTRIES + 2 * pin.entry + 1, pin.apic_id << 24);
    write_index(INDEX_ENTRIES + 2 * pin.entry, ENTRY_NMI);
    mmio_write32(pin.ioapic + REG_SELECT, guest_select);

    gpa_t page = HV_ALIGN_DOWN(pin.ioapic, 4096);
    struct mediator mediator = {page, page + 4096, true, before, after_write};
    return mediate_add(&mediator);
}
