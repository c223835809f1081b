/* The guest's registers: SDM vol. 3, "Checks on the Guest State Area". */
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "vmx/check.h"
#include "vmx/vmcs.h"

/* "Checks on Guest Control Registers, Debug Registers, and MSRs": CR0 and CR4. */
static void check_cr0_cr4(struct vmx_faults *faults, const struct vmx_fields *fields,
                          const struct vmx_features *can)
{
    const struct vmx_guest_fields *g = &fields->guest;
    bool ia32e = fields->control.entry & VMX_ENTRY_IA32E;
    uint64_t ones = can->cr0_fixed0;

    if (fields->control.cpu2 & VMX_CPU2_UNRESTRICTED)
        ones &= ~(CR0_PE | CR0_PG);
    vmx_expect_fixed(faults, ones & ~(CR0_NW | CR0_CD), can->cr0_fixed1 | CR0_NW | CR0_CD, "CR0",
                     g->cr0);
    vmx_expect(faults, !(g->cr0 & CR0_PG) || (g->cr0 & CR0_PE), "CR0", g->cr0,
               "paging (PG) without protected mode (PE)");
    vmx_expect_fixed(faults, can->cr4_fixed0, can->cr4_fixed1, "CR4", g->cr4);
    vmx_expect(faults, !(g->cr4 & CR4_CET) || (g->cr0 & CR0_WP), "CR4", g->cr4,
               "CET without CR0.WP");
    if (ia32e) {
        vmx_expect(faults, g->cr0 & CR0_PG, "CR0", g->cr0, "no paging (PG) in IA-32e mode");
        vmx_expect(faults, g->cr4 & CR4_PAE, "CR4", g->cr4, "no PAE in IA-32e mode");
    } else {
        vmx_expect(faults, !(g->cr4 & CR4_PCIDE), "CR4", g->cr4, "PCIDE outside IA-32e mode");
    }
}

static void check_efer(struct vmx_faults *faults, const struct vmx_fields *fields)
{
    const struct vmx_guest_fields *g = &fields->guest;
    bool ia32e = fields->control.entry & VMX_ENTRY_IA32E;
    bool lme = g->efer & EFER_LME, lma = g->efer & EFER_LMA;

    vmx_expect_clear(faults, ~VMX_EFER_DEFINED, "EFER", g->efer, "reserved bits");
    vmx_expect(faults, lma == ia32e, "EFER", g->efer,
               "LMA is not what the entry control \"IA-32e mode guest\" is");
    vmx_expect(faults, !(g->cr0 & CR0_PG) || lma == lme, "EFER", g->efer,
               "LMA is not LME, with paging on");
}

/* ... and the rest of it. */
static void check_other_registers(struct vmx_faults *faults, const struct vmx_fields *fields,
                                  const struct vmx_features *can)
{
    /* IA32_DEBUGCTL: bits 3-5, 13 and from 16 on (SDM vol. 4). */
    const uint64_t debugctl_reserved = ~0xdfc7ULL;
    const uint64_t lam = can->cr4_fixed1 & CR4_LAM_SUP ? HV_BIT(61) | HV_BIT(62) : 0;
    const struct vmx_guest_fields *g = &fields->guest;
    uint32_t entry = fields->control.entry;

    vmx_expect_clear(faults, vmx_beyond_memory(can) & ~lam, "CR3", g->cr3,
                     "bits beyond the physical-address width");
    if (entry & VMX_ENTRY_LOAD_DEBUG) {
        vmx_expect_clear(faults, debugctl_reserved, "DEBUGCTL", g->debugctl, "reserved bits");
        vmx_expect(faults, !(g->dr7 >> 32), "DR7", g->dr7, "more than 32 bits");
    }
    vmx_expect_canonical(faults, can, "SYSENTER_ESP", g->sysenter_esp);
    vmx_expect_canonical(faults, can, "SYSENTER_EIP", g->sysenter_eip);
    if (entry & VMX_ENTRY_LOAD_PAT)
        vmx_expect_pat(faults, "PAT", g->pat);
    if (entry & VMX_ENTRY_LOAD_EFER)
        check_efer(faults, fields);
}

