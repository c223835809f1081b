/*
 * VM entry, the VMCS and what vmx/vmx.c and vmx/run.c ask of the processor besides, as a model:
 * `guest` says what happens in the guest, `given` is the VMCS as the backend handed it over. An
 * entry that a processor would refuse fails the test. Include it once, after cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_VMENTRY_H
#define TESTS_UNIT_FAKE_VMENTRY_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "core/debug_regs.h"
#include "hv/compiler.h"
#include "tests/model/memory.h"
#include "vmx/check.h"
#include "vmx/enter.h"
#include "vmx/features.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

/* The processor: a Haswell i7-4770, as Bochs has it, with the MSRs and registers that are asked. */
enum { REVISION = 0x2b, HOST_TASK = 0x123456 };
struct model_msr {
    uint32_t number;
    uint64_t value;
};
static const struct model_msr haswell_msrs[] = {
    {MSR_FEATURE_CONTROL, 5},
    {MSR_VMX_BASIC, 0x00d8100000000000 | REVISION},
    {MSR_VMX_TRUE_PIN, 0x0000007f00000016},
    {MSR_VMX_TRUE_CPU, 0xf7f9fffe04006172},
    {MSR_VMX_CPU2, 0x0047fff00000000},
    {MSR_VMX_TRUE_EXIT, 0x007fffff00036dfb},
    {MSR_VMX_TRUE_ENTRY, 0x0000ffff000011fb},
    {MSR_VMX_EPT_VPID, 0x00000f0106334141},
    {MSR_VMX_MISC, 0x200401e0},
    {MSR_VMX_CR0_FIXED0, 0x80000021},
    {MSR_VMX_CR0_FIXED1, 0xffffffff},
    {MSR_VMX_CR4_FIXED0, CR4_VMXE},
    {MSR_VMX_CR4_FIXED1, 0x1727ff},
    {MSR_EFER, 0x500},
    {MSR_PAT, 0x0007040600070406},
    {MSR_STAR, 0},
    {MSR_LSTAR, 0},
    {MSR_CSTAR, 0},
    {MSR_SFMASK, 0},
    {MSR_KERNEL_GS_BASE, 0},
};
enum { MSRS = sizeof(haswell_msrs) / sizeof(haswell_msrs[0]) };
static struct model_msr msrs[MSRS];

static struct model_register {
    const char *name;
    uint64_t value;
    unsigned writes;
} registers[] = {{"cr0", 0, 0}, {"cr2", 0, 0},  {"cr3", 0, 0},  {"cr4", 0, 0}, {"cr8", 0, 0},
                 {"dr0", 0, 0}, {"dr1", 0, 0},  {"dr2", 0, 0},  {"dr3", 0, 0}, {"dr6", 0, 0},
                 {"tsc", 0, 0}, {"gdtr", 0, 0}, {"idtr", 0, 0}, {"xcr0", 0, 0}};
enum { REGISTERS = sizeof(registers) / sizeof(registers[0]) };
static uint64_t xcr0_known;

/* A register by its name; there is no "dr7": the processor clears it at each exit, we never do. */
static inline struct model_register *reg(const char *name)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        if (!strcmp(registers[i].name, name))
            return &registers[i];
    }
    fail_msg("%s was touched", name);
    return NULL;
}

static inline uint64_t *msr_value(uint32_t number)
{
    for (unsigned i = 0; i < MSRS; i++) {
        if (msrs[i].number == number)
            return &msrs[i].value;
    }
    return NULL;
}

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 1:
        return (struct cpuid_result){0, 0, 1 << 5, 0};
    case 0xd:
        return (struct cpuid_result){(uint32_t)xcr0_known, 0, 0, (uint32_t)(xcr0_known >> 32)};
    case 0x80000000:
        return (struct cpuid_result){0x80000008, 0, 0, 0};
    case 0x80000008: /* addresses are those of this program, so they are wide */
        return (struct cpuid_result){0x3034, 0, 0, 0};
    default:
        return (struct cpuid_result){0, 0, 0, 1 << 26};
    }
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    const uint64_t *found = msr_value(msr);

    if (found)
        *value = *found;
    return found;
}

