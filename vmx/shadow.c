#include "vmx/shadow.h"

#include "arch/x86/registers.h"
#include "vmx/vmcs.h"

/* Which of the two shadows: the last exit's; blocking by STI is not allowed while IF is 0. */
static uint32_t shadow_bit(uint64_t rflags, uint32_t last)
{
    return (last & VMX_BLOCKED_STI) && (rflags & RFLAGS_IF) ? VMX_BLOCKED_STI : VMX_BLOCKED_MOV_SS;
}

struct vmx_shadow vmx_shadow_make(enum hv_run_mode mode, uint64_t rflags, uint32_t last,
                                  uint64_t saved, bool shadow, bool nmi_blocked, bool btf)
{
    struct vmx_shadow s = {nmi_blocked ? VMX_BLOCKED_NMI : 0, 0};

    if (mode == RUN_STEP)
        s.interruptibility |= VMX_BLOCKED_MOV_SS;
    else if (shadow && (mode == RUN_FREE || mode == RUN_HALTED))
        s.interruptibility |= shadow_bit(rflags, last);

    if (!(s.interruptibility & (VMX_BLOCKED_MOV_SS | VMX_BLOCKED_STI)))
        return s;
    /* A watchpoint that MOV SS itself hit is still to come. */
    if (shadow && (s.interruptibility & VMX_BLOCKED_MOV_SS))
        s.pending_debug = saved & VMX_PENDING_BREAKPOINTS;
    if ((rflags & RFLAGS_TF) && !btf)
        s.pending_debug |= VMX_PENDING_BS;
    return s;
}
