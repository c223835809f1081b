#include "debug/death.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/ipi.h"
#include "core/watch_pages.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "lib/atomic.h"
#include "lib/fmt.h"
#include "lib/string.h"

#define U(x) ((unsigned long long)(x))

/*
 * Writes that reset: the byte at the port (as the access begins there) under mask is value. The
 * chipset's Reset Control Register, System Control Port A, the keyboard controller's "pulse output
 * port" with bit 0, the processor's reset line, among those that are pulsed.
 */
struct port_end {
    uint16_t port, mask, value;
    const char *what;
};

enum { FIXED = 3, ENDS = DEATH_PORTS - 1 };
enum { PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc, PCI_BYTE = 3 };

static const char by_acpi[] = "resets the machine by ACPI's reset register";

static const struct port_end fixed[FIXED] = {
    {0xcf9, 0x04, 0x04, "resets the machine by port 0xcf9"},
    {0x92, 0x01, 0x01, "resets the machine by port 0x92"},
    {0x64, 0xf1, 0xf0, "resets the machine by the keyboard controller"},
};

static struct port_row rows[ENDS];
static uint32_t halted[HV_MAX_CPUS]; /* with interrupts off; by lib/atomic.h */
static gva_t halted_at[HV_MAX_CPUS]; /* where; each CPU's own, the others look when it is halted */

/* The halt that the user was told of last, as stop number `stop`: it has woken all CPUs, and they
 * come back. */
static struct {
    uint64_t stop;
    gva_t at[HV_MAX_CPUS];     /* halted_at */
    gva_t stands[HV_MAX_CPUS]; /* where the stop has left them */
} told;

static unsigned wanted(void)
{
    return debug.attached ? debug.stops : 0;
}

static const struct acpi_fadt *fadt(void)
{
    static const struct acpi_fadt none;

    return debug.config ? &debug.config->fadt : &none;
}

/* ACPI specification, "Reset Register", "PM1 Control Registers" (SLP_EN is bit 13). */
static unsigned all_ends(struct port_end *ends)
{
    const struct acpi_fadt *p = fadt();
    unsigned count = 0;

    for (; count < FIXED; count++)
        ends[count] = fixed[count];
    if (p->reset_port && p->reset_port != 0xcf9)
        ends[count++] = (struct port_end){p->reset_port, 0xff, p->reset_value, by_acpi};
    for (unsigned i = 0; i < 2; i++) {
        if (p->pm1_control[i])
            ends[count++] = (struct port_end){p->pm1_control[i], 1 << 13, 1 << 13,
                                              "powers off, or sleeps, by ACPI's control register"};
    }
    return count;
}

unsigned death_traps(void)
{
    return (wanted() & DEATH_RESET ? TRAP_WATCHED : 0) | (wanted() & DEATH_HALT ? TRAP_HLT : 0);
}

/* It costs nothing where none happens, and what led to a triple fault is known. */
uint32_t death_exceptions(void)
{
    return debug.config && debug.config->link ? HV_BIT(VECTOR_DF) : 0;
}

const struct port_row *death_watched(unsigned *count)
{
    struct port_end ends[ENDS];

    *count = wanted() & DEATH_RESET ? all_ends(ends) : 0;
    for (unsigned i = 0; i < *count; i++)
        rows[i] = (struct port_row){ends[i].port, ends[i].port};
    if (*count && fadt()->reset_pci) {
        uint16_t port = PCI_DATA + (fadt()->reset_pci & PCI_BYTE);
        rows[(*count)++] = (struct port_row){port, port};
    }
    return rows;
}

/* Writes to the page of a reset register in memory fault; they are no watchpoint's. */
void death_guard(void)
{
    enum { GUARD = WATCH_RANGES, NO_HITS = 0 };
    static bool guarded;
    bool wants = fadt()->reset_memory && (wanted() & DEATH_RESET);

    if (guarded && !wants)
        watch_pages_remove(GUARD);
    if (wants != guarded)
        guarded = wants && watch_pages_insert(GUARD, fadt()->reset_memory, 1, NO_HITS) == HV_OK;
}

/* Does a store of these bytes, from `at` on, put the byte that resets there? */
static bool stores_reset(uint64_t at, unsigned size, uint64_t value, uint64_t address)
{
    return address >= at && address - at < size &&
           (uint8_t)(value >> 8 * (address - at)) == fadt()->reset_value;
}

static bool is_pci_reset(const struct vcpu *v, const struct hv_exit *exit)
{
    uint32_t reset = fadt()->reset_pci;

    return reset &&
           stores_reset(exit->io.port, exit->io.size, v->regs.gpr[GPR_RAX],
                        PCI_DATA + (reset & PCI_BYTE)) &&
           (inl(PCI_ADDRESS) & ~(uint32_t)PCI_BYTE) == (reset & ~(uint32_t)PCI_BYTE);
}

