#include "svm/traps.h"

#include "core/io_policy.h"
#include "core/policy.h"
#include "hv/compiler.h"
#include "lib/string.h"
#include "svm/bitmaps.h"

static uint8_t msrpm[POLICY_MAPS][SVM_MSRPM_SIZE] HV_ALIGNED(4096);

void svm_maps_build(void)
{
    msr_policy_build(msrpm[0], SVM_MSRPM_SIZE, svm_msrpm_add);
    io_policy_build();
}

static void set_maps(struct vmcb_control *c, enum policy_map map)
{
    hpa_t iopm = (hpa_t)io_policy_map(map);

    if (c->iopm_base == iopm)
        return;
    c->iopm_base = iopm;
    c->msrpm_base = (hpa_t)msrpm[map];
    c->clean &= ~(uint32_t)SVM_CLEAN_IOPM;
}

/* Always: NMIs are how we get in; SVM is not there for the guest; a triple fault is a stop. */
void svm_traps_write(const struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    struct vmcb_control *c = &vmcb->control;
    uint8_t old[offsetof(struct vmcb_control, reserved1)];
    unsigned traps = vcpu_traps(v, mode == RUN_STEP);

    memcpy(old, c, sizeof(old));
    if (mode == RUN_STEP)
        traps |= TRAP_DR_READS;
    set_maps(c, traps & TRAP_WATCHED ? POLICY_WATCHED : POLICY_OWN);

    c->intercept3 = SVM_INTERCEPT_NMI | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVLPGA |
                    SVM_INTERCEPT_INVD | SVM_INTERCEPT_IOIO | SVM_INTERCEPT_MSR |
                    (uint32_t)SVM_INTERCEPT_SHUTDOWN;
    c->intercept4 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD |
                    SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI |
                    SVM_INTERCEPT_SKINIT;
    c->exceptions = vcpu_exceptions(v, traps);
    c->cr_writes = (uint16_t)(traps & TRAP_CR0_WRITES ? HV_BIT(0) : 0) |
                   (uint16_t)(traps & TRAP_CR3_WRITES ? HV_BIT(3) : 0) |
                   (uint16_t)(traps & TRAP_CR4_WRITES ? HV_BIT(4) : 0);
    c->dr_writes = 0xffff;
    c->dr_reads = traps & TRAP_DR_READS ? 0xffff : 0;
    if (traps & TRAP_DEBUG)
        c->intercept4 |= SVM_INTERCEPT_ICEBP;      /* INT1's #DB is the guest's */
    if (traps & (TRAP_BREAKPOINT | TRAP_SOFT_INT)) /* some processors report INT3 only so */
        c->intercept3 |= SVM_INTERCEPT_INTN;
    if (traps & TRAP_IRET)
        c->intercept3 |= SVM_INTERCEPT_IRET;
    if ((traps & TRAP_HLT) && mode != RUN_HALTED)
        c->intercept3 |= SVM_INTERCEPT_HLT;
    if (mode == RUN_HALTED)
        c->intercept3 |= SVM_INTERCEPT_INTR;
    if (traps & TRAP_STEP) {
        /* A task switch would keep our TF in the old task, and end it in the new one. */
        c->intercept3 |= SVM_INTERCEPT_INTN | SVM_INTERCEPT_HLT | SVM_INTERCEPT_TASK_SWITCH;
        c->intercept4 |= SVM_INTERCEPT_ICEBP | SVM_INTERCEPT_MWAIT;
    }
    if (memcmp(old, c, sizeof(old)) != 0)
        c->clean &= ~(uint32_t)SVM_CLEAN_INTERCEPTS;
}
