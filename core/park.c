#include "core/park.h"

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "core/backend.h"
#include "core/run.h"
#include "hv/compiler.h"
#include "lib/atomic.h"

enum { NOBODY = 0 };

/* An NMI of ours to a CPU: not there, about to be sent, sent and not yet taken. */
enum kick { KICK_NONE, KICK_BEGUN, KICK_SENT };

static struct park_skew skew; /* the holder's */
static uint32_t holder;       /* number + 1 of the CPU that holds */

/* What the other CPUs write or read of a CPU; a cache line each. */
static struct {
    uint32_t stands; /* written by this CPU alone */
    uint32_t kicked; /* enum kick; set by others, cleared by this CPU */
    uint32_t apic_id;
} HV_ALIGNED(64) cpus[HV_MAX_CPUS];

void park_set_apic_id(unsigned cpu, uint32_t apic_id)
{
    cpus[cpu].apic_id = apic_id;
}

bool park_claim(const struct vcpu *v)
{
    return atomic_replace(&holder, NOBODY, v->number + 1);
}

bool park_wanted(const struct vcpu *v)
{
    uint32_t who = atomic_get(&holder);
    return who != NOBODY && who != v->number + 1;
}

void park_kick(unsigned cpu)
{
    if (!atomic_replace(&cpus[cpu].kicked, KICK_NONE, KICK_BEGUN))
        return;
    apic_send_nmi(cpus[cpu].apic_id);
    atomic_replace(&cpus[cpu].kicked, KICK_BEGUN, KICK_SENT);
}

unsigned park_other_nmis(const struct vcpu *v, unsigned came)
{
    uint32_t *kicked = &cpus[v->number].kicked;

    if (atomic_get(kicked) == KICK_NONE)
        return came;
    while (atomic_get(kicked) == KICK_BEGUN)
        cpu_pause();
    came += hv_backend->take_nmi();
    atomic_set(kicked, KICK_NONE);
    return came - 1;
}

void park_gather(const struct vcpu *v)
{
    if (vcpu_count() == 1)
        return;
    uint64_t begin = rdtsc();
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (i != v->number && !atomic_get(&cpus[i].stands))
            park_kick(i);
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        while (i != v->number && !atomic_get(&cpus[i].stands))
            cpu_pause();
    }
    skew.last = rdtsc() - begin;
    skew.max = HV_MAX(skew.max, skew.last);
}

struct park_skew park_skew(void)
{
    return skew;
}

void park_skew_reset(void)
{
    skew = (struct park_skew){0, 0};
}

void park_release(const struct vcpu *v)
{
    atomic_set(&holder, NOBODY);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (i != v->number && atomic_get(&cpus[i].stands))
            park_kick(i);
    }
}

static void wait(struct vcpu *v)
{
    unsigned came = hv_backend->wait(v);

    if (came && park_other_nmis(v, came))
        core_forward_nmi(v);
}

void park_stand(struct vcpu *v)
{
    uint32_t *stands = &cpus[v->number].stands;

    while (park_wanted(v)) {
        atomic_set(stands, 1);
        while (park_wanted(v))
            wait(v);
        atomic_set(stands, 0);
    }
}

void park_rest(struct vcpu *v)
{
    atomic_set(&cpus[v->number].stands, 1);
    wait(v);
    atomic_set(&cpus[v->number].stands, 0);
    park_stand(v);
}
