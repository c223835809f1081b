#include "vmx/vmx.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "core/ipi.h"
#include "core/machine.h"
#include "core/policy.h"
#include "hv/compiler.h"
#include "lib/log.h"
#include "lib/string.h"
#include "vmx/enter.h"
#include "vmx/hidden.h"
#include "vmx/host.h"
#include "vmx/report.h"
#include "vmx/rest.h"
#include "vmx/run.h"
#include "vmx/setup.h"
#include "vmx/traps.h"
#include "vmx/vmcs.h"

struct vmx_cpu vmx_cpus[HV_MAX_CPUS];
struct vmx_common vmx;

static struct cpuid_row hidden[VMX_HIDDEN_MAX];

/* SDM vol. 3, "EPT Translation Mechanism": R, W, X; memory type in bits 3-5 of leaves. */
static struct stage2_format ept_format = {
    .table = 7, .leaf = 1, .large = 0x80, .read = 1, .write = 2, .execute = 4, .type_shift = 3};

static const char *vmx_present(void)
{
    vmx.features = vmx_features_read();
    ept_format.execute_only = vmx.features.ept_vpid & VMX_EPT_EXECUTE_ONLY;
    return vmx_features_refusal(&vmx.features);
}

static size_t vmx_describe(char *text, size_t size)
{
    return vmx_features_text(&vmx.features, text, size);
}

static void load_vmcs(const struct vcpu *v)
{
    if (!vmptrld((hpa_t)vmx_cpus[v->number].vmcs))
        machine_panic("VMPTRLD failed on CPU %u", v->number);
}

/* A VMCS that was launched is not the one the guest begins with. */
static void try_mtf(const struct vcpu *v, struct vmx_cpu *cpu)
{
    vmx.mtf = vmx_mtf_try(&vmx.features, &vmx.controls, &vmx.owned);
    if (v->number == 0)
        log_print("step: by %s", vmx_mtf_text(vmx.mtf));
    if (vmx.mtf == VMX_MTF_NONE)
        return;
    vmclear((hpa_t)cpu->vmcs);
    load_vmcs(v);
    vmx_setup_write(v, &vmx.controls, &vmx.owned);
    cpu->seen = 0;
}

static bool vmx_init_exits(void)
{
    return vmx_rest_offered(&vmx.features);
}

/* SDM vol. 3, "VMXON"; what the CPU waits in comes first, for the guest's VMCS is to be current. */
static void load_vmcs_first(const struct vcpu *v, uint32_t revision)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];

    memcpy(cpu->vmxon, &revision, sizeof(revision));
    memcpy(cpu->vmcs, &revision, sizeof(revision));
    vmx_abort_clear(cpu->vmcs);
    if (!vmxon((hpa_t)cpu->vmxon))
        machine_panic("VMXON failed on CPU %u", v->number);
    if (vmx_init_exits())
        vmx_rest_prepare(v, revision, &vmx.controls, &vmx.owned);
    vmclear((hpa_t)cpu->vmcs);
    load_vmcs(v);
}

static void vmx_cpu_on(struct vcpu *v)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];
    uint32_t revision = (uint32_t)vmx.features.basic & 0x7fffffff;

    vmx.controls = vmx_controls_make(&vmx.features);
    vmx.owned = vmx_owned_make(vmx.features.cr0_fixed0, vmx.features.cr4_fixed0);
    cpuid_policy_hide(hidden, vmx_hidden_make(vmx.controls.cpu2, hidden));
    uint64_t control = rdmsr(MSR_FEATURE_CONTROL); /* each CPU has its own */
    if (!(control & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_FEATURE_CONTROL, vmx_feature_control(control));
    write_cr0(read_cr0() | vmx.features.cr0_fixed0);
    write_cr4(read_cr4() | vmx.features.cr4_fixed0 | CR4_VMXE);
    load_vmcs_first(v, revision);
    traps_set_nmi_window(NMI_WINDOW_ENTER, (uint64_t)vmx_enter_window,
                         (uint64_t)vmx_enter_window_end, (uint64_t)vmx_enter_abandon);
    cpu->nmis_seen = *traps_nmi_counter();
    cpu->launched = false;
    cpu->stale = true;
    vmx_setup_write(v, &vmx.controls, &vmx.owned);
    vmx_host_write();
    try_mtf(v, cpu);
}

static void vmx_cpu_off(struct vcpu *v)
{
    vmclear((hpa_t)vmx_cpus[v->number].vmcs);
    if (vmx_init_exits())
        vmx_rest_end(v);
    vmxoff();
    write_cr4(read_cr4() & ~CR4_VMXE);
}

static void vmx_reset(struct vcpu *v)
{
    vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_DR7, v->live_dr7);
    vmx_cpus[v->number].last = (struct vmx_last_exit){.interruptibility = 0};
    v->changed = REGS_ALL;
}

static void vmx_fetch(struct vcpu *v, unsigned groups)
{
    vmx_state_fetch(&vmx.owned, groups, &v->regs);
}

static unsigned new_nmis(struct vmx_cpu *cpu)
{
    uint64_t all = *traps_nmi_counter();
    unsigned count = (unsigned)(all - cpu->nmis_seen);

    cpu->nmis_seen = all;
    return count;
}

/* The exit has taken the NMI; others wait until an IRET, and are taken with it. */
static unsigned vmx_take_nmi(void)
{
    unblock_nmis();
    return new_nmis(&vmx_cpus[cpu_current()]);
}

static unsigned vmx_wait(struct vcpu *v)
{
    struct vmx_cpu *cpu = &vmx_cpus[v->number];

    if (ipi_by_exits()) {
        cpu->nmis_seen -= vmx_rest(v, cpu->nmis_seen);
        load_vmcs(v);
    } else {
        traps_wait_nmi(traps_nmi_counter(), cpu->nmis_seen);
    }
    return new_nmis(cpu);
}

static void vmx_flush(struct vcpu *v)
{
    vmx_cpus[v->number].stale = true;
}

static void vmx_dump(struct vcpu *v, void (*line)(const char *text))
{
    vmx_report(&vmx_cpus[v->number].last.raw, &vmx.features, line);
    for (unsigned i = 0; i < vcpu_count(); i++)
        vmx_report_abort(i, vmx_cpus[i].vmcs, line);
}

const struct hv_backend vmx_backend = {
    .name = "Intel VT-x",
    .maker = vmx_features_maker,
    .present = vmx_present,
    .describe = vmx_describe,
    .lacks = TRAP_SOFT_INT,
    .stage2 = &ept_format,
    .gib_pages = vmx_features_gib_pages,
    .init_exits = vmx_init_exits,
    .cpu_on = vmx_cpu_on,
    .cpu_off = vmx_cpu_off,
    .reset = vmx_reset,
    .run = vmx_run,
    .step = vmx_step,
    .fetch = vmx_fetch,
    .take_nmi = vmx_take_nmi,
    .wait = vmx_wait,
    .flush = vmx_flush,
    .remap = vmx_maps_build,
    .dump = vmx_dump,
};
