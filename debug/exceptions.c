#include "debug/exceptions.h"

#include "arch/x86/registers.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* A CPU writes its own; others look while it stands. */
static struct {
    struct exception_record records[EXCEPTIONS_KEPT];
    uint64_t count;
} rings[HV_MAX_CPUS];

void exceptions_record(struct vcpu *v, const struct hv_exit *exit)
{
    uint64_t *count = &rings[v->number].count;
    bool page_fault = exit->exception.vector == VECTOR_PF;

    vcpu_need(v, REGS_CONTROL | REGS_SEGMENTS);
    rings[v->number].records[*count % EXCEPTIONS_KEPT] = (struct exception_record){
        .rip = v->regs.rip,
        .cr3 = v->regs.cr3,
        .cr2 = page_fault ? exit->exception.address : v->regs.cr2,
        .error = exit->exception.has_error ? exit->exception.error : 0,
        .cs = v->regs.seg[SEG_CS].selector,
        .vector = exit->exception.vector,
        .cpl = (uint8_t)vcpu_cpl(v),
        .has_error = exit->exception.has_error,
    };
    ++*count;
}

const struct exception_record *exceptions_get(unsigned cpu, unsigned nth)
{
    uint64_t count = rings[cpu].count;

    if (nth >= EXCEPTIONS_KEPT || nth >= count)
        return NULL;
    return &rings[cpu].records[(count - 1 - nth) % EXCEPTIONS_KEPT];
}

void exceptions_clear(void)
{
    memset(rings, 0, sizeof(rings));
}

uint32_t exceptions_wanted(void)
{
    uint32_t all = ~(uint32_t)(HV_BIT(VECTOR_DB) | HV_BIT(VECTOR_NMI) | HV_BIT(VECTOR_BP));

    return debug.exceptions ? all : 0;
}
