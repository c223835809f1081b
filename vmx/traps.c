#include "vmx/traps.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/io_policy.h"
#include "core/policy.h"
#include "hv/compiler.h"
#include "vmx/bitmaps.h"
#include "vmx/vmcs.h"

enum { PAGE = 4096 };

static uint8_t msr_bitmap[POLICY_MAPS][VMX_MSR_BITMAP_SIZE] HV_ALIGNED(PAGE);

void vmx_maps_build(void)
{
    msr_policy_build(msr_bitmap[0], VMX_MSR_BITMAP_SIZE, vmx_msr_bitmap_add);
    io_policy_build();
}

/*
 * A mask that grows needs the whole register in the shadow. With all of it masked every change
 * exits; a write of the same value does not.
 */
static void write_masks(const struct vmx_owned *o, unsigned seen)
{
    uint64_t cr0 =
        (vmread(VMCS_GUEST_CR0) & ~o->cr0_mask) | (vmread(VMCS_CR0_SHADOW) & o->cr0_mask);
    uint64_t cr4 =
        (vmread(VMCS_GUEST_CR4) & ~o->cr4_mask) | (vmread(VMCS_CR4_SHADOW) & o->cr4_mask);

    vmwrite(VMCS_CR0_SHADOW, cr0);
    vmwrite(VMCS_CR4_SHADOW, cr4);
    vmwrite(VMCS_CR0_MASK, seen & TRAP_CR0_WRITES ? UINT64_MAX : o->cr0_mask);
    vmwrite(VMCS_CR4_MASK, seen & TRAP_CR4_WRITES ? UINT64_MAX : o->cr4_mask);
}

static void write_maps(enum policy_map map)
{
    hpa_t io = (hpa_t)io_policy_map(map);

    vmwrite(VMCS_MSR_BITMAP, (hpa_t)msr_bitmap[map]);
    vmwrite(VMCS_IO_BITMAP_A, io);
    vmwrite(VMCS_IO_BITMAP_B, io + PAGE);
}

void vmx_traps_reset(const struct vmx_owned *owned)
{
    write_maps(POLICY_OWN);
    vmwrite(VMCS_CR0_MASK, owned->cr0_mask);
    vmwrite(VMCS_CR4_MASK, owned->cr4_mask);
}

void vmx_traps_write(const struct vmx_controls *controls, const struct vmx_owned *owned,
                     const struct vcpu *v, enum hv_run_mode mode, bool by_mtf, unsigned *seen)
{
    unsigned traps = vcpu_traps(v, mode == RUN_STEP && !by_mtf);
    uint32_t cpu = controls->cpu;

    if ((traps & TRAP_STEP) || by_mtf)
        cpu |= VMX_CPU_HLT | VMX_CPU_MWAIT;
    if ((traps & TRAP_HLT) && mode != RUN_HALTED)
        cpu |= VMX_CPU_HLT;
    if (by_mtf)
        cpu |= VMX_CPU_MTF;
    if (v->nmi_pending && v->nmi_blocked)
        cpu |= VMX_CPU_NMI_WINDOW;
    if (traps & TRAP_CR3_WRITES)
        cpu |= VMX_CPU_CR3_LOAD;
    vmwrite(VMCS_EXCEPTION_BITMAP, vcpu_exceptions(v, traps));
    vmwrite(VMCS_CPU_CONTROLS, cpu);
    bool external = mode == RUN_TO_FETCH || mode == RUN_HALTED;
    vmwrite(VMCS_PIN_CONTROLS, controls->pin | (external ? VMX_PIN_EXTERNAL : 0));
    if (*seen == (traps & TRAP_SEEN))
        return;
    *seen = traps & TRAP_SEEN;
    write_masks(owned, *seen);
    write_maps(*seen & TRAP_WATCHED ? POLICY_WATCHED : POLICY_OWN);
}

/* SDM vol. 3, "Exit Qualification for Control-Register Accesses"; type 1 is a MOV from it. */
bool vmx_traps_saw_cr(unsigned seen, uint64_t qualification, struct hv_exit *exit)
{
    static const unsigned traps[] = {
        [0] = TRAP_CR0_WRITES, [3] = TRAP_CR3_WRITES, [4] = TRAP_CR4_WRITES};
    enum { TYPE_SHIFT = 4, TYPE_FROM = 1 };
    unsigned number = qualification & 0xf;

    if (number >= HV_ARRAY_SIZE(traps) || !(seen & traps[number]) ||
        (qualification >> TYPE_SHIFT & 3) == TYPE_FROM)
        return false;
    exit->kind = HV_EXIT_CR_WRITE;
    exit->cr.number = (uint8_t)number;
    return true;
}
