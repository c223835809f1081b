#include "core/policy.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/ipi.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* Every MSR row that exits, and why. */
static const struct msr_row msr_rows[] = {
    {MSR_APIC_BASE, MSR_APIC_BASE, MSR_TRAP_WRITE}, /* a guarded page stays where it is */
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, MSR_TRAP_READ | MSR_TRAP_WRITE}, /* VMX is off */
    {MSR_VMX_BASIC, MSR_VMX_LAST, MSR_TRAP_READ | MSR_TRAP_WRITE},      /* no VMX: no such MSRs */
    {MSR_RTIT_FIRST, MSR_RTIT_LAST, MSR_TRAP_READ | MSR_TRAP_WRITE},    /* Intel PT is hidden */
    {MSR_EFER, MSR_EFER, MSR_TRAP_READ | MSR_TRAP_WRITE},               /* SVME is ours, hidden */
    {MSR_VM_CR, MSR_VM_CR, MSR_TRAP_READ | MSR_TRAP_WRITE},             /* no SVM: no such MSR */
    {MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, MSR_TRAP_READ | MSR_TRAP_WRITE}, /* ours */
    {MSR_SVM_KEY, MSR_SVM_KEY, MSR_TRAP_READ | MSR_TRAP_WRITE},         /* no SVM: no such MSR */
    /* INIT, start-up and NMI are ours; the last row, not there when they are exits instead. */
    {MSR_X2APIC_ICR, MSR_X2APIC_ICR, MSR_TRAP_WRITE},
};

static const struct msr_row *watched;
static unsigned watched_count;

void msr_policy_watch(const struct msr_row *rows, unsigned count)
{
    watched = rows;
    watched_count = count;
}

void msr_policy_build(uint8_t *maps, size_t size, msr_map_fn add)
{
    memset(maps, 0, POLICY_MAPS * size);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(msr_rows) - ipi_by_exits(); i++) {
        add(maps + POLICY_OWN * size, &msr_rows[i], true);
        add(maps + POLICY_WATCHED * size, &msr_rows[i], true);
    }
    for (unsigned i = 0; i < watched_count; i++)
        add(maps + POLICY_WATCHED * size, &watched[i], false);
}

bool msr_policy_wants(uint32_t msr)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(msr_rows); i++) {
        if (msr >= msr_rows[i].first && msr <= msr_rows[i].last)
            return true;
    }
    return false;
}

/* The EFER bits this processor knows, without the hidden ones. APM vol. 2, "EFER". */
static uint64_t efer_known(void)
{
    struct cpuid_result ext = cpuid(0x80000001, 0);
    uint64_t known = EFER_SCE | EFER_LME | EFER_LMA | EFER_LMSLE | EFER_TCE;

    if (ext.edx & HV_BIT(20))
        known |= EFER_NXE;
    if (ext.edx & HV_BIT(25))
        known |= EFER_FFXSR;
    if (cpuid(0x80000000, 0).eax >= 0x80000021)
        known |= cpuid(0x80000021, 0).eax & HV_BIT(8) ? HV_BIT(21) : 0; /* AutomaticIBRS */
    return known;
}

/* Of what is hidden there are no MSRs; IA32_FEATURE_CONTROL, which has more in it, is locked. */
static bool is_hidden(uint32_t msr)
{
    return msr == MSR_FEATURE_CONTROL || (msr >= MSR_VMX_BASIC && msr <= MSR_VMX_LAST) ||
           (msr >= MSR_RTIT_FIRST && msr <= MSR_RTIT_LAST) || msr == MSR_VM_CR ||
           msr == MSR_VM_HSAVE_PA || msr == MSR_SVM_KEY;
}

static bool write_efer(struct vcpu *v, uint64_t value)
{
    vcpu_change(v, REGS_CONTROL);
    uint64_t old = v->regs.efer;

    if (value & ~efer_known())
        return false;
    if ((v->regs.cr0 & CR0_PG) && ((value ^ old) & EFER_LME))
        return false; /* "Activating Long Mode": LME changes only while paging is off */
    v->regs.efer = (value & ~EFER_LMA) | (old & EFER_LMA);
    return true;
}

