/*
 * `monitor catch`: what the user wants the guest to stop in front of. Each is an interception that
 * is off without it. One set for all CPUs, changed while all stand.
 */
#ifndef DEBUG_CATCH_H
#define DEBUG_CATCH_H

#include "core/vcpu.h"
#include "hv/status.h"

enum catch_kind {
    CATCH_EXCEPTION, /* first: the vector; error, low and high (of CR2) where they are given */
    CATCH_CR,        /* writes of CR first */
    CATCH_MSR,       /* first to last, access */
    CATCH_IO,        /* ports first to last, access: CATCH_READ is IN */
    CATCH_CPUID,     /* leaves first to last */
    CATCH_INT,       /* INT n with n from first to last */
    CATCH_DOOR,      /* UEFI's ExitBootServices, whose code begins at first */
    CATCH_PHASE,     /* the first instruction in phase first (enum catch_phase); once */
};

enum { CATCH_READ = 1, CATCH_WRITE = 2 };

enum catch_phase { PHASE_PROTECTED, PHASE_PAGING, PHASE_LONG, PHASE_RING3, PHASES };

struct catch
{
    unsigned number; /* 0: this place is free */
    enum catch_kind kind;
    uint64_t first, last;
    unsigned access;
    bool has_error, has_address;
    uint32_t error;
    uint64_t low, high;
};

enum { CATCHES = 16 };

/* HV_ENOSPC: all places, or all hardware breakpoints, are in use. *number: how it is called from
 * now on, from 1. */
enum hv_status catch_add(const struct catch *c, unsigned *number);
bool catch_remove(unsigned number);
void catch_remove_all(void); /* numbers begin with 1 again */

/* What core/policy.h and io_policy.h watch follows from all these, and from debug/death.h. */
void catch_update(void);

/* The one in a place from 0 to CATCHES - 1, NULL where there is none. */
const struct catch *catch_at(unsigned place);

/* What all of them need: enum hv_trap, and bit n for exception n. */
unsigned catch_traps(void);
uint32_t catch_exceptions(void);

/* The first that this exit, which is not carried out yet, is a case of; NULL: none. */
const struct catch *catch_find(struct vcpu *v, const struct hv_exit *exit);

/* Phases that v is in, bit n for phase n, but ring 3. */
unsigned catch_phases(struct vcpu *v);
/* The one that waits for one of these phases; NULL: none. */
const struct catch *catch_of_phase(unsigned phases);

/* The catch of ExitBootServices when it begins at this address; NULL: none. */
const struct catch *catch_door_at(gva_t address);

/* As `monitor catch` lists it; and what has happened, with the values. Cut to size. */
void catch_describe(const struct catch *c, char *text, size_t size);
void catch_say(struct vcpu *v, const struct catch *c, const struct hv_exit *exit, char *text,
               size_t size);

/* "#PF" and the like; NULL: it has no name. */
const char *catch_exception_name(uint64_t vector);
/* "paging" and the like. */
const char *catch_phase_name(enum catch_phase phase);

#endif