static bool is_memory_reset(struct vcpu *v, const struct hv_exit *exit)
{
    struct x86_insn insn;
    uint64_t value;
    unsigned size;

    return fadt()->reset_memory && exit->kind == HV_EXIT_STAGE2 && exit->stage2.write &&
           exit->stage2.address <= fadt()->reset_memory &&
           fadt()->reset_memory - exit->stage2.address < sizeof(value) &&
           insn_at_rip(v, &insn) == HV_OK && insn_stores(v, &insn, &value, &size) &&
           stores_reset(exit->stage2.address, size, value, fadt()->reset_memory);
}

/* NULL: a write, or a read, that ends nothing. */
static const char *find_port(const struct vcpu *v, const struct hv_exit *exit)
{
    struct port_end ends[ENDS];
    unsigned count = all_ends(ends);

    if (exit->io.in || exit->io.string)
        return NULL;
    for (unsigned i = 0; i < count; i++) {
        bool whole = exit->io.size == 1 ? ends[i].mask <= 0xff : true;

        if (exit->io.port == ends[i].port && whole &&
            (v->regs.gpr[GPR_RAX] & ends[i].mask) == ends[i].value)
            return ends[i].what;
    }
    return is_pci_reset(v, exit) ? by_acpi : NULL;
}

/*
 * OUT to the port that asks for an SMI, a PAUSE perhaps, and HLT: a firmware that waits for its own
 * handler, which nobody outside of it can see.
 */
static bool waits_for_smi(struct vcpu *v)
{
    enum { OUT_IMMEDIATE = 0xe6, SMI_PORT = 0xb2, LOOK = 4 };
    uint8_t before[LOOK];

    if (guest_linear_read(v, vcpu_linear_rip(v) - LOOK, before, LOOK) != LOOK)
        return false;
    return (before[2] == OUT_IMMEDIATE && before[3] == SMI_PORT) ||
           (before[0] == OUT_IMMEDIATE && before[1] == SMI_PORT && before[2] == 0xf3 &&
            before[3] == 0x90);
}

/* The last one to halt sees that all others have: each first says so, then looks. */
static bool is_last_halt(struct vcpu *v)
{
    bool again = told.stop && told.stop == debug.heard;

    if ((v->regs.rflags & RFLAGS_IF) || waits_for_smi(v))
        return false;
    halted_at[v->number] = vcpu_linear_rip(v);
    atomic_set(&halted[v->number], 1);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (ipi_waits(i))
            continue;
        if (!atomic_get(&halted[i]))
            return false;
        again = again && halted_at[i] == told.at[i];
    }
    return !again;
}

void death_told(const struct hv_exit *exit)
{
    if (exit->kind != HV_EXIT_HLT)
        return;
    told.stop = debug.heard;
    memcpy(told.at, halted_at, sizeof(told.at));
    for (unsigned i = 0; i < vcpu_count(); i++)
        told.stands[i] = vcpu_linear_rip(vcpu_get(i));
}

void death_goes_on(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (told.stands[i] != vcpu_linear_rip(vcpu_get(i)))
            told.stop = 0;
    }
}

void death_forget_halt(const struct vcpu *v)
{
    atomic_set(&halted[v->number], 0);
}

bool death_find(struct vcpu *v, const struct hv_exit *exit)
{
    switch (exit->kind) {
    case HV_EXIT_IO:
        return (wanted() & DEATH_RESET) && find_port(v, exit);
    case HV_EXIT_EXCEPTION:
        return (wanted() & DEATH_DOUBLE_FAULT) && exit->exception.vector == VECTOR_DF;
    case HV_EXIT_HLT:
        return (wanted() & DEATH_HALT) && is_last_halt(v);
    case HV_EXIT_INIT:
    case HV_EXIT_MSR_WRITE:
    case HV_EXIT_STAGE2:
        return (wanted() & DEATH_RESET) && (ipi_restarts(v, exit) || is_memory_reset(v, exit));
    default:
        return false;
    }
}

void death_say(struct vcpu *v, const struct hv_exit *exit, char *text, size_t size)
{
    const char *what = "";

    if (exit->kind == HV_EXIT_IO)
        what = find_port(v, exit);
    else if (exit->kind == HV_EXIT_EXCEPTION)
        what = "has a double fault";
    else if (exit->kind == HV_EXIT_HLT)
        what = "halts with interrupts off, as all others do";
    else if (exit->kind == HV_EXIT_INIT)
        what = "is restarted by INIT";
    else if (is_memory_reset(v, exit))
        what = by_acpi;
    else
        what = "restarts the boot CPU by INIT";
    fmt_print(text, size, "gdbvisor: the guest's CPU %u %s, at %llx (%s)", v->number,
              what ? what : "", U(vcpu_linear_rip(v)), vcpu_mode_name(v));
}

uint8_t death_signal(const struct hv_exit *exit)
{
    if (exit->kind == HV_EXIT_EXCEPTION)
        return GDB_SIGSEGV;
    return exit->kind == HV_EXIT_HLT ? GDB_SIGABRT : GDB_SIGTERM;
}