bool msr_policy_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_EFER:
        vcpu_need(v, REGS_CONTROL);
        *value = v->regs.efer;
        return true;
    case MSR_FEATURE_CONTROL:
        if (!rdmsr_safe(msr, value))
            return false;
        *value = (*value & ~FEATURE_CONTROL_VIRT) | FEATURE_CONTROL_LOCK;
        return true;
    default:
        return !is_hidden(msr) && rdmsr_safe(msr, value);
    }
}

bool msr_policy_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_EFER:
        return write_efer(v, value);
    case MSR_APIC_BASE:
        return ipi_write_base(v, value);
    case MSR_X2APIC_ICR:
        return ipi_deliver(v, value) || wrmsr_safe(msr, value);
    default:
        return !is_hidden(msr) && wrmsr_safe(msr, value);
    }
}

/* SDM vol. 2 and APM vol. 3, "CPUID". */
static const struct cpuid_row cpuid_rows[] = {
    {1, CPUID_ANY_SUBLEAF, {.ecx = HV_BIT(5) | HV_BIT(6)}},           /* VMX, SMX */
    {0x80000001, CPUID_ANY_SUBLEAF, {.ecx = HV_BIT(2) | HV_BIT(12)}}, /* SVM, SKINIT */
    {0x8000000a, CPUID_ANY_SUBLEAF, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
};
static const struct cpuid_row *backend_rows;
static unsigned backend_row_count;

void cpuid_policy_hide(const struct cpuid_row *rows, unsigned count)
{
    backend_rows = rows;
    backend_row_count = count;
}

static void hide(const struct cpuid_row *rows, unsigned count, uint32_t leaf, uint32_t subleaf,
                 struct cpuid_words *seen)
{
    for (unsigned i = 0; i < count; i++) {
        const struct cpuid_words *bits = &rows[i].bits;

        if (rows[i].leaf != leaf ||
            (rows[i].subleaf != subleaf && rows[i].subleaf != CPUID_ANY_SUBLEAF))
            continue;
        seen->eax &= ~bits->eax;
        seen->ebx &= ~bits->ebx;
        seen->ecx &= ~bits->ecx;
        seen->edx &= ~bits->edx;
    }
}

/* A bit that mirrors the guest's CR4: the instruction ran with ours. */
static void mirror(uint32_t *word, unsigned bit, uint64_t on)
{
    *word = (*word & ~(uint32_t)HV_BIT(bit)) | (on ? (uint32_t)HV_BIT(bit) : 0);
}

struct cpuid_words cpuid_policy(uint32_t leaf, uint32_t subleaf, struct cpuid_words real,
                                uint64_t guest_cr4)
{
    enum { OSXSAVE = 27, OSPKE = 4 };
    struct cpuid_words seen = real;

    hide(cpuid_rows, HV_ARRAY_SIZE(cpuid_rows), leaf, subleaf, &seen);
    hide(backend_rows, backend_row_count, leaf, subleaf, &seen);
    if (leaf == 1)
        mirror(&seen.ecx, OSXSAVE, guest_cr4 & CR4_OSXSAVE);
    if (leaf == 7 && subleaf == 0)
        mirror(&seen.ecx, OSPKE, guest_cr4 & CR4_PKE);
    return seen;
}

bool xcr0_policy(uint64_t value, uint64_t known)
{
    enum { X87 = 1, SSE = 2, AVX = 4, BOUND = 3 << 3, AVX512 = 7 << 5, TILE = 3 << 17 };

    if ((value & ~known) || !(value & X87))
        return false;
    if ((value & AVX) && !(value & SSE))
        return false;
    if ((value & BOUND) != 0 && (value & BOUND) != BOUND)
        return false;
    if ((value & TILE) != 0 && (value & TILE) != TILE)
        return false;
    return (value & AVX512) == 0 || ((value & AVX512) == AVX512 && (value & AVX));
}
