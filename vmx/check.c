#include "vmx/check.h"

#include "arch/x86/mtrr.h"
#include "arch/x86/registers.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "vmx/vmcs.h"

static void note(struct vmx_faults *faults, const char *field, uint64_t value, uint64_t bits,
                 const char *rule)
{
    if (faults->count < VMX_FAULTS_KEPT)
        faults->fault[faults->count] = (struct vmx_fault){
            .group = faults->group, .field = field, .rule = rule, .value = value, .bits = bits};
    faults->count++;
}

void vmx_expect(struct vmx_faults *faults, bool holds, const char *field, uint64_t value,
                const char *rule)
{
    if (!holds)
        note(faults, field, value, 0, rule);
}

void vmx_expect_clear(struct vmx_faults *faults, uint64_t bits, const char *field, uint64_t value,
                      const char *rule)
{
    if (value & bits)
        note(faults, field, value, value & bits, rule);
}

void vmx_expect_fixed(struct vmx_faults *faults, uint64_t ones, uint64_t may, const char *field,
                      uint64_t value)
{
    if (ones & ~value)
        note(faults, field, value, ones & ~value, "bits that VMX wants set on this processor");
    vmx_expect_clear(faults, ~may, field, value, "bits this processor does not allow");
}

void vmx_expect_canonical(struct vmx_faults *faults, const struct vmx_features *can,
                          const char *field, uint64_t address)
{
    uint64_t high = UINT64_MAX << (can->linear_bits - 1);

    vmx_expect(faults, !(address & high) || (address & high) == high, field, address,
               "is not canonical");
}

void vmx_expect_pat(struct vmx_faults *faults, const char *field, uint64_t value)
{
    vmx_expect(faults, pat_is_valid(value), field, value, "a byte of it is no memory type");
}

uint64_t vmx_beyond_memory(const struct vmx_features *can)
{
    return UINT64_MAX << can->phys_bits;
}

bool vmx_is_v8086(const struct vmx_guest_fields *g)
{
    return g->rflags & RFLAGS_VM;
}

void vmx_check_entry(struct vmx_faults *faults, const struct vmx_fields *fields,
                     const struct vmx_features *can)
{
    memset(faults, 0, sizeof(*faults));
    vmx_check_controls(faults, fields, can);
    vmx_check_host(faults, fields, can);
    vmx_check_guest(faults, fields, can);
}

size_t vmx_fault_text(const struct vmx_fault *fault, char *text, size_t size)
{
    unsigned long long value = fault->value, bits = fault->bits;

    if (!bits)
        return fmt_print(text, size, "%s %s %llx: %s", fault->group, fault->field, value,
                         fault->rule);
    return fmt_print(text, size, "%s %s %llx: %s (%llx)", fault->group, fault->field, value,
                     fault->rule, bits);
}
