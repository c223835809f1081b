#include "vmx/features.h"

#include "arch/x86/insn.h"
#include "arch/x86/maker.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "vmx/controls.h"
#include "vmx/vmcs.h"

enum { BASIC_TRUE_CONTROLS = 55, CPU_SECONDARY_ALLOWED = 63, CPU2_EPT_ALLOWED = 33 };

bool vmx_features_maker(void)
{
    static const char makers[][13] = {"GenuineIntel", "CentaurHauls", "  Shanghai  "};

    return cpu_made_by(makers, HV_ARRAY_SIZE(makers));
}

static uint64_t read(uint32_t msr)
{
    uint64_t value;
    return rdmsr_safe(msr, &value) ? value : 0;
}

struct vmx_features vmx_features_read(void)
{
    struct vmx_features f = {0};

    f.vmx = cpuid(1, 0).ecx & HV_BIT(5);
    if (!f.vmx)
        return f;
    /* A processor with VMX has this leaf. */
    uint32_t widths = cpuid(0x80000008, 0).eax;
    f.phys_bits = widths & 0xff;
    f.linear_bits = widths >> 8 & 0xff;
    f.feature_control = read(MSR_FEATURE_CONTROL);
    f.basic = read(MSR_VMX_BASIC);
    bool exact = f.basic & HV_BIT(BASIC_TRUE_CONTROLS);
    f.pin = read(exact ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN);
    f.cpu = read(exact ? MSR_VMX_TRUE_CPU : MSR_VMX_CPU);
    f.exit = read(exact ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
    f.entry = read(exact ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
    if (f.cpu & HV_BIT(CPU_SECONDARY_ALLOWED))
        f.cpu2 = read(MSR_VMX_CPU2);
    if (f.cpu2 >> 32 & (VMX_CPU2_EPT | VMX_CPU2_VPID))
        f.ept_vpid = read(MSR_VMX_EPT_VPID);
    f.misc = read(MSR_VMX_MISC);
    f.cr0_fixed0 = read(MSR_VMX_CR0_FIXED0);
    f.cr0_fixed1 = read(MSR_VMX_CR0_FIXED1);
    f.cr4_fixed0 = read(MSR_VMX_CR4_FIXED0);
    f.cr4_fixed1 = read(MSR_VMX_CR4_FIXED1);
    return f;
}

bool vmx_features_gib_pages(void)
{
    return (cpuid(1, 0).ecx & HV_BIT(5)) && (rdmsr(MSR_VMX_CPU) & HV_BIT(CPU_SECONDARY_ALLOWED)) &&
           (rdmsr(MSR_VMX_CPU2) & HV_BIT(CPU2_EPT_ALLOWED)) &&
           (rdmsr(MSR_VMX_EPT_VPID) & VMX_EPT_1G);
}

uint64_t vmx_feature_control(uint64_t value)
{
    if (value & FEATURE_CONTROL_LOCK)
        return value;
    return value | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON;
}

static const char *ept_refusal(const struct vmx_features *f)
{
    if (!(f->cpu2 >> 32 & VMX_CPU2_EPT))
        return "this processor's VT-x has no extended page tables (EPT), which gdbvisor needs.";
    if (!(f->cpu2 >> 32 & VMX_CPU2_UNRESTRICTED))
        return "this processor's VT-x has no \"unrestricted guest\" (real mode in a guest), which "
               "gdbvisor needs.";
    if (!(f->ept_vpid & VMX_EPT_FOUR_LEVELS) || !(f->ept_vpid & VMX_EPT_WB) ||
        !(f->ept_vpid & VMX_EPT_2M))
        return "this processor's EPT has no four-level tables with 2 MiB pages in write-back "
               "memory.";
    if (!(f->ept_vpid & VMX_EPT_INVEPT) || !(f->ept_vpid & VMX_EPT_INVEPT_ALL))
        return "this processor has no INVEPT of all contexts, which gdbvisor needs.";
    return NULL;
}

const char *vmx_features_refusal(const struct vmx_features *f)
{
    if (!f->vmx)
        return "this processor has no Intel VT-x (VMX), which gdbvisor needs, or the firmware "
               "hides it: look for \"Intel Virtualization Technology\" in the firmware's setup.";
    if (!(vmx_feature_control(f->feature_control) & FEATURE_CONTROL_VMXON))
        return "Intel VT-x is disabled and locked (IA32_FEATURE_CONTROL): enable \"Intel "
               "Virtualization Technology\" or \"VT-x\" in the firmware's setup, then switch the "
               "machine off and on.";
    const char *reason = ept_refusal(f);
    return reason ? reason : vmx_controls_missing(f);
}

size_t vmx_features_text(const struct vmx_features *f, char *text, size_t size)
{
    uint32_t cpu2 = vmx_controls_make(f).cpu2;

    return fmt_print(text, size, "EPT%s%s%s%s", f->ept_vpid & VMX_EPT_1G ? ", 1 GiB pages" : "",
                     f->ept_vpid & VMX_EPT_EXECUTE_ONLY ? ", execute-only pages" : "",
                     f->ept_vpid & VMX_EPT_ACCESSED ? ", accessed and dirty bits" : "",
                     cpu2 & VMX_CPU2_VPID ? ", VPID" : "");
}
