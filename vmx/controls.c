#include "vmx/controls.h"

#include "hv/compiler.h"
#include "vmx/vmcs.h"

enum word { PIN, CPU, CPU2, EXIT, ENTRY, WORDS };

/*
 * What each word has. MUST: set; MAY: set where it is allowed; TIMES: set for a time, so it must be
 * allowed and must not be demanded; MAY_TIMES: the same where it is allowed; NEVER: must not be
 * demanded. `missing` is what a person is told when it cannot be so. All other controls are off;
 * see words[].demanded.
 */
static const struct need {
    enum word word;
    enum { MUST, MAY, TIMES, MAY_TIMES, NEVER } need;
    uint32_t bits;
    const char *missing;
} needs[] = {
    {PIN, MUST, VMX_PIN_NMI, "this processor's VT-x has no NMI exiting."},
    {PIN, MUST, VMX_PIN_VIRTUAL_NMIS, "this processor's VT-x has no virtual NMIs."},
    {PIN, TIMES, VMX_PIN_EXTERNAL, "this processor's VT-x has no external-interrupt exiting."},
    {PIN, NEVER, VMX_PIN_EXTERNAL, "this processor's VT-x cannot leave interrupts to the guest."},
    {CPU, MUST, VMX_CPU_MOV_DR, "this processor's VT-x has no MOV-DR exiting."},
    {CPU, MUST, VMX_CPU_IO_BITMAPS, "this processor's VT-x has no I/O bitmaps."},
    {CPU, MUST, VMX_CPU_MSR_BITMAP, "this processor's VT-x has no MSR bitmaps."},
    {CPU, MUST, VMX_CPU_SECONDARY, "this processor's VT-x has no secondary controls."},
    {CPU, TIMES, VMX_CPU_HLT, "this processor's VT-x has no HLT exiting."},
    {CPU, TIMES, VMX_CPU_MWAIT, "this processor's VT-x has no MWAIT exiting."},
    {CPU, TIMES, VMX_CPU_NMI_WINDOW, "this processor's VT-x has no NMI-window exiting."},
    {CPU, TIMES, VMX_CPU_CR3_LOAD, "this processor's VT-x has no CR3-load exiting."},
    {CPU, MAY_TIMES, VMX_CPU_MTF, NULL},
    {CPU, NEVER, VMX_CPU_CR3_LOAD | VMX_CPU_CR3_STORE | VMX_CPU_CR8_LOAD | VMX_CPU_CR8_STORE,
     "this processor's VT-x cannot leave CR3 and CR8 to the guest."},
    {CPU, NEVER, VMX_CPU_INVLPG | VMX_CPU_RDPMC | VMX_CPU_RDTSC | VMX_CPU_PAUSE,
     "this processor's VT-x cannot leave INVLPG, RDPMC, RDTSC and PAUSE to the guest."},
    {CPU2, MUST, VMX_CPU2_EPT, "this processor's VT-x has no EPT."},
    {CPU2, MUST, VMX_CPU2_UNRESTRICTED, "this processor's VT-x has no unrestricted guest."},
    {CPU2, MAY, VMX_CPU2_VPID, NULL},
    /* Instructions that are invalid in a guest unless enabled; else hidden.c hides them. */
    {CPU2, MAY, VMX_CPU2_RDTSCP, NULL},
    {CPU2, MAY, VMX_CPU2_INVPCID, NULL},
    {CPU2, MAY, VMX_CPU2_XSAVES, NULL},
    {CPU2, MAY, VMX_CPU2_USER_WAIT, NULL},
    {CPU2, MAY, VMX_CPU2_PCONFIG, NULL},
    {EXIT, MUST, VMX_EXIT_HOST_64, "this processor's VT-x has no 64-bit host."},
    {EXIT, MUST, VMX_EXIT_SAVE_DEBUG, "this processor's VT-x does not save debug controls."},
    {EXIT, MUST, VMX_EXIT_SAVE_EFER | VMX_EXIT_LOAD_EFER,
     "this processor's VT-x does not switch EFER."},
    {EXIT, MUST, VMX_EXIT_SAVE_PAT | VMX_EXIT_LOAD_PAT,
     "this processor's VT-x does not switch PAT."},
    {ENTRY, MUST, VMX_ENTRY_LOAD_DEBUG, "this processor's VT-x does not load debug controls."},
    {ENTRY, MUST, VMX_ENTRY_LOAD_EFER, "this processor's VT-x does not switch EFER."},
    {ENTRY, MUST, VMX_ENTRY_LOAD_PAT, "this processor's VT-x does not switch PAT."},
    {ENTRY, TIMES, VMX_ENTRY_IA32E, "this processor's VT-x has no 64-bit guests."},
};

/*
 * Controls that have always been 1 and mean nothing (SDM vol. 3, appendix "VMX Controls", the
 * default1 class without those that TRUE registers let be 0), and what is said of a demand for any
 * other that is off.
 */
static const struct {
    uint32_t reserved;
    const char *demanded;
} words[WORDS] = {
    [PIN] = {0x16, "this processor's VT-x demands a pin-based control that gdbvisor leaves off."},
    [CPU] = {0x04006172,
             "this processor's VT-x demands a processor-based control that gdbvisor leaves off."},
    [CPU2] = {0, "this processor's VT-x demands a secondary control that gdbvisor leaves off."},
    [EXIT] = {0x36dfb & ~VMX_EXIT_HOST_64,
              "this processor's VT-x demands a VM-exit control that gdbvisor leaves off."},
    [ENTRY] = {0x11fb,
               "this processor's VT-x demands a VM-entry control that gdbvisor leaves off."},
};

static uint64_t capability(const struct vmx_features *f, enum word word)
{
    const uint64_t values[WORDS] = {f->pin, f->cpu, f->cpu2, f->exit, f->entry};
    return values[word];
}

bool vmx_controls_allow(uint64_t value, uint32_t bits)
{
    return (bits & ~(uint32_t)(value >> 32)) == 0;
}

static bool is_met(const struct need *need, uint64_t value)
{
    switch (need->need) {
    case MUST:
    case TIMES:
        return vmx_controls_allow(value, need->bits);
    case NEVER:
        return !((uint32_t)value & need->bits);
    case MAY:
    case MAY_TIMES:
        break;
    }
    return true;
}

/* The low half of a capability: bits that have to be 1; the high half: bits that may be. */
static uint32_t make(const struct vmx_features *f, enum word word)
{
    uint64_t value = capability(f, word);
    uint32_t bits = (uint32_t)value & words[word].reserved;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(needs); i++) {
        if (needs[i].word == word && (needs[i].need == MUST || needs[i].need == MAY))
            bits |= needs[i].bits & (uint32_t)(value >> 32);
    }
    return bits;
}

const char *vmx_controls_missing(const struct vmx_features *f)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(needs); i++) {
        if (!is_met(&needs[i], capability(f, needs[i].word)))
            return needs[i].missing;
    }
    for (unsigned word = 0; word < WORDS; word++) {
        if ((uint32_t)capability(f, (enum word)word) & ~make(f, (enum word)word))
            return words[word].demanded;
    }
    return NULL;
}

struct vmx_controls vmx_controls_make(const struct vmx_features *f)
{
    struct vmx_controls c = {
        .pin = make(f, PIN),
        .cpu = make(f, CPU),
        .cpu2 = make(f, CPU2),
        .exit = make(f, EXIT),
        .entry = make(f, ENTRY),
    };
    return c;
}