/* "Checks on Guest Descriptor-Table Registers". */
static void check_table(struct vmx_faults *faults, const struct vmx_table *table,
                        const struct vmx_features *can)
{
    vmx_expect_canonical(faults, can, "base", table->base);
    vmx_expect(faults, table->limit <= UINT16_MAX, "limit", table->limit, "more than 16 bits");
}

/* "Checks on Guest RIP, RFLAGS, and SSP". */
static void check_rip_rflags(struct vmx_faults *faults, const struct vmx_fields *fields,
                             const struct vmx_features *can)
{
    enum { CS_LONG = 1 << 13 };
    const uint64_t reserved = ~0x3fffffULL | HV_BIT(15) | HV_BIT(5) | HV_BIT(3);
    const struct vmx_guest_fields *g = &fields->guest;
    bool ia32e = fields->control.entry & VMX_ENTRY_IA32E;
    uint32_t event = fields->control.event;

    if (ia32e && (g->seg[SEG_CS].rights & CS_LONG)) {
        /* Only the bits above the width have to agree with each other. */
        uint64_t high = can->linear_bits < 64 ? UINT64_MAX << can->linear_bits : 0;
        vmx_expect(faults, !(g->rip & high) || (g->rip & high) == high, "RIP", g->rip,
                   "is not canonical");
    } else {
        vmx_expect(faults, !(g->rip >> 32), "RIP", g->rip, "more than 32 bits outside 64-bit mode");
    }
    vmx_expect_clear(faults, reserved, "RFLAGS", g->rflags, "reserved bits");
    vmx_expect(faults, g->rflags & RFLAGS_ONE, "RFLAGS", g->rflags, "bit 1 has to be set");
    vmx_expect(faults, !(g->rflags & RFLAGS_VM) || !ia32e, "RFLAGS", g->rflags,
               "VM in IA-32e mode");
    vmx_expect(faults, !(g->rflags & RFLAGS_VM) || (g->cr0 & CR0_PE), "RFLAGS", g->rflags,
               "VM without protected mode");
    if ((event & VMX_EVENT_VALID) && VMX_EVENT_TYPE(event) == VMX_EVENT_EXTERNAL)
        vmx_expect(faults, g->rflags & RFLAGS_IF, "RFLAGS", g->rflags,
                   "IF is 0 with an external interrupt to deliver");
}

/* "Checks on Guest Page-Directory-Pointer-Table Entries". */
static void check_pdptes(struct vmx_faults *faults, const struct vmx_fields *fields,
                         const struct vmx_features *can)
{
    static const char *const names[VMX_PDPTES] = {"PDPTE0", "PDPTE1", "PDPTE2", "PDPTE3"};
    const struct vmx_guest_fields *g = &fields->guest;
    const uint64_t reserved = 0x1e6 | vmx_beyond_memory(can);

    if (!(g->cr0 & CR0_PG) || !(g->cr4 & CR4_PAE) || (fields->control.entry & VMX_ENTRY_IA32E) ||
        !(fields->control.cpu2 & VMX_CPU2_EPT))
        return;
    for (unsigned i = 0; i < VMX_PDPTES; i++) {
        if (g->pdpte[i] & 1)
            vmx_expect_clear(faults, reserved, names[i], g->pdpte[i], "reserved bits");
    }
}

void vmx_check_guest(struct vmx_faults *faults, const struct vmx_fields *fields,
                     const struct vmx_features *can)
{
    faults->group = "guest";
    check_cr0_cr4(faults, fields, can);
    check_other_registers(faults, fields, can);
    vmx_check_segments(faults, fields, can);
    faults->group = "guest GDTR";
    check_table(faults, &fields->guest.gdtr, can);
    faults->group = "guest IDTR";
    check_table(faults, &fields->guest.idtr, can);
    faults->group = "guest";
    check_rip_rflags(faults, fields, can);
    vmx_check_activity(faults, fields, can);
    check_pdptes(faults, fields, can);
}
