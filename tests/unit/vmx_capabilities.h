/* The capability registers of every Intel model that Bochs offers: what test_vmx_models.c runs on.
 */
#ifndef TESTS_UNIT_VMX_CAPABILITIES_H
#define TESTS_UNIT_VMX_CAPABILITIES_H

#include "hv/types.h"

enum { VMX_MODEL_MSRS = 20 };

struct vmx_model {
    const char *name;    /* Bochs's */
    const char *refusal; /* words of the sentence that refuses it; NULL: it can run a guest */
    uint64_t feature_control;
    uint64_t msr[VMX_MODEL_MSRS]; /* from IA32_VMX_BASIC on; 0: there is none */
    struct {
        uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_edx; /* leaf 7, subleaf 0 */
        uint32_t leaf71_eax, leaf71_ecx, leaf71_edx;         /* leaf 7, subleaf 1 */
        uint32_t xsave_eax, ext_edx;                         /* 0xd.1, 0x80000001 */
    } cpuid;
};

extern const struct vmx_model vmx_models[];
extern const unsigned vmx_model_count;

#endif