bool model_wrmsr(uint32_t msr, uint64_t value)
{
    assert_non_null(msr_value(msr));
    *msr_value(msr) = value;
    return true;
}

uint64_t model_read_register(const char *name)
{
    return reg(name)->value;
}

void model_write_register(const char *name, uint64_t value)
{
    reg(name)->value = value;
    reg(name)->writes++;
}

/* The VMCSs: an array by field each; `vmcs` is the current one's. */
enum { FIELDS = 0x8000, VMCSS = 2 };
static struct model_vmcs {
    uint8_t *region;
    bool launched;
    uint64_t fields[FIELDS];
} vmcss[VMCSS], *current = vmcss;
static uint64_t *vmcs = vmcss[0].fields, given[FIELDS];

/* That of a region, which is taken into account when it is the first time. */
static inline struct model_vmcs *vmcs_of(uint8_t *region)
{
    unsigned i = 0;

    while (i + 1 < VMCSS && vmcss[i].region && vmcss[i].region != region)
        i++;
    assert_true(!vmcss[i].region || vmcss[i].region == region);
    vmcss[i].region = region;
    return &vmcss[i];
}

uint64_t model_vmread(uint64_t field)
{
    assert_true(field < FIELDS);
    return vmcs[field];
}

/* SDM vol. 3, "Field Encoding in VMCS": bits 10-11 the type, 13-14 the width. */
void model_vmwrite(uint64_t field, uint64_t value)
{
    enum { READ_ONLY = 1, BITS_16 = 0, BITS_32 = 2 };

    assert_true(field < FIELDS);
    assert_int_not_equal(field >> 10 & 3, READ_ONLY);
    if (field >> 13 == BITS_16)
        assert_true(value <= UINT16_MAX);
    if (field >> 13 == BITS_32)
        assert_true(value <= UINT32_MAX);
    vmcs[field] = value;
}

/* The other instructions, as a text: their names, one behind the other. */
static char said[200];
static unsigned invepts, invept_type;

bool model_vmx(const char *name, uint64_t operand)
{
    uint32_t revision;

    if (!strcmp(name, "invept")) {
        invepts++;
        invept_type = (unsigned)operand;
        return true;
    }
    assert_true(strlen(said) + strlen(name) + 2 < sizeof(said));
    strcat(strcat(said, name), " ");
    if (!strcmp(name, "vmxon") || !strcmp(name, "vmptrld") || !strcmp(name, "vmclear")) {
        assert_int_equal(operand % 4096, 0);
        memcpy(&revision, (const void *)operand, sizeof(revision));
        assert_int_equal(revision, REVISION);
    }
    if (!strcmp(name, "vmptrld")) {
        current = vmcs_of((uint8_t *)operand);
        vmcs = current->fields;
    }
    if (!strcmp(name, "vmclear"))
        vmcs_of((uint8_t *)operand)->launched = false;
    return true;
}

/* The entry as a processor sees it; what it refuses fails the test. */
static struct vmx_fields entered;
static bool may_be_refused;

static inline void check_entry(void)
{
    const struct vmx_features can = vmx_features_read();
    struct vmx_faults faults;
    char text[160];

    vmx_fields_read(&entered);
    vmx_check_entry(&faults, &entered, &can);
    if (!faults.count || may_be_refused)
        return;
    vmx_fault_text(&faults.fault[0], text, sizeof(text));
    fail_msg("%s", text);
}

/* An entry: keeps what it was given, then does what the test wants. */
const uint8_t vmx_enter_window[1], vmx_enter_window_end[1], vmx_enter_abandon[1], vmx_exit[1];
const uint8_t vmx_trial[2];
static void (*guest)(void);
static unsigned entries;
static uint32_t entry_error; /* VMLAUNCH or VMRESUME fails with it */

