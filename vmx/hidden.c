#include "vmx/hidden.h"

#include "hv/compiler.h"
#include "vmx/vmcs.h"

enum { NEVER = 0 };
#define ALL                                                                                        \
    {                                                                                              \
        UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX                                             \
    }

/*
 * CPUID's bits of what is #UD in a guest without this secondary control (SDM vol. 3, "Definitions
 * of Secondary Processor-Based VM-Execution Controls"), or what is never given, and why.
 */
static const struct {
    uint32_t control;
    struct cpuid_row row;
} hidden[] = {
    {VMX_CPU2_RDTSCP, {0x80000001, CPUID_ANY_SUBLEAF, {.edx = HV_BIT(27)}}},
    {VMX_CPU2_RDTSCP, {7, 0, {.ecx = HV_BIT(22)}}}, /* RDPID */
    {VMX_CPU2_INVPCID, {7, 0, {.ebx = HV_BIT(10)}}},
    {VMX_CPU2_XSAVES, {0xd, 1, {.eax = HV_BIT(3), .ecx = UINT32_MAX, .edx = UINT32_MAX}}},
    {VMX_CPU2_USER_WAIT, {7, 0, {.ecx = HV_BIT(5)}}}, /* UMONITOR, UMWAIT, TPAUSE */
    {VMX_CPU2_PCONFIG, {7, 0, {.edx = HV_BIT(18)}}},
    {VMX_CPU2_PCONFIG, {0x1b, CPUID_ANY_SUBLEAF, ALL}},
    /* Intel PT writes past EPT, into our memory too, unless its MSR is switched at each exit. */
    {NEVER, {7, 0, {.ebx = HV_BIT(25)}}},
    {NEVER, {0x14, CPUID_ANY_SUBLEAF, ALL}},
    /* Events for a guest under FRED need their data beside them. */
    {NEVER, {7, 1, {.eax = HV_BIT(17)}}},
    /* Forms of RDMSR and WRMSR with exits of their own: lists (#UD without a tertiary control), */
    {NEVER, {7, 1, {.eax = HV_BIT(27)}}},
    {NEVER, {7, 1, {.ecx = HV_BIT(5)}}},  /* the MSR's number as an immediate, */
    {NEVER, {7, 1, {.edx = HV_BIT(15)}}}, /* and those for user mode. */
};
_Static_assert(HV_ARRAY_SIZE(hidden) <= VMX_HIDDEN_MAX, "more rows than a caller has room for");

unsigned vmx_hidden_make(uint32_t cpu2, struct cpuid_row rows[VMX_HIDDEN_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(hidden); i++) {
        if (!(cpu2 & hidden[i].control))
            rows[count++] = hidden[i].row;
    }
    return count;
}
