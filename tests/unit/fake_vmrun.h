/*
 * VMRUN and what the files of svm/ ask of the processor besides, as a model: `guest` says what
 * happens in the guest, `given` is what the backend handed over. Include it once, after cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_VMRUN_H
#define TESTS_UNIT_FAKE_VMRUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "svm/svm.h"
#include "svm/vmcb.h"
#include "tests/model/memory.h"

/* The processor: its features, registers and MSRs. */
enum {
    NPT = 1,
    LBR = 2,
    NRIP = 8,
    CLEAN = 32,
    BY_ASID = 64,
    ALL_FEATURES = NPT | NRIP | CLEAN | BY_ASID
};
static uint32_t svm_edx;
static uint64_t efer, hsave, cr8, dr[4];
static unsigned dr_writes;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return leaf == 0x8000000a ? (struct cpuid_result){1, 16, 0, svm_edx}
                              : (struct cpuid_result){0x8000000a, 0, 4, 0};
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    *value = msr == MSR_EFER ? efer : msr == MSR_PAT ? 0x0007040600070406 : 0;
    return true;
}

bool model_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_EFER)
        efer = value;
    else if (msr == MSR_VM_HSAVE_PA)
        hsave = value;
    return true;
}

uint64_t model_read_register(const char *name)
{
    assert_string_equal(name, "cr8");
    return cr8;
}

void model_write_register(const char *name, uint64_t value)
{
    if (!strcmp(name, "cr8")) {
        cr8 = value;
        return;
    }
    assert_true(!strncmp(name, "dr", 2) && name[2] < '4');
    dr[name[2] - '0'] = value;
    dr_writes++;
}

/* VMRUN: keeps what it was given, then does what the test wants. */
void svm_enter(hpa_t vmcb, uint64_t *gpr, hpa_t host_vmcb, uint64_t dr7);
static struct vmcb given;
static uint64_t given_dr7;
static void (*guest)(struct vmcb *b);

void svm_enter(hpa_t vmcb, uint64_t *gpr, hpa_t host_vmcb, uint64_t dr7)
{
    struct vmcb *b = (struct vmcb *)vmcb;

    (void)gpr;
    assert_int_not_equal(host_vmcb, 0);
    assert_int_equal(vmcb % 4096, 0);
    given = *b;
    given_dr7 = dr7;
    b->control.exit_int_info = 0;
    b->control.exit_info1 = b->control.exit_info2 = 0;
    b->control.exit_code = SVM_EXIT_INTR;
    if (guest)
        guest(b);
}

static uint8_t pool[160 * 4096] HV_ALIGNED(4096);
static struct vcpu *v;
static struct hv_exit out;

/* A guest CPU after reset, on a processor with these features. */
static inline void start(uint32_t edx)
{
    const struct stage2_config config = {svm_backend.stage2, 36, true, (hpa_t)pool, sizeof(pool)};
    static const struct debug_slot none;

    model_memory_reset();
    assert_int_equal(stage2_init(&config), HV_OK);
    hv_backend = &svm_backend;
    svm_edx = edx;
    assert_null(svm_backend.present());
    v = vcpu_get(0);
    memset(v, 0, sizeof(*v));
    vcpu_reset(v);
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        debug_regs_set_user(i, &none);
    debug_regs_update(v);
    guest = NULL;
    svm_backend.cpu_on(v);
    svm_backend.reset(v);
}

#endif
