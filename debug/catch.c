#include "debug/catch.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/io_policy.h"
#include "core/policy.h"
#include "debug/death.h"
#include "debug/watch.h"
#include "hv/compiler.h"
#include "lib/string.h"

static struct catch catches[CATCHES];
static unsigned last_number;

/* What core/policy.h keeps of them. */
static struct msr_row msrs[CATCHES];
static struct port_row ports[CATCHES + DEATH_PORTS];

void catch_update(void)
{
    unsigned msr_count = 0, port_count;
    const struct port_row *death = death_watched(&port_count);

    death_guard();
    memcpy(ports, death, port_count * sizeof(*death));

    for (unsigned i = 0; i < CATCHES; i++) {
        const struct catch *c = &catches[i];

        if (c->number && c->kind == CATCH_MSR)
            msrs[msr_count++] =
                (struct msr_row){(uint32_t)c->first, (uint32_t)c->last,
                                 (c->access & CATCH_READ ? MSR_TRAP_READ : 0U) |
                                     (c->access & CATCH_WRITE ? MSR_TRAP_WRITE : 0U)};
        if (c->number && c->kind == CATCH_IO)
            ports[port_count++] = (struct port_row){(uint16_t)c->first, (uint16_t)c->last};
    }
    msr_policy_watch(msrs, msr_count);
    io_policy_watch(ports, port_count);
    hv_backend->remap();
}

enum hv_status catch_add(const struct catch *c, unsigned *number)
{
    for (unsigned i = 0; i < CATCHES; i++) {
        if (catches[i].number)
            continue;
        if (c->kind == CATCH_DOOR && watch_insert(GDB_BREAK_HARD, c->first, 1) != HV_OK)
            return HV_ENOSPC;
        catches[i] = *c;
        catches[i].number = *number = ++last_number;
        catch_update();
        return HV_OK;
    }
    return HV_ENOSPC;
}

bool catch_remove(unsigned number)
{
    for (unsigned i = 0; i < CATCHES; i++) {
        if (!number || catches[i].number != number)
            continue;
        if (catches[i].kind == CATCH_DOOR)
            watch_remove(GDB_BREAK_HARD, catches[i].first, 1);
        catches[i].number = 0;
        catch_update();
        return true;
    }
    return false;
}

void catch_remove_all(void)
{
    for (unsigned i = 0; i < CATCHES; i++)
        catch_remove(catches[i].number);
    last_number = 0;
}

const struct catch *catch_at(unsigned place)
{
    return catches[place].number ? &catches[place] : NULL;
}

/* What tells that ring 3 has begun: no processor exits for that. */
#define ANY_FAULT (~(uint32_t)(HV_BIT(VECTOR_DB) | HV_BIT(VECTOR_NMI) | HV_BIT(VECTOR_BP)))

static unsigned traps_of(const struct catch *c)
{
    switch (c->kind) {
    case CATCH_EXCEPTION:
        return c->first == VECTOR_DB   ? TRAP_DEBUG | TRAP_DR_READS
               : c->first == VECTOR_BP ? TRAP_BREAKPOINT
                                       : 0;
    case CATCH_CR:
        return c->first == 0 ? TRAP_CR0_WRITES : c->first == 3 ? TRAP_CR3_WRITES : TRAP_CR4_WRITES;
    case CATCH_MSR:
    case CATCH_IO:
        return TRAP_WATCHED;
    case CATCH_INT:
        return TRAP_SOFT_INT;
    case CATCH_PHASE:
        return c->first == PHASE_RING3 ? 0 : TRAP_CR0_WRITES;
    case CATCH_CPUID:
    case CATCH_DOOR:
        break;
    }
    return 0;
}

unsigned catch_traps(void)
{
    unsigned traps = 0;

    for (unsigned i = 0; i < CATCHES; i++)
        traps |= catches[i].number ? traps_of(&catches[i]) : 0;
    return traps;
}

