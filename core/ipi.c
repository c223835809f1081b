#include "core/ipi.h"

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "core/insn_bytes.h"
#include "core/mediate.h"
#include "core/park.h"
#include "lib/atomic.h"
#include "lib/string.h"

static hpa_t lapic;         /* 0: not guarded */
static gpa_t firmware_word; /* 0: there is no firmware that has the other CPUs */
static struct apic_address addresses[HV_MAX_CPUS];
static uint32_t words[HV_MAX_CPUS]; /* core/ap_state.h */
static bool by_exits;

/* Commands and kicks find v there; on v itself. */
static void learn_address(const struct vcpu *v)
{
    addresses[v->number] = apic_own_address();
    park_set_apic_id(v->number, addresses[v->number].id);
}

void ipi_add_cpu(const struct vcpu *v, uint32_t word)
{
    learn_address(v);
    atomic_set(&words[v->number], word);
}

static uint32_t post(uint32_t word, const struct apic_command *c)
{
    switch (c->delivery) {
    case APIC_DELIVER_INIT:
        return ap_post_init(word);
    case APIC_DELIVER_STARTUP:
        return ap_post_startup(word, c->vector);
    default:
        return ap_post_nmi(word);
    }
}

/* True: it changes something. */
static bool note(unsigned cpu, const struct apic_command *c)
{
    uint32_t old, new;

    do {
        old = atomic_get(&words[cpu]);
        new = post(old, c);
    } while (!atomic_replace(&words[cpu], old, new));
    return new != old;
}

/* The CPU is kicked to look, itself too: it may not come by for long. */
static void post_to(unsigned cpu, const struct apic_command *c)
{
    if (note(cpu, c))
        park_kick(cpu);
}

void ipi_note_init(const struct vcpu *v)
{
    note(v->number, &(struct apic_command){.delivery = APIC_DELIVER_INIT});
}

void ipi_note_startup(const struct vcpu *v, uint8_t vector)
{
    note(v->number, &(struct apic_command){.vector = vector, .delivery = APIC_DELIVER_STARTUP});
}

/* A firmware that runs on starts and stops CPUs that it has. */
static bool is_firmware_there(void)
{
    uint64_t word = 0;

    if (firmware_word)
        physmem_read(firmware_word, &word, sizeof(word));
    return word != 0;
}

bool ipi_deliver(const struct vcpu *v, uint64_t command)
{
    struct apic_command c = apic_command((uint32_t)command);
    bool x2apic = apic_is_x2apic();

    if (by_exits)
        return false;
    if (c.delivery != APIC_DELIVER_INIT && c.delivery != APIC_DELIVER_STARTUP &&
        (c.delivery != APIC_DELIVER_NMI || !lapic))
        return false;
    if (is_firmware_there())
        return false;
    for (unsigned i = 0; i < vcpu_count() && !c.deassert; i++) {
        if (apic_reaches(command, x2apic, &addresses[v->number], &addresses[i]))
            post_to(i, &c);
    }
    return true;
}

static bool is_bootstrap(unsigned cpu)
{
    return atomic_get(&words[cpu]) & AP_BOOTSTRAP;
}

static bool is_restart(const struct vcpu *v, uint64_t command)
{
    struct apic_command c = apic_command((uint32_t)command);

    if (c.delivery != APIC_DELIVER_INIT || c.deassert)
        return false;
    bool x2apic = apic_is_x2apic();
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (is_bootstrap(i) && apic_reaches(command, x2apic, &addresses[v->number], &addresses[i]))
            return true;
    }
    return false;
}

/* The command that v is about to write to the page. */
static bool is_restart_by_page(struct vcpu *v, const struct hv_exit *exit)
{
    struct x86_insn insn;
    uint64_t value;
    unsigned size;

    if (!lapic || !exit->stage2.write || exit->stage2.address != lapic + APIC_ICR_LOW ||
        insn_at_rip(v, &insn) != HV_OK || !insn_stores(v, &insn, &value, &size))
        return false;
    return is_restart(v, (uint64_t)mmio_read32(lapic + APIC_ICR_HIGH) << 32 | (uint32_t)value);
}

bool ipi_restarts(struct vcpu *v, const struct hv_exit *exit)
{
    const uint64_t *gpr = v->regs.gpr;

    switch (exit->kind) {
    case HV_EXIT_INIT:
        return is_bootstrap(v->number);
    case HV_EXIT_STAGE2:
        return !by_exits && is_restart_by_page(v, exit);
    case HV_EXIT_MSR_WRITE:
        return !by_exits && (uint32_t)gpr[GPR_RCX] == MSR_X2APIC_ICR &&
               is_restart(v, gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX]);
    default:
        return false;
    }
}

enum ap_action ipi_take(const struct vcpu *v, uint8_t *vector)
{
    uint32_t *word = &words[v->number];
    enum ap_action action;
    uint32_t old, new;

    do {
        old = atomic_get(word);
        new = ap_take(old, &action, vector);
    } while (!atomic_replace(word, old, new));
    return action;
}

bool ipi_init_noted(unsigned cpu)
{
    return atomic_get(&words[cpu]) & AP_INIT;
}

bool ipi_waits(unsigned cpu)
{
    return (atomic_get(&words[cpu]) & (AP_WAITS | AP_STARTUP | AP_INIT)) == AP_WAITS;
}

bool ipi_needs_startup(unsigned cpu)
{
    return ap_needs_startup(atomic_get(&words[cpu]));
}

bool ipi_startup_noted(unsigned cpu, uint8_t *vector)
{
    uint32_t word = atomic_get(&words[cpu]);

    *vector = (uint8_t)(word & AP_VECTOR);
    return word & AP_STARTUP;
}

bool ipi_write_base(const struct vcpu *v, uint64_t value)
{
    if (lapic && ((value & APIC_BASE_MASK) != lapic || !(value & APIC_BASE_ENABLE)))
        return false;
    if (!wrmsr_safe(MSR_APIC_BASE, value))
        return false;
    learn_address(v);
    return true;
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

    memcpy(&value, page + offset, sizeof(value));
    v->apic_writes++;
    if (offset == APIC_ICR_LOW) {
        uint64_t high = mmio_read32(lapic + APIC_ICR_HIGH);
        if (ipi_deliver(v, high << 32 | value))
            return;
    }
    mmio_write32(lapic + offset, value);
    if (offset == APIC_ID || offset == APIC_LDR || offset == APIC_DFR)
        learn_address(v);
}

void ipi_init_by_exits(void)
{
    by_exits = true;
    lapic = rdmsr(MSR_APIC_BASE) & APIC_BASE_MASK; /* kicks need it where it is */
}

bool ipi_by_exits(void)
{
    return by_exits;
}

enum hv_status ipi_init(gpa_t boot_services)
{
    by_exits = false;
    firmware_word = boot_services;
    lapic = rdmsr(MSR_APIC_BASE) & APIC_BASE_MASK;
    if (lapic >> 32)
        return HV_ENOTSUP;
    struct mediator mediator = {lapic, lapic + 4096, true, before, after_write};
    return mediate_add(&mediator);
}
