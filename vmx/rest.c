#include "vmx/rest.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "core/ipi.h"
#include "core/machine.h"
#include "hv/compiler.h"
#include "lib/string.h"
#include "vmx/enter.h"
#include "vmx/host.h"
#include "vmx/self.h"
#include "vmx/setup.h"
#include "vmx/vmcs.h"

enum { REGION = 4096 };

static uint8_t regions[HV_MAX_CPUS][REGION] HV_ALIGNED(REGION);
static bool launched[HV_MAX_CPUS];

/* SDM vol. 3, appendix "Miscellaneous Data": IA32_VMX_MISC. */
bool vmx_rest_offered(const struct vmx_features *f)
{
    const uint64_t needed = VMX_MISC_HALTED | VMX_MISC_WAITS_FOR_SIPI;

    return (f->misc & needed) == needed;
}

static void load(const struct vcpu *v)
{
    if (!vmptrld((hpa_t)regions[v->number]))
        machine_panic("VMPTRLD failed on CPU %u", v->number);
}

void vmx_rest_prepare(const struct vcpu *v, uint32_t revision, const struct vmx_controls *controls,
                      const struct vmx_owned *owned)
{
    memcpy(regions[v->number], &revision, sizeof(revision));
    vmclear((hpa_t)regions[v->number]);
    launched[v->number] = false;
    load(v);
    vmx_setup_write(v, controls, owned);
    vmx_host_write();
    vmx_self_write(controls, owned);
}

void vmx_rest_end(const struct vcpu *v)
{
    vmclear((hpa_t)regions[v->number]);
}

static unsigned enter(const struct vcpu *v, uint64_t nmis_seen)
{
    uint64_t gpr[GPR_COUNT] = {0};

    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    unsigned outcome = vmx_enter(gpr, launched[v->number], traps_nmi_counter(), nmis_seen);

    if (outcome == VMX_ENTER_FAILED)
        machine_panic("CPU %u cannot wait: VMX error %u", v->number,
                      (unsigned)vmread(VMCS_INSN_ERROR));
    if (outcome == VMX_ENTER_EXITED)
        launched[v->number] = true;
    return outcome;
}

/* The exit was by an NMI, which is taken. */
static bool took_nmi(void)
{
    if (vmread(VMCS_EXIT_REASON) != VMX_REASON_EVENT ||
        (uint8_t)vmread(VMCS_EXIT_EVENT) != VECTOR_NMI)
        return false;
    unblock_nmis();
    return true;
}

/*
 * An INIT that came while the CPU waited for its start-up meant nothing, but some processors keep
 * it for the next entry: that is here, and ends before its first instruction. Returns how many
 * exits were NMIs.
 */
static unsigned drop_init(const struct vcpu *v)
{
    enum { TRIES = 4 };
    uint64_t controls = vmread(VMCS_CPU_CONTROLS);
    unsigned nmis = 0;

    vmwrite(VMCS_CPU_CONTROLS, controls | VMX_CPU_NMI_WINDOW);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVE);
    for (unsigned i = 0; i < TRIES; i++) {
        if (enter(v, *traps_nmi_counter()) == VMX_ENTER_ABANDONED)
            continue;
        nmis += took_nmi();
        if (vmread(VMCS_EXIT_REASON) == VMX_REASON_NMI_WINDOW)
            break;
    }
    vmwrite(VMCS_CPU_CONTROLS, controls);
    return nmis;
}

unsigned vmx_rest(const struct vcpu *v, uint64_t nmis_seen)
{
    load(v);
    vmwrite(VMCS_GUEST_ACTIVITY, ipi_needs_startup(v->number) ? VMX_WAITS_FOR_SIPI : VMX_HALTED);
    if (enter(v, nmis_seen) == VMX_ENTER_ABANDONED)
        return 0;
    if (took_nmi())
        return 1;

    /* SDM vol. 3, "Other Causes of VM Exits": nothing else ends these states. */
    uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);
    switch (reason) {
    case VMX_REASON_INIT:
        ipi_note_init(v);
        return 0;
    case VMX_REASON_STARTUP:
        ipi_note_startup(v, (uint8_t)vmread(VMCS_EXIT_QUALIFICATION));
        return drop_init(v);
    default:
        machine_panic("CPU %u waited and left by exit %u", v->number, (unsigned)reason);
    }
}
