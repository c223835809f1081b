/* What a VM entry looks at, as one struct: the checker (check.h) reads no VMCS. */
#ifndef VMX_FIELDS_H
#define VMX_FIELDS_H

#include "core/vcpu.h"

struct vmx_segment {
    uint16_t selector;
    uint32_t rights, limit;
    uint64_t base;
};

struct vmx_table {
    uint32_t limit;
    uint64_t base;
};

/* MSRs that an exit stores or loads, or an entry loads. */
struct vmx_msr_area {
    uint32_t count;
    uint64_t address;
};

/* The groups of the VMCS (SDM vol. 3, "Organization of VMCS Data"). Values as in the fields. */
struct vmx_control_fields {
    uint32_t pin, cpu, cpu2, exit, entry;
    uint32_t cr3_targets;
    uint16_t vpid;
    uint64_t io_bitmap_a, io_bitmap_b, msr_bitmap, ept_pointer;
    struct vmx_msr_area exit_store, exit_load, entry_load;
    uint32_t event, event_error, event_length;
};

struct vmx_host_fields {
    uint16_t selector[SEG_COUNT]; /* all but LDTR's */
    uint64_t cr0, cr3, cr4;
    uint64_t fs_base, gs_base, tr_base, gdtr_base, idtr_base;
    uint64_t sysenter_esp, sysenter_eip;
    uint64_t pat, efer, rip;
};

enum { VMX_PDPTES = 4 };

struct vmx_guest_fields {
    struct vmx_segment seg[SEG_COUNT];
    struct vmx_table gdtr, idtr;
    uint64_t cr0, cr3, cr4, dr7;
    uint64_t rip, rflags;
    uint64_t sysenter_esp, sysenter_eip;
    uint64_t debugctl, pat, efer;
    uint32_t activity, interruptibility;
    uint64_t pending_debug, link_pointer;
    uint64_t pdpte[VMX_PDPTES];
};

struct vmx_fields {
    struct vmx_control_fields control;
    struct vmx_host_fields host;
    struct vmx_guest_fields guest;
};

/* Reads them from the current VMCS; 0 where this processor has no such field. */
void vmx_fields_read(struct vmx_fields *fields);

#endif
