#include "core/icr_guard.h"

#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "core/mediate.h"
#include "lib/string.h"

/* SDM vol. 3, "Interrupt Command Register (ICR)". */
enum { LAPIC_ICR_LOW = 0x300, ICR_MODE_SHIFT = 8, ICR_MODE_INIT = 5, ICR_MODE_STARTUP = 6 };
#define APIC_BASE_MASK 0x000ffffffffff000ULL

static hpa_t lapic;         /* 0: not guarded */
static gpa_t firmware_word; /* 0: there is no firmware */

bool icr_guard_allows(uint32_t low)
{
    unsigned mode = low >> ICR_MODE_SHIFT & 7;
    return mode != ICR_MODE_INIT && mode != ICR_MODE_STARTUP;
}

bool icr_guard_lets(uint32_t low)
{
    uint64_t word = 0;

    if (firmware_word)
        physmem_read(firmware_word, &word, sizeof(word));
    return word != 0 || icr_guard_allows(low);
}

bool icr_guard_allows_base(uint64_t value)
{
    return !lapic || (value & APIC_BASE_MASK) == lapic;
}

/* For an instruction that reads what it writes. */
static void before(struct vcpu *v, gpa_t address, uint8_t *page)
{
    uint32_t offset = (uint32_t)address & 0xff0;
    uint32_t value = mmio_read32(lapic + offset);
    (void)v;

    memcpy(page + offset, &value, sizeof(value));
}

static void after_write(struct vcpu *v, gpa_t address, const uint8_t *page)
{
    uint32_t offset = (uint32_t)address & 0xff0;
    uint32_t value;
    (void)v;

    memcpy(&value, page + offset, sizeof(value));
    if (offset != LAPIC_ICR_LOW || icr_guard_lets(value))
        mmio_write32(lapic + offset, value);
}

enum hv_status icr_guard_init(gpa_t boot_services)
{
    firmware_word = boot_services;
    lapic = rdmsr(MSR_APIC_BASE) & APIC_BASE_MASK;
    if (lapic >> 32)
        return HV_ENOTSUP;
    struct mediator mediator = {lapic, lapic + 4096, true, before, after_write};
    return mediate_add(&mediator);
}
