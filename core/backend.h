/*
 * What a vendor's backend gives: a small table of verbs. Nothing above sees a vendor's number.
 */
#ifndef CORE_BACKEND_H
#define CORE_BACKEND_H

#include "core/stage2.h"
#include "core/vcpu.h"
#include "hv/status.h"

struct hv_backend {
    const char *name; /* "AMD SVM" */

    /* Does this processor's maker build this extension at all? Whose sentence people are told. */
    bool (*maker)(void);

    /*
     * NULL when this processor can run a guest; else why not, a sentence that says what to do.
     * Changes nothing.
     */
    const char *(*present)(void);

    /* A line for people: which optional features are used. Returns its length. */
    size_t (*describe)(char *text, size_t size);

    /* enum hv_trap: what has no interception here. */
    unsigned lacks;

    /* How this vendor's stage-2 entries look. */
    const struct stage2_format *stage2;

    /* Has stage 2 pages of 1 GiB? Asked before there is a trap handler. */
    bool (*gib_pages)(void);

    /* Are INIT and start-ups exits, even while a CPU waits? NULL: never on this vendor's. */
    bool (*init_exits)(void);

    /* Turns the extension on, on this CPU, for the guest CPU v. */
    void (*cpu_on)(struct vcpu *v);
    void (*cpu_off)(struct vcpu *v);

    /*
     * Puts the CPU's state to what vcpu_reset() or vcpu_init() filled in. The PAT, which INIT does
     * not change, is the host's from cpu_on() on.
     */
    void (*reset)(struct vcpu *v);

    /*
     * Enters the guest with v's registers, traps, event; returns what ended it. gpr, rip and rflags
     * are valid then, the other groups are not. A pending event that was not delivered is still in
     * v->event. RUN_STEP: RFLAGS.TF and the repair are the caller's (core/step_trap.c).
     */
    void (*run)(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit);

    /*
     * Enters the guest for one instruction, device interrupts held; there is no event to deliver.
     * HV_EXIT_STEP: it is done, debug.dr6 tells which debug registers it hit besides, and the trap
     * that the guest's own TF asked for is in v->event. Every other kind: it is not done.
     */
    void (*step)(struct vcpu *v, struct hv_exit *exit);

    /* Reads these register groups of v from the processor's structure. */
    void (*fetch)(struct vcpu *v, unsigned groups);

    /*
     * Ends what holds NMIs back in the host: takes the pending one. Returns how many this CPU has
     * taken since it was asked last, here or by wait(). Due behind every HV_EXIT_NMI.
     */
    unsigned (*take_nmi)(void);

    /*
     * Halts this CPU until an NMI has come; at once when one came since the last run() or
     * take_nmi(). Returns how many. Where INIT and start-ups are exits (core/ipi.h) one of them
     * ends it, too, and is noted (0: without an NMI), and for a CPU that needs a start-up nothing
     * else.
     */
    unsigned (*wait)(struct vcpu *v);

    /* Stage-2 tables of this CPU changed: forget translations before the next entry. */
    void (*flush)(struct vcpu *v);

    /* What core/policy.h and core/io_policy.h watch has changed. All CPUs stand. */
    void (*remap)(void);

    /* Writes a report of the raw state for people, by lines. */
    void (*dump)(struct vcpu *v, void (*line)(const char *text));
};

/* Chosen once at boot; valid from then on. */
extern const struct hv_backend *hv_backend;

#endif
