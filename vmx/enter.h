/* The one way into the guest, and what lies beside it: enter.asm. */
#ifndef VMX_ENTER_H
#define VMX_ENTER_H

#include "hv/types.h"

enum vmx_entered {
    VMX_ENTER_EXITED,
    VMX_ENTER_FAILED,    /* VMLAUNCH or VMRESUME itself: VMCS_INSN_ERROR */
    VMX_ENTER_ABANDONED, /* *nmis was not `seen`: the guest did not run */
};

/* gpr: in the order of enum hv_gpr, but RSP, which is in the VMCS. resume: VMRESUME. */
unsigned vmx_enter(uint64_t *gpr, bool resume, const uint64_t *nmis, uint64_t seen);

/* Where an NMI must not return to: traps_set_nmi_window(). */
extern const uint8_t vmx_enter_window[], vmx_enter_window_end[], vmx_enter_abandon[];

/* HOST_RIP */
extern const uint8_t vmx_exit[];

/* An instruction that does nothing, VMX_TRIAL_LENGTH long, and behind it one that always exits. */
enum { VMX_TRIAL_LENGTH = 1 };
extern const uint8_t vmx_trial[];

#endif
