#include "arch/x86/apic.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"

enum {
    VECTOR_MASK = 0xff,
    DELIVERY_SHIFT = 8,
    LOGICAL = 1 << 11,
    BUSY = 1 << 12,
    ASSERT = 1 << 14,
    LEVEL = 1 << 15,
    SHORTHAND_SHIFT = 18,
};
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

struct apic_command apic_command(uint32_t low)
{
    return (struct apic_command){.vector = low & VECTOR_MASK,
                                 .delivery = low >> DELIVERY_SHIFT & 7,
                                 .deassert = (low & LEVEL) && !(low & ASSERT)};
}

/* "Logical Destination Mode": flat, or clusters of four; all ones are everybody. */
static bool reaches_logical(uint8_t destination, const struct apic_address *to)
{
    uint8_t logical = (uint8_t)(to->ldr >> 24);

    if (to->dfr >> 28 == 0xf)
        return destination & logical;
    if (destination == 0xff)
        return true;
    return destination >> 4 == logical >> 4 && (destination & logical & 0xf);
}

/* "Logical Destination Mode in x2APIC Mode": the id tells the cluster of sixteen and the bit. */
static bool reaches_logical_x2(uint32_t destination, uint32_t id)
{
    return destination >> 16 == id >> 4 && (destination & 1U << (id & 0xf));
}

bool apic_reaches(uint64_t command, bool x2apic, const struct apic_address *from,
                  const struct apic_address *to)
{
    uint32_t destination = (uint32_t)(command >> 32);
    bool self = from->id == to->id;

    switch (command >> SHORTHAND_SHIFT & 3) {
    case SHORTHAND_SELF:
        return self;
    case SHORTHAND_ALL:
        return true;
    case SHORTHAND_OTHERS:
        return !self;
    default:
        break;
    }
    if (x2apic && destination == UINT32_MAX)
        return true;
    if (x2apic)
        return command & LOGICAL ? reaches_logical_x2(destination, to->id) : destination == to->id;
    destination >>= 24;
    if (command & LOGICAL)
        return reaches_logical((uint8_t)destination, to);
    return destination == 0xff || destination == to->id;
}

static hpa_t page(void)
{
    return rdmsr(MSR_APIC_BASE) & APIC_BASE_MASK;
}

bool apic_is_x2apic(void)
{
    return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

bool apic_can_address(uint32_t apic_id)
{
    enum { BROADCAST = 0xff };

    return apic_is_x2apic() ? apic_id != UINT32_MAX : apic_id < BROADCAST;
}

struct apic_address apic_own_address(void)
{
    hpa_t apic = page();

    if (apic_is_x2apic())
        return (struct apic_address){.id = (uint32_t)rdmsr(MSR_X2APIC_ID)};
    return (struct apic_address){.id = mmio_read32(apic + APIC_ID) >> 24,
                                 .ldr = mmio_read32(apic + APIC_LDR),
                                 .dfr = mmio_read32(apic + APIC_DFR)};
}

uint32_t apic_read(uint32_t offset)
{
    uint64_t value = 0;

    if (!(rdmsr(MSR_APIC_BASE) & APIC_BASE_ENABLE))
        return 0;
    if (!apic_is_x2apic())
        return mmio_read32(page() + offset);
    return rdmsr_safe(MSR_X2APIC_FIRST + offset / 16, &value) ? (uint32_t)value : 0;
}

static void wait_sent(hpa_t apic)
{
    while (mmio_read32(apic + APIC_ICR_LOW) & BUSY)
        cpu_pause();
}

void apic_send(uint32_t apic_id, uint32_t low)
{
    if (apic_is_x2apic()) {
        wrmsr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | low);
        return;
    }
    hpa_t apic = page();
    uint32_t guests = mmio_read32(apic + APIC_ICR_HIGH);
    wait_sent(apic);
    mmio_write32(apic + APIC_ICR_HIGH, apic_id << 24);
    mmio_write32(apic + APIC_ICR_LOW, low);
    wait_sent(apic);
    mmio_write32(apic + APIC_ICR_HIGH, guests);
}

void apic_send_nmi(uint32_t apic_id)
{
    apic_send(apic_id, APIC_DELIVER_NMI << DELIVERY_SHIFT | ASSERT);
}

void apic_send_fixed(uint32_t destination, uint32_t low)
{
    apic_send(destination, low | ASSERT);
}

void apic_send_init(uint32_t apic_id)
{
    apic_send(apic_id, APIC_DELIVER_INIT << DELIVERY_SHIFT | ASSERT);
}

void apic_send_startup(uint32_t apic_id, uint8_t vector)
{
    apic_send(apic_id, APIC_DELIVER_STARTUP << DELIVERY_SHIFT | ASSERT | vector);
}

/* An interrupt in service would hold back every lower one for ever. */
static void end_interrupts(hpa_t apic)
{
    for (unsigned i = 8; i-- > 0;) {
        for (uint32_t isr = mmio_read32(apic + APIC_ISR + 16 * i); isr; isr &= isr - 1)
            mmio_write32(apic + APIC_EOI, 0);
    }
}

void apic_reset(void)
{
    static const uint16_t lvt[] = {APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_COUNTER,
                                   APIC_LVT_LINT0, APIC_LVT_LINT1,   APIC_LVT_ERROR};
    enum { MASKED = 1 << 16, SVR_RESET = 0xff };
    hpa_t apic = page();

    if (apic_is_x2apic())
        return; /* left only by a reset of the machine; the guest sets it up as it is */
    for (unsigned i = 0; i < sizeof(lvt) / sizeof(lvt[0]); i++)
        mmio_write32(apic + lvt[i], MASKED);
    mmio_write32(apic + APIC_TIMER_COUNT, 0);
    mmio_write32(apic + APIC_TPR, 0);
    end_interrupts(apic);
    mmio_write32(apic + APIC_LDR, 0);
    mmio_write32(apic + APIC_DFR, UINT32_MAX);
    mmio_write32(apic + APIC_SVR, SVR_RESET);
}
