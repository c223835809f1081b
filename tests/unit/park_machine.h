/*
 * For test_park.c: CPUs that are switched between at operations on shared words, wherever one waits
 * and, so many times in a schedule, anywhere else; and the NMIs between them.
 */
#ifndef TESTS_UNIT_PARK_MACHINE_H
#define TESTS_UNIT_PARK_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/park.h"
#include "hv/compiler.h"
#include "lib/atomic.h"
#include "tests/model/backend.h"

enum { CPUS = 3, CHOICES = 400, STACK = 64 << 10 };
enum where { READY, WAITING, SPINNING, DONE };

/* The CPUs. */
static struct {
    ucontext_t context;
    enum where where;
    unsigned nmis;  /* pending: one at most, as in a processor, or counted by the host */
    bool is_guests; /* the pending one is */
    bool asleep;    /* waits for a start-up in the guest: an NMI stays pending */
    bool startup;   /* has come */
    bool touched;   /* runs in the guest, or works on what a holder owns */
    unsigned guest_nmis;
    void (*program)(struct vcpu *v);
} cpus[CPUS];
static ucontext_t scheduler;
static unsigned running, count;
static uint8_t stacks[CPUS][STACK] HV_ALIGNED(16);

/* The schedule: which of how many CPUs that could go on did. */
static struct {
    uint8_t chosen, of;
} choices[CHOICES];
static unsigned choice_count, choice_at;
static uint64_t schedules, cut;
static bool overflow;
static unsigned preemptions, preempted; /* how often a CPU may be, was interrupted */
static bool nmi_sent;                   /* one that is the guest's, and merged with none of ours */
static bool host_counts;                /* in the host nothing holds NMIs back: none merges */

static void yield(enum where where)
{
    cpus[running].where = where;
    swapcontext(&cpus[running].context, &scheduler);
}

void model_atomic_point(void)
{
    if (count)
        yield(READY);
}

/* Who has no more to do runs its guest: a kick gets it out. */
static bool can_go_on(unsigned cpu)
{
    if (cpus[cpu].where == WAITING && cpus[cpu].asleep)
        return cpus[cpu].startup;
    return cpus[cpu].where == READY ||
           ((cpus[cpu].where == WAITING || cpus[cpu].where == DONE) && cpus[cpu].nmis);
}

/* Who waits for a word to change goes on when nobody else can, in turns. CPUS: nobody at all. */
static unsigned pick_spinner(void)
{
    static unsigned last;

    for (unsigned i = 1; i <= count; i++) {
        unsigned cpu = (last + i) % count;
        if (cpus[cpu].where == SPINNING) {
            last = cpu;
            return cpu;
        }
    }
    return CPUS;
}

/*
 * One of those that can go on, as the schedule says; a new choice begins with who runs already. Who
 * could go on itself is interrupted by another at most `preemptions` times in a schedule.
 */
static unsigned pick(void)
{
    unsigned ready[CPUS], n = 0;
    bool free_choice = cpus[running].where != READY;

    if (!free_choice)
        ready[n++] = running;
    for (unsigned i = 0; i < count; i++) {
        if (can_go_on(i) && (free_choice || i != running))
            ready[n++] = i;
    }
    if (!n)
        return pick_spinner();
    if (n == 1 || (!free_choice && preempted == preemptions))
        return ready[0];
    if (choice_at == CHOICES) {
        overflow = true;
        return ready[0];
    }
    if (choice_at == choice_count) {
        choices[choice_count].chosen = 0;
        choices[choice_count++].of = (uint8_t)n;
    }
    unsigned chosen = choices[choice_at++].chosen;
    preempted += !free_choice && chosen;
    return ready[chosen];
}

void model_pause(void)
{
    if (count)
        yield(SPINNING);
}

/* The time-stamp counter: as many ticks as it was asked. */
static uint64_t ticks;

uint64_t model_read_register(const char *name)
{
    assert_string_equal(name, "tsc");
    return ++ticks;
}

/* The guest's, not yet taken, and one of ours are one, and so are two of ours. */
static void raise_nmi(unsigned cpu, bool is_guests)
{
    bool merges = cpus[cpu].nmis && !host_counts;

    if (is_guests)
        nmi_sent = !merges;
    else if (merges && cpus[cpu].is_guests)
        nmi_sent = false;
    cpus[cpu].nmis = merges ? 1 : cpus[cpu].nmis + 1;
    cpus[cpu].is_guests = is_guests && !merges;
}

static unsigned take_nmi(void)
{
    unsigned taken = cpus[running].nmis;

    cpus[running].nmis = 0;
    return taken;
}

/* The machine below park.c. */
bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, MSR_APIC_BASE);
    *value = 0xfee00000 | APIC_BASE_X2APIC | APIC_BASE_ENABLE;
    return true;
}

bool model_wrmsr(uint32_t msr, uint64_t value)
{
    assert_int_equal(msr, MSR_X2APIC_ICR);
    assert_int_equal((uint32_t)value, 0x4400);
    if (count)
        yield(READY); /* between the word and the interrupt */
    raise_nmi((unsigned)(value >> 32), false);
    return true;
}

/* One that is asleep looks for an NMI before, and leaves it for later when a start-up comes. */
static unsigned wait(struct vcpu *v)
{
    cpus[v->number].touched = false;
    if (cpus[v->number].asleep && !cpus[v->number].nmis) {
        yield(WAITING);
        cpus[v->number].asleep = false;
        return 0;
    }
    while (!cpus[v->number].nmis)
        yield(WAITING);
    return take_nmi();
}

static struct hv_backend backend = {.wait = wait, .take_nmi = take_nmi};

#endif
