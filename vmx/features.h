/* What this processor's VMX can do: its capability registers. Reading is apart from judging. */
#ifndef VMX_FEATURES_H
#define VMX_FEATURES_H

#include "hv/types.h"

/* SDM vol. 3, appendix "VMX Capability Reporting Facility". Raw values; 0: there is no such MSR. */
struct vmx_features {
    bool vmx;                 /* CPUID.1:ECX.VMX */
    uint64_t feature_control; /* IA32_FEATURE_CONTROL */
    uint64_t basic;
    uint64_t pin, cpu, cpu2, exit, entry; /* the TRUE ones where there are */
    uint64_t ept_vpid;
    uint64_t misc;
    unsigned phys_bits, linear_bits; /* of addresses */
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

/* IA32_VMX_EPT_VPID_CAP */
#define VMX_EPT_EXECUTE_ONLY (1ULL << 0)
#define VMX_EPT_FOUR_LEVELS  (1ULL << 6)
#define VMX_EPT_WB           (1ULL << 14)
#define VMX_EPT_2M           (1ULL << 16)
#define VMX_EPT_1G           (1ULL << 17)
#define VMX_EPT_INVEPT       (1ULL << 20)
#define VMX_EPT_ACCESSED     (1ULL << 21)
#define VMX_EPT_INVEPT_ALL   (1ULL << 26)

/* IA32_VMX_MISC */
#define VMX_MISC_HALTED         (1ULL << 6)
#define VMX_MISC_WAITS_FOR_SIPI (1ULL << 8)

/* Processors of a maker that builds VMX. */
bool vmx_features_maker(void);

struct vmx_features vmx_features_read(void);

/* Does EPT have 1 GiB pages? Reads only what CPUID promises: needs no trap handler. */
bool vmx_features_gib_pages(void);

/* Pure: what IA32_FEATURE_CONTROL is to be for VMXON; the value itself when it is locked. */
uint64_t vmx_feature_control(uint64_t value);

/* Pure: NULL when a guest can be run; else the sentence for the person. */
const char *vmx_features_refusal(const struct vmx_features *f);

/* Pure: "EPT (1 GiB pages, ...), ...": what is used beyond the must; returns the length. */
size_t vmx_features_text(const struct vmx_features *f, char *text, size_t size);

#endif
