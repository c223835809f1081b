#include "svm/features.h"

#include "arch/x86/insn.h"
#include "arch/x86/maker.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "lib/fmt.h"

enum { VM_CR_LOCK = 1 << 3, VM_CR_SVMDIS = 1 << 4 };

bool svm_features_maker(void)
{
    static const char makers[][13] = {"AuthenticAMD", "HygonGenuine"};

    return cpu_made_by(makers, HV_ARRAY_SIZE(makers));
}

/* APM vol. 3, appendix "Obtaining Processor Information": Fn8000_0001 and Fn8000_000A. */
struct svm_features svm_features_read(void)
{
    struct svm_features f = {0};

    if (cpuid(0x80000000, 0).eax < 0x8000000a)
        return f;
    f.svm = cpuid(0x80000001, 0).ecx & HV_BIT(2);
    if (!f.svm)
        return f;

    uint64_t vm_cr;
    if (rdmsr_safe(MSR_VM_CR, &vm_cr)) {
        f.disabled = vm_cr & VM_CR_SVMDIS;
        f.locked = vm_cr & VM_CR_LOCK;
    }

    struct cpuid_result r = cpuid(0x8000000a, 0);
    f.asids = r.ebx;
    f.npt = r.edx & HV_BIT(0);
    f.lbr = r.edx & HV_BIT(1);
    f.nrip = r.edx & HV_BIT(3);
    f.clean_bits = r.edx & HV_BIT(5);
    f.flush_by_asid = r.edx & HV_BIT(6);
    f.decode_assists = r.edx & HV_BIT(7);
    return f;
}

bool svm_features_gib_pages(void)
{
    return cpuid(0x80000001, 0).edx & HV_BIT(26);
}

const char *svm_features_refusal(const struct svm_features *f)
{
    if (!f->svm)
        return "this processor has no AMD SVM, which gdbvisor needs.";
    if (f->disabled)
        return "AMD SVM is disabled (VM_CR.SVMDIS): enable \"SVM Mode\" or \"Virtualization\" in "
               "the firmware's setup.";
    if (!f->npt)
        return "this processor's SVM has no nested paging (NPT), which gdbvisor needs.";
    if (f->asids < 4)
        return "this processor's SVM has fewer than 4 address space identifiers (ASIDs).";
    return NULL;
}

size_t svm_features_text(const struct svm_features *f, char *text, size_t size)
{
    return fmt_print(text, size, "NPT, %u ASIDs%s%s%s%s%s", (unsigned)f->asids,
                     f->lbr ? ", LBR virtualization" : "", f->nrip ? ", nRIP" : "",
                     f->clean_bits ? ", clean bits" : "", f->flush_by_asid ? ", flush by ASID" : "",
                     f->decode_assists ? ", decode assists" : "");
}
