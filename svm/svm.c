#include "svm/svm.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "core/policy.h"
#include "core/step_trap.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "svm/run.h"
#include "svm/state.h"
#include "svm/traps.h"

struct svm_cpu svm_cpus[HV_MAX_CPUS];
struct svm_features svm_features;

/* Nested paging takes the format of the host's own tables: P, RW, US; PS; NX. */
static const struct stage2_format npt_format = {
    .table = 7, .leaf = 5, .large = 0x80, .write = 2, .execute = 0, .no_execute = 1ULL << 63};

/*
 * CPUID's bits of what a guest cannot have: INVLPGB and TLBSYNC, #UD there without a control of
 * their own; memory encryption, whose key we would have to see the guest's memory with.
 */
static const struct cpuid_row hidden[] = {
    {0x80000008, CPUID_ANY_SUBLEAF, {.ebx = HV_BIT(3)}},
    {0x8000001f, CPUID_ANY_SUBLEAF, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
};

static const char *svm_present(void)
{
    svm_features = svm_features_read();
    return svm_features_refusal(&svm_features);
}

static size_t svm_describe(char *text, size_t size)
{
    return svm_features_text(&svm_features, text, size);
}

static void svm_cpu_on(struct vcpu *v)
{
    struct svm_cpu *cpu = &svm_cpus[v->number];

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, (hpa_t)cpu->host_save);
    clgi();
    vmsave((hpa_t)&cpu->host_vmcb);

    svm_maps_build();
    cpuid_policy_hide(hidden, HV_ARRAY_SIZE(hidden));
    cpu->vmcb.control.nested_control = 1;
    cpu->vmcb.control.lbr_control = svm_features.lbr;
    cpu->vmcb.save.pat = rdmsr(MSR_PAT);
    cpu->stale_asids = SVM_ASIDS;
}

static void svm_remap(void)
{
    svm_maps_build();
    for (unsigned i = 0; i < vcpu_count(); i++)
        svm_cpus[i].vmcb.control.clean &= ~(uint32_t)SVM_CLEAN_IOPM;
}

static void svm_cpu_off(struct vcpu *v)
{
    (void)v;
    wrmsr(MSR_VM_HSAVE_PA, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
}

static void svm_reset(struct vcpu *v)
{
    struct vmcb *vmcb = &svm_cpus[v->number].vmcb;
    uint64_t pat = vmcb->save.pat;

    memset(&vmcb->save, 0, sizeof(vmcb->save));
    vmcb->save.pat = pat;
    vmcb->control.clean = 0;
    v->changed = REGS_ALL;
}

static void svm_fetch(struct vcpu *v, unsigned groups)
{
    svm_state_fetch(&svm_cpus[v->number].vmcb, groups, &v->regs);
    if (groups & REGS_CONTROL)
        v->regs.cr8 = read_cr8();
}

static unsigned svm_take_nmi(void)
{
    uint64_t seen = traps_nmi_count();

    take_pending_nmi();
    return (unsigned)(traps_nmi_count() - seen);
}

static unsigned svm_wait(struct vcpu *v)
{
    const uint64_t *nmis = traps_nmi_counter();
    uint64_t seen = *nmis;
    (void)v;

    stgi();
    traps_wait_nmi(nmis, seen);
    clgi();
    return (unsigned)(*nmis - seen);
}

static void svm_flush(struct vcpu *v)
{
    svm_cpus[v->number].stale_asids = SVM_ASIDS;
}

static void svm_dump(struct vcpu *v, void (*line)(const char *text))
{
    const struct vmcb *b = &svm_cpus[v->number].vmcb;
    char text[100];

    fmt_print(text, sizeof(text), "exit code %llx info %llx %llx interrupted %llx injected %llx",
              (unsigned long long)b->control.exit_code, (unsigned long long)b->control.exit_info1,
              (unsigned long long)b->control.exit_info2,
              (unsigned long long)b->control.exit_int_info,
              (unsigned long long)b->control.event_injection);
    line(text);
    fmt_print(text, sizeof(text), "cr0 %llx cr3 %llx cr4 %llx efer %llx rflags %llx",
              (unsigned long long)b->save.cr0, (unsigned long long)b->save.cr3,
              (unsigned long long)b->save.cr4, (unsigned long long)b->save.efer,
              (unsigned long long)b->save.rflags);
    line(text);
    fmt_print(text, sizeof(text), "cs %x base %llx attributes %x  ss %x attributes %x  cpl %u",
              (unsigned)b->save.cs.selector, (unsigned long long)b->save.cs.base,
              (unsigned)b->save.cs.attributes, (unsigned)b->save.ss.selector,
              (unsigned)b->save.ss.attributes, (unsigned)b->save.cpl);
    line(text);
}

const struct hv_backend svm_backend = {
    .name = "AMD SVM",
    .maker = svm_features_maker,
    .present = svm_present,
    .describe = svm_describe,
    .stage2 = &npt_format,
    .gib_pages = svm_features_gib_pages,
    .cpu_on = svm_cpu_on,
    .cpu_off = svm_cpu_off,
    .reset = svm_reset,
    .run = svm_run,
    .step = core_step_by_trap,
    .fetch = svm_fetch,
    .take_nmi = svm_take_nmi,
    .wait = svm_wait,
    .flush = svm_flush,
    .remap = svm_remap,
    .dump = svm_dump,
};
