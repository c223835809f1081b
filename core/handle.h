/* What core itself does about an exit: the policy that has nothing to do with debugging. */
#ifndef CORE_HANDLE_H
#define CORE_HANDLE_H

#include "core/vcpu.h"

enum core_result {
    CORE_RETRY,  /* nothing was carried out: enter again at the same RIP */
    CORE_DONE,   /* the instruction was carried out; v->event holds the #DB of the guest's own TF */
    CORE_RAISED, /* v->event holds an exception for it instead */
    CORE_STAGE2, /* a stage-2 fault that needs a step on a dummy page */
    CORE_HALT,   /* HLT: it is executed where it is not trapped */
    CORE_PASS,   /* trapped for debug alone: needs a step with v->passing */
    CORE_UP,     /* not core's: debug decides */
};

/* *exit is changed where carrying it out ends in something else: a triple fault. */
enum core_result core_handle(struct vcpu *v, struct hv_exit *exit);

/*
 * An exit of v that core is about to carry out. True: it comes up (CORE_UP) with nothing done, and
 * v->passing is how it is carried out then. NULL, as at first: none does.
 */
typedef bool (*core_catch_fn)(struct vcpu *v, const struct hv_exit *exit);
void core_set_catch(core_catch_fn is_caught);

#endif
