/*
 * Debug registers with two owners: the guest, which always reads back its own values, and the user.
 * The live registers are the merge of both.
 */
#ifndef CORE_DEBUG_REGS_H
#define CORE_DEBUG_REGS_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { DEBUG_SLOTS = 4, DEBUG_GUARD_REGISTER = 3 };

/* DR7's R/W field. */
enum debug_kind { DEBUG_EXECUTE = 0, DEBUG_WRITE = 1, DEBUG_IO = 2, DEBUG_ACCESS = 3 };

struct debug_slot {
    bool used;
    enum debug_kind kind;
    uint8_t size;  /* bytes: 1, 2, 4, 8 (execute: 1) */
    gva_t address; /* aligned to size */
};

struct debug_merge {
    uint64_t dr[DEBUG_SLOTS], dr7;
    int user_of[DEBUG_SLOTS]; /* live register -> the user's slot in it, -1: not the user's */
    unsigned guest_mask;      /* live registers that are the guest's and armed */
    unsigned guest_lost;      /* armed ones of the guest's that had to give way */
    unsigned spare;           /* live registers that hold spare breakpoints */
    unsigned lent;            /* and those that are lent */
};

/*
 * Pure. The guest's armed registers stay where they are (its DR6 counts them), the user's go to the
 * others; where they do not fit, the user's win. keep_gd: whether live DR7.GD follows the guest's.
 */
void debug_regs_merge(const struct hv_debug_regs *guest, const struct debug_slot *user,
                      bool keep_gd, struct debug_merge *merge);

/* The user's slots, the same on every CPU. Takes effect at each CPU's next entry. */
void debug_regs_set_user(unsigned slot, const struct debug_slot *value);
const struct debug_slot *debug_regs_user(unsigned slot);

/*
 * Execute breakpoints of all CPUs, at most DEBUG_SLOTS, in registers that neither owner has armed:
 * the first ones, as many as there are. Takes effect by debug_regs_update().
 */
void debug_regs_set_spare(const gva_t *addresses, unsigned count);
/* How many of them are live on v. */
unsigned debug_regs_spares(const struct vcpu *v);
/* Those bits of dr6 that are theirs. */
uint64_t debug_regs_spare_hits(const struct vcpu *v, uint64_t dr6);

/*
 * Execute breakpoints of v alone, in registers that neither owner has armed. They give way as soon
 * as one is: see debug_regs_lent(). False: there are not enough, none is lent. count 0: gives all
 * back.
 */
bool debug_regs_lend(struct vcpu *v, const gva_t *addresses, unsigned count);
/* True while all that were lent are live. */
bool debug_regs_lent(const struct vcpu *v);
/* Those bits of dr6 that are lent registers'. */
uint64_t debug_regs_lent_hits(const struct vcpu *v, uint64_t dr6);

/* Recomputes what is live on v, after a change on either side. */
void debug_regs_update(struct vcpu *v);

/* For a backend's entry, on v's CPU: writes DR0-DR3. True: v->dr_dirty was set, and is not now. */
bool debug_regs_load(struct vcpu *v);

/*
 * The DR6 bits of live registers that are armed: a processor may set others' bits too, where their
 * condition was met (SDM vol. 3, "Debug Status Register (DR6)").
 */
uint64_t debug_regs_armed(const struct vcpu *v);

/* Whether a live debug register is for the execution of this address. */
bool debug_regs_executed(const struct vcpu *v, gva_t address);
/* Whether one is for data among these. */
bool debug_regs_accessed(const struct vcpu *v, gva_t address, uint64_t size);

/* The user's slots (bit mask) among the causes B0-B3 in dr6, and the guest's causes. */
unsigned debug_regs_user_hits(const struct vcpu *v, uint64_t dr6);
uint64_t debug_regs_guest_hits(const struct vcpu *v, uint64_t dr6);

/* The guest's #DB by these causes: its DR6 says what it would have said without us. */
void debug_regs_raise(struct vcpu *v, uint64_t causes);

/* What DR6 and DR7 become when value is written to them: the bits that this processor has. */
uint64_t debug_regs_dr6(uint64_t value);
uint64_t debug_regs_dr7(uint64_t value);

/*
 * An intercepted MOV to or from DR number of a guest register. Does what the processor would for
 * this guest and returns true; or raises the exception it is owed and returns false.
 */
bool debug_regs_move(struct vcpu *v, unsigned number, bool write, uint64_t *value);

#endif
