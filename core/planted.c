#include "core/planted.h"

#include "arch/x86/physmem.h"
#include "core/break_list.h"
#include "core/guest_memory.h"
#include "core/vcpu.h"
#include "hv/compiler.h"
#include "lib/spinlock.h"

enum { PAGE = 4096, INT3 = 0xcc };

/* All of it, and the bytes under the INT3s (struct breakpoint), by `lock`. */
static struct {
    bool plants, steps;
    gpa_t planted, stepped; /* the pages */
} cpus[HV_MAX_CPUS];

static struct spinlock lock;

/* Has another CPU than this INT3s in the page, or steps there? */
static bool others_plant(unsigned cpu, gpa_t page)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (i != cpu && cpus[i].plants && cpus[i].planted == page)
            return true;
    }
    return false;
}

static bool others_step(unsigned cpu, gpa_t page)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (i != cpu && cpus[i].steps && cpus[i].stepped == page)
            return true;
    }
    return false;
}

static uint8_t *byte_at(gpa_t gpa)
{
    return (uint8_t *)physmem_map(gpa);
}

/*
 * At once with a look at what was there: the second time at one byte an INT3, which lift() no
 * longer finds there.
 */
static void plant(gpa_t page)
{
    unsigned first, end;

    break_list_page(page, &first, &end);
    for (unsigned i = first; i < end; i++) {
        struct breakpoint *b = break_list_get(i);
        b->original = __atomic_exchange_n(byte_at(b->gpa), INT3, __ATOMIC_SEQ_CST);
    }
}

/* Not over what the guest has put there since: that is the true byte now. */
static void lift(gpa_t page)
{
    unsigned first, end;

    break_list_page(page, &first, &end);
    for (unsigned i = first; i < end; i++) {
        const struct breakpoint *b = break_list_get(i);
        uint8_t int3 = INT3;
        __atomic_compare_exchange_n(byte_at(b->gpa), &int3, b->original, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    }
}

bool planted_enter(unsigned cpu, gpa_t page)
{
    spin_lock(&lock);
    bool free = !others_step(cpu, page);
    if (free) {
        if (!others_plant(cpu, page))
            plant(page);
        cpus[cpu].plants = true;
        cpus[cpu].planted = page;
    }
    spin_unlock(&lock);
    return free;
}

void planted_leave(unsigned cpu)
{
    spin_lock(&lock);
    if (!others_plant(cpu, cpus[cpu].planted))
        lift(cpus[cpu].planted);
    cpus[cpu].plants = false;
    spin_unlock(&lock);
}

bool planted_claim(unsigned cpu, gpa_t page)
{
    spin_lock(&lock);
    bool free = !others_plant(cpu, page);
    if (free) {
        cpus[cpu].steps = true;
        cpus[cpu].stepped = page;
    }
    spin_unlock(&lock);
    return free;
}

void planted_release(unsigned cpu)
{
    spin_lock(&lock);
    cpus[cpu].steps = false;
    spin_unlock(&lock);
}

size_t planted_read(gpa_t address, void *buf, size_t size)
{
    uint8_t *bytes = (uint8_t *)buf;

    spin_lock(&lock);
    size_t n = guest_phys_read(address, buf, size);
    for (unsigned i = break_list_lower_bound(address, 0); i < break_list_count(); i++) {
        const struct breakpoint *b = break_list_get(i);
        if (b->gpa - address >= n)
            break;
        uint8_t *byte = &bytes[b->gpa - address];
        if (*byte == INT3 && others_plant(HV_MAX_CPUS, HV_ALIGN_DOWN(b->gpa, (gpa_t)PAGE)))
            *byte = b->original;
    }
    spin_unlock(&lock);
    return n;
}
