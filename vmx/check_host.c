/*
 * SDM vol. 3, "Checks on Host Control Registers, MSRs, and SSP", "Checks on Host Segment and
 * Descriptor-Table Registers", "Checks Related to Address-Space Size".
 */
#include "arch/x86/registers.h"
#include "vmx/check.h"
#include "vmx/vmcs.h"

static void check_registers(struct vmx_faults *faults, const struct vmx_fields *fields,
                            const struct vmx_features *can)
{
    const struct vmx_host_fields *h = &fields->host;

    vmx_expect_fixed(faults, can->cr0_fixed0, can->cr0_fixed1, "CR0", h->cr0);
    vmx_expect_fixed(faults, can->cr4_fixed0, can->cr4_fixed1, "CR4", h->cr4);
    vmx_expect_clear(faults, vmx_beyond_memory(can), "CR3", h->cr3,
                     "bits beyond the physical-address width");
    vmx_expect_canonical(faults, can, "SYSENTER_ESP", h->sysenter_esp);
    vmx_expect_canonical(faults, can, "SYSENTER_EIP", h->sysenter_eip);
    if (fields->control.exit & VMX_EXIT_LOAD_PAT)
        vmx_expect_pat(faults, "PAT", h->pat);
    if (fields->control.exit & VMX_EXIT_LOAD_EFER) {
        vmx_expect_clear(faults, ~VMX_EFER_DEFINED, "EFER", h->efer, "reserved bits");
        vmx_expect(faults, (h->efer & EFER_LME) && (h->efer & EFER_LMA), "EFER", h->efer,
                   "LMA and LME have to be set for a 64-bit host");
    }
}

static void check_segments(struct vmx_faults *faults, const struct vmx_host_fields *h,
                           const struct vmx_features *can)
{
    static const char *const names[SEG_COUNT] = {"ES selector", "CS selector", "SS selector",
                                                 "DS selector", "FS selector", "GS selector",
                                                 NULL,          "TR selector"};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (i != SEG_LDTR)
            vmx_expect_clear(faults, 7, names[i], h->selector[i], "its RPL and TI have to be 0");
    }
    vmx_expect(faults, h->selector[SEG_CS], "CS selector", 0, "may not be 0");
    vmx_expect(faults, h->selector[SEG_TR], "TR selector", 0, "may not be 0");
    vmx_expect_canonical(faults, can, "FS base", h->fs_base);
    vmx_expect_canonical(faults, can, "GS base", h->gs_base);
    vmx_expect_canonical(faults, can, "TR base", h->tr_base);
    vmx_expect_canonical(faults, can, "GDTR base", h->gdtr_base);
    vmx_expect_canonical(faults, can, "IDTR base", h->idtr_base);
}

/* gdbvisor is in 64-bit mode when it enters a guest. */
void vmx_check_host(struct vmx_faults *faults, const struct vmx_fields *fields,
                    const struct vmx_features *can)
{
    const struct vmx_host_fields *h = &fields->host;
    uint32_t exit = fields->control.exit;

    faults->group = "host";
    check_registers(faults, fields, can);
    check_segments(faults, h, can);
    vmx_expect(faults, exit & VMX_EXIT_HOST_64, "VM-exit controls", exit,
               "no \"host address-space size\", of a 64-bit host");
    vmx_expect(faults, h->cr4 & CR4_PAE, "CR4", h->cr4, "no PAE, of a 64-bit host");
    vmx_expect_canonical(faults, can, "RIP", h->rip);
}
