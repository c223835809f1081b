#include "vmx/controls.h"

#include "hv/compiler.h"
#include "vmx/vmcs.h"

enum word { PIN, CPU, CPU2, EXIT, ENTRY, WORDS };

/* What each word is to have, or not to have, and what a person is told when it cannot be so. */
static const struct need {
    enum word word;
    enum { MUST, MAY, NEVER } need;
    uint32_t bits;
    const char *missing;
} needs[] = {
    {PIN, MUST, VMX_PIN_NMI, "this processor's VT-x has no NMI exiting."},
    {PIN, MUST, VMX_PIN_VIRTUAL_NMIS, "this processor's VT-x has no virtual NMIs."},
    {PIN, NEVER, VMX_PIN_EXTERNAL, "this processor's VT-x cannot leave interrupts to the guest."},
    {CPU, MUST, VMX_CPU_MOV_DR, "this processor's VT-x has no MOV-DR exiting."},
    {CPU, MUST, VMX_CPU_IO_BITMAPS, "this processor's VT-x has no I/O bitmaps."},
    {CPU, MUST, VMX_CPU_MSR_BITMAP, "this processor's VT-x has no MSR bitmaps."},
    {CPU, MUST, VMX_CPU_SECONDARY, "this processor's VT-x has no secondary controls."},
    {CPU, MUST, VMX_CPU_HLT, "this processor's VT-x has no HLT exiting."},
    {CPU, MUST, VMX_CPU_NMI_WINDOW, "this processor's VT-x has no NMI-window exiting."},
    {CPU, NEVER, VMX_CPU_CR3_LOAD | VMX_CPU_CR3_STORE | VMX_CPU_CR8_LOAD | VMX_CPU_CR8_STORE,
     "this processor's VT-x cannot leave CR3 and CR8 to the guest."},
    {CPU, NEVER, VMX_CPU_INVLPG | VMX_CPU_RDPMC | VMX_CPU_RDTSC | VMX_CPU_PAUSE,
     "this processor's VT-x cannot leave INVLPG, RDPMC, RDTSC and PAUSE to the guest."},
    {CPU2, MUST, VMX_CPU2_EPT, "this processor's VT-x has no EPT."},
    {CPU2, MUST, VMX_CPU2_UNRESTRICTED, "this processor's VT-x has no unrestricted guest."},
    {CPU2, MAY, VMX_CPU2_VPID, NULL},
    /* Instructions that are invalid in a guest unless enabled, and that CPUID shows to it. */
    {CPU2, MAY, VMX_CPU2_RDTSCP, NULL},
    {CPU2, MAY, VMX_CPU2_INVPCID, NULL},
    {CPU2, MAY, VMX_CPU2_XSAVES, NULL},
    {CPU2, MAY, VMX_CPU2_USER_WAIT, NULL},
    {EXIT, MUST, VMX_EXIT_HOST_64, "this processor's VT-x has no 64-bit host."},
    {EXIT, MUST, VMX_EXIT_SAVE_DEBUG, "this processor's VT-x does not save debug controls."},
    {EXIT, MUST, VMX_EXIT_SAVE_EFER | VMX_EXIT_LOAD_EFER,
     "this processor's VT-x does not switch EFER."},
    {EXIT, MAY, VMX_EXIT_SAVE_PAT | VMX_EXIT_LOAD_PAT, NULL},
    {ENTRY, MUST, VMX_ENTRY_LOAD_DEBUG, "this processor's VT-x does not load debug controls."},
    {ENTRY, MUST, VMX_ENTRY_LOAD_EFER, "this processor's VT-x does not switch EFER."},
    {ENTRY, MUST, VMX_ENTRY_IA32E, "this processor's VT-x has no 64-bit guests."},
    {ENTRY, MAY, VMX_ENTRY_LOAD_PAT, NULL},
};

/* Bits that are set by default and are only set for a time: needed, but not from the beginning. */
#define CPU_AT_TIMES (VMX_CPU_HLT | VMX_CPU_NMI_WINDOW)

static uint64_t capability(const struct vmx_features *f, enum word word)
{
    const uint64_t values[WORDS] = {f->pin, f->cpu, f->cpu2, f->exit, f->entry};
    return values[word];
}

bool vmx_controls_allow(uint64_t value, uint32_t bits)
{
    return (bits & ~(uint32_t)(value >> 32)) == 0;
}

const char *vmx_controls_missing(const struct vmx_features *f)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(needs); i++) {
        uint64_t value = capability(f, needs[i].word);

        if (needs[i].need == MUST && !vmx_controls_allow(value, needs[i].bits))
            return needs[i].missing;
        if (needs[i].need == NEVER && ((uint32_t)value & needs[i].bits))
            return needs[i].missing;
    }
    return NULL;
}

/* The low half of a capability: bits that have to be 1; the high half: bits that may be. */
static uint32_t make(const struct vmx_features *f, enum word word)
{
    uint64_t value = capability(f, word);
    uint32_t bits = (uint32_t)value;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(needs); i++) {
        if (needs[i].word == word && needs[i].need != NEVER)
            bits |= needs[i].bits & (uint32_t)(value >> 32);
    }
    return bits;
}

struct vmx_controls vmx_controls_make(const struct vmx_features *f)
{
    struct vmx_controls c = {
        .pin = make(f, PIN),
        .cpu = make(f, CPU) & ~CPU_AT_TIMES,
        .cpu2 = make(f, CPU2),
        .exit = make(f, EXIT),
        .entry = make(f, ENTRY) & ~VMX_ENTRY_IA32E,
    };
    return c;
}