uint32_t catch_exceptions(void)
{
    uint32_t exceptions = 0;

    for (unsigned i = 0; i < CATCHES; i++) {
        const struct catch *c = &catches[i];

        if (c->number && c->kind == CATCH_EXCEPTION)
            exceptions |= (uint32_t)HV_BIT(c->first) & ANY_FAULT;
        if (c->number && c->kind == CATCH_PHASE && c->first == PHASE_RING3)
            exceptions |= ANY_FAULT;
    }
    return exceptions;
}

static bool has(const struct catch *c, uint64_t value)
{
    return value >= c->first && value <= c->last;
}

static bool is_exception(const struct catch *c, const struct hv_exit *exit)
{
    switch (exit->kind) {
    case HV_EXIT_DEBUG:
    case HV_EXIT_ICEBP:
        return c->first == VECTOR_DB;
    case HV_EXIT_BREAKPOINT:
        return c->first == VECTOR_BP;
    case HV_EXIT_SOFT_INT: /* INTO */
        return c->first == VECTOR_OF && exit->soft_int.vector == VECTOR_OF &&
               exit->insn_length == 1;
    case HV_EXIT_EXCEPTION:
        break;
    default:
        return false;
    }
    if (exit->exception.vector != c->first)
        return false;
    if (c->has_error && !(exit->exception.has_error && exit->exception.error == c->error))
        return false;
    return !c->has_address ||
           (exit->exception.address >= c->low && exit->exception.address <= c->high);
}

static bool is_port(const struct catch *c, const struct hv_exit *exit)
{
    return exit->kind == HV_EXIT_IO && (c->access & (exit->io.in ? CATCH_READ : CATCH_WRITE)) &&
           exit->io.port <= c->last && exit->io.port + exit->io.size > c->first;
}

static bool is_case(struct vcpu *v, const struct catch *c, const struct hv_exit *exit)
{
    switch (c->kind) {
    case CATCH_EXCEPTION:
        return is_exception(c, exit);
    case CATCH_CR:
        return exit->kind == HV_EXIT_CR_WRITE && has(c, exit->cr.number);
    case CATCH_MSR:
        return ((exit->kind == HV_EXIT_MSR_READ && (c->access & CATCH_READ)) ||
                (exit->kind == HV_EXIT_MSR_WRITE && (c->access & CATCH_WRITE))) &&
               has(c, (uint32_t)v->regs.gpr[GPR_RCX]);
    case CATCH_IO:
        return is_port(c, exit);
    case CATCH_CPUID:
        return exit->kind == HV_EXIT_CPUID && has(c, (uint32_t)v->regs.gpr[GPR_RAX]);
    case CATCH_INT:
        return exit->kind == HV_EXIT_SOFT_INT && has(c, exit->soft_int.vector);
    case CATCH_DOOR:
        return false;
    case CATCH_PHASE:
        return c->first == PHASE_RING3 && exit->kind == HV_EXIT_EXCEPTION && vcpu_cpl(v) == 3;
    }
    return false;
}

const struct catch *catch_find(struct vcpu *v, const struct hv_exit *exit)
{
    for (unsigned i = 0; i < CATCHES; i++) {
        if (catches[i].number && is_case(v, &catches[i], exit))
            return &catches[i];
    }
    return NULL;
}

const struct catch *catch_door_at(gva_t address)
{
    for (unsigned i = 0; i < CATCHES; i++) {
        if (catches[i].number && catches[i].kind == CATCH_DOOR && catches[i].first == address)
            return &catches[i];
    }
    return NULL;
}

unsigned catch_phases(struct vcpu *v)
{
    vcpu_need(v, REGS_CONTROL);
    return (unsigned)((v->regs.cr0 & CR0_PE ? HV_BIT(PHASE_PROTECTED) : 0) |
                      (v->regs.cr0 & CR0_PG ? HV_BIT(PHASE_PAGING) : 0) |
                      (v->regs.efer & EFER_LMA ? HV_BIT(PHASE_LONG) : 0));
}

const struct catch *catch_of_phase(unsigned phases)
{
    for (unsigned i = 0; i < CATCHES; i++) {
        const struct catch *c = &catches[i];

        if (c->number && c->kind == CATCH_PHASE && (phases & HV_BIT(c->first)))
            return c;
    }
    return NULL;
}
