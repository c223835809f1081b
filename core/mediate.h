/*
 * Pages the guest must not reach directly (the interrupt controller with our entry in it, our own
 * memory). They are not present in stage 2. An access is let run, under one step, on a dummy page
 * that was filled before and is looked at afterwards: so no instruction has to be emulated.
 */
#ifndef CORE_MEDIATE_H
#define CORE_MEDIATE_H

#include "core/vcpu.h"
#include "hv/status.h"

struct mediator {
    gpa_t start, end; /* page aligned, end: first byte behind */
    bool reads_pass;  /* only writes are mediated; reads go to what is really there */
    /*
     * Before an access at page + offset: fills what can be read there. page_bytes: the dummy page,
     * zeros at least in the 16 aligned bytes that address is in. After a write: takes what was
     * written. Either may be NULL.
     */
    void (*before)(struct vcpu *v, gpa_t address, uint8_t *page_bytes);
    void (*after_write)(struct vcpu *v, gpa_t address, const uint8_t *page_bytes);
};

/*
 * Takes the pages out of stage 2 (whole 2 MiB pages at once where start and end allow). HV_ENOSPC:
 * more than 4 mediators, or no stage-2 tables left.
 */
enum hv_status mediate_add(const struct mediator *mediator);

/* Changes reads_pass of the mediator whose pages begin at start, from the next entry of v on. */
void mediate_pass_reads(struct vcpu *v, gpa_t start, bool pass);

/*
 * A stage-2 fault: when the address is a mediated one (or nothing at all), puts a dummy page there
 * for the instruction, to be ended by mediate_end. False: not ours, or two pages are open already.
 */
bool mediate_begin(struct vcpu *v, gpa_t address, bool write);

/*
 * The same without a step, for the instructions that device registers are accessed by as a rule:
 * MOV of 4 bytes between memory and a register, or of an immediate. True: done, RIP is behind it.
 * False: another instruction, or a debug register is armed and might have to see the access.
 */
bool mediate_move(struct vcpu *v, gpa_t address, bool write);

/* Takes the dummy pages away again; done: the instruction was carried out, so writes count. */
void mediate_end(struct vcpu *v, bool done);

#endif