/* For `guest`: how it ends. */
static inline void ends(uint32_t reason, uint64_t qualification, uint32_t insn_length)
{
    vmcs[VMCS_EXIT_REASON] = reason;
    vmcs[VMCS_EXIT_QUALIFICATION] = qualification;
    vmcs[VMCS_EXIT_INSN_LENGTH] = insn_length;
}

unsigned vmx_enter(uint64_t *gpr, bool resume, const uint64_t *nmis, uint64_t seen)
{
    assert_non_null(gpr);
    if (*nmis != seen)
        return VMX_ENTER_ABANDONED;
    if (entry_error) {
        vmcs[VMCS_INSN_ERROR] = entry_error;
        return VMX_ENTER_FAILED;
    }
    assert_int_equal(resume, current->launched);
    check_entry();
    memcpy(given, vmcs, sizeof(given));
    entries++;
    vmcs[VMCS_GUEST_INTERRUPTIBILITY] &= VMX_BLOCKED_NMI;
    if ((vmcs[VMCS_ENTRY_EVENT] & 0x80000700) == (VMX_EVENT_VALID | VMX_EVENT_NMI << 8))
        vmcs[VMCS_GUEST_INTERRUPTIBILITY] |= VMX_BLOCKED_NMI;
    vmcs[VMCS_GUEST_PENDING_DEBUG] = 0;
    vmcs[VMCS_ENTRY_EVENT] &= ~(uint64_t)VMX_EVENT_VALID;
    vmcs[VMCS_EXIT_EVENT] = vmcs[VMCS_EXIT_EVENT_ERROR] = 0;
    vmcs[VMCS_VECTORING_EVENT] = vmcs[VMCS_VECTORING_ERROR] = 0;
    ends(VMX_REASON_CPUID, 0, 2);
    if (guest)
        guest();
    if (!(vmcs[VMCS_EXIT_REASON] & VMX_REASON_NO_ENTRY))
        current->launched = true;
    return VMX_ENTER_EXITED;
}

/* An NMI that the host takes. */
static inline void host_nmi(void)
{
    struct trap_frame frame = {.vector = VECTOR_NMI};
    trap_dispatch(&frame);
}

static uint8_t pool[160 * 4096] HV_ALIGNED(4096);
static uint64_t host_gdt[5] = {0, 0, 0, (uint64_t)HOST_TASK << 16, 0};
static struct vcpu *v;
static struct hv_exit out;

static inline void enter(enum hv_run_mode mode)
{
    vmx_backend.run(v, mode, &out);
}

/* The processor as it is switched on; more can be changed before start(). */
static inline void power_on(void)
{
    memcpy(msrs, haswell_msrs, sizeof(msrs));
    memset(vmcss, 0, sizeof(vmcss));
    for (unsigned i = 0; i < REGISTERS; i++)
        registers[i].value = registers[i].writes = 0;
    reg("gdtr")->value = (uint64_t)host_gdt;
    reg("dr6")->value = DR6_RESET;
    reg("cr0")->value = CR0_PE | CR0_PG;
    reg("cr4")->value = CR4_PAE;
    xcr0_known = 7;
    said[0] = '\0';
    invepts = entries = entry_error = 0;
    guest = NULL;
    may_be_refused = false;
}

/* A guest CPU after reset on it. */
static inline void start(void)
{
    const struct stage2_config config = {vmx_backend.stage2, 36, true, (hpa_t)pool, sizeof(pool)};
    static const struct debug_slot none;

    model_memory_reset();
    assert_int_equal(stage2_init(&config), HV_OK);
    hv_backend = &vmx_backend;
    assert_null(vmx_backend.present());
    v = vcpu_get(0);
    memset(v, 0, sizeof(*v));
    vcpu_reset(v);
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        debug_regs_set_user(i, &none);
    debug_regs_update(v);
    vmx_backend.cpu_on(v);
    vmx_backend.reset(v);
}

#endif
