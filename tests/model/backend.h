/*
 * A backend that runs no guest but follows a script, and keeps a record of how it was entered.
 *
 * It is strict as a processor is: register groups that nobody fetched are rubbish after an exit,
 * and what was changed without vcpu_change() is lost.
 */
#ifndef TESTS_MODEL_BACKEND_H
#define TESTS_MODEL_BACKEND_H

#include "core/backend.h"

/* One entry into the guest: what is expected, what it does, how it ends. */
struct model_entry {
    enum hv_run_mode mode;            /* must be this */
    void (*guest)(struct hv_regs *r); /* what the guest's instructions do; NULL: nothing */
    struct hv_exit exit;
};

enum { MODEL_RECORDS = 64 };

/* How an entry was. */
struct model_record {
    enum hv_run_mode mode;
    uint64_t rip, rflags;
    struct hv_event event;
    unsigned traps; /* of debug and of core */
    uint64_t live_dr[4], live_dr7, debugctl;
    uint32_t exceptions;
    bool passing;
    bool interrupt_shadow;
};

extern struct model_record model_records[MODEL_RECORDS];
extern unsigned model_entries;                           /* how many there were */
extern unsigned model_flushes, model_nmis, model_remaps; /* calls of these verbs */
extern unsigned model_flushed;      /* bit n: CPU n was, since the test has cleared it */
extern unsigned model_nmis_pending; /* the next take_nmi() takes them */

/* What a guest's interrupt shadow is after each entry. */
extern bool model_shadow_after;

/* The processor's registers: what a fetch gives and a commit fills. gpr, rip, rflags: at entry. */
extern struct hv_regs model_processor;

/* Called where the script ends, and where a CPU waits; must not return. NULL: the program ends with
 * a message. */
extern void (*model_script_end)(void);

/*
 * CPU 0 anew: 64-bit mode, ring 0, no paging to speak of (CR0.PG off, so that linear is physical),
 * rip 0x1000, rsp 0x8000; no exits so far. The memory of tests/model/memory.h is reset too.
 */
struct vcpu *model_backend_reset(void);

/* 16, 32 or 64-bit code, with flat segments. */
void model_code_bits(struct vcpu *v, unsigned bits);
/* Ring 0 or 3. */
void model_ring(struct vcpu *v, unsigned ring);

/* Must outlive the run. */
void model_script(const struct model_entry *entries, unsigned count);
/* True when all of it was used. */
bool model_script_done(void);

#endif
