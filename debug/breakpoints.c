#include "debug/breakpoints.h"

#include "arch/x86/registers.h"
#include "core/exec_views.h"
#include "core/guest_memory.h"
#include "core/planted.h"
#include "debug/waiting.h"
#include "hv/compiler.h"

enum { INT3 = 0xcc };

/*
 * Those in place, one for each address that was asked for; those that share a byte share its
 * original.
 */
struct breakpoint {
    gva_t gva; /* as it was asked for: paging may have changed when it is removed */
    gpa_t gpa;
    uint8_t original;
};

static struct breakpoint table[BREAKPOINTS_MAX];
static unsigned count;
static struct breakpoint *lifted;

static struct breakpoint *find_gpa(gpa_t gpa)
{
    for (unsigned i = 0; i < count; i++) {
        if (table[i].gpa == gpa)
            return &table[i];
    }
    return NULL;
}

static struct breakpoint *find_gva(struct vcpu *v, gva_t address)
{
    struct x86_translation t;
    if (!count || !guest_translate(v, address, &t))
        return NULL;
    return find_gpa(t.gpa);
}

unsigned breakpoints_count(void)
{
    return count + exec_views_count() + waiting_count();
}

static enum hv_status insert_in_place(struct breakpoint b)
{
    const struct breakpoint *other = find_gpa(b.gpa);
    uint8_t int3 = INT3;

    if (breakpoints_count() >= BREAKPOINTS_MAX)
        return HV_ENOSPC;
    if (other)
        b.original = other->original; /* what is in memory now is ours */
    else if (guest_phys_read(b.gpa, &b.original, 1) != 1 || guest_phys_write(b.gpa, &int3, 1) != 1)
        return HV_EFAULT;
    table[count++] = b;
    return HV_OK;
}

static enum break_why locate(struct vcpu *v, gva_t address, struct x86_translation *t)
{
    vcpu_need(v, REGS_CONTROL);
    if (address >> 32 && !(v->regs.efer & EFER_LMA))
        return BREAK_TOO_HIGH;
    if (!guest_translate(v, address, t))
        return BREAK_NOT_MAPPED;
    return guest_phys_is_memory(t->gpa) ? BREAK_READY : BREAK_NOT_MEMORY;
}

static bool is_paged(struct vcpu *v)
{
    vcpu_need(v, REGS_CONTROL);
    return v->regs.cr0 & CR0_PG;
}

/*
 * A CPU that another one starts comes by here without paging, then with tables that map all memory
 * at its physical address: there the same number is another byte, which nobody executes.
 */
static enum break_why locate_waiting(struct vcpu *v, unsigned index, struct x86_translation *t)
{
    enum break_why why = locate(v, waiting_at(index), t);

    if (why != BREAK_READY)
        return why;
    if (waiting_is_paged(index) && !is_paged(v))
        return BREAK_NO_PAGING;
    return t->no_execute ? BREAK_NOT_EXECUTABLE : BREAK_READY;
}

static enum hv_status insert_at(gpa_t gpa, gva_t address)
{
    for (unsigned i = 0; i < count; i++) {
        if (table[i].gpa == gpa && table[i].gva == address)
            return HV_OK;
    }
    if (!find_gpa(gpa) && exec_views_insert(gpa, address) == HV_OK)
        return HV_OK;
    return insert_in_place((struct breakpoint){.gva = address, .gpa = gpa});
}

enum hv_status breakpoints_insert(struct vcpu *v, gva_t address)
{
    struct x86_translation t;

    if (locate(v, address, &t) == BREAK_READY) {
        enum hv_status status = insert_at(t.gpa, address);
        if (status != HV_EFAULT)
            return status;
    }
    if (breakpoints_count() >= BREAKPOINTS_MAX)
        return HV_ENOSPC;
    return waiting_add(address, is_paged(v));
}

bool breakpoints_resolve(struct vcpu *v)
{
    unsigned before = waiting_count();

    for (unsigned i = before; i-- > 0;) {
        gva_t address = waiting_at(i);
        bool paged = waiting_is_paged(i);
        struct x86_translation t;
        if (locate_waiting(v, i, &t) != BREAK_READY)
            continue;
        waiting_remove(address);
        if (insert_at(t.gpa, address) != HV_OK)
            waiting_add(address, paged);
    }
    return waiting_count() != before;
}

bool breakpoints_waits_at(gva_t address)
{
    return waiting_has(address);
}

struct break_info breakpoints_get(struct vcpu *v, unsigned index)
{
    struct break_info info = {.how = BREAK_IN_VIEW};
    struct x86_translation t;

    if (index < exec_views_count()) {
        info.gpa = exec_views_get(index, &info.gva);
        return info;
    }
    index -= exec_views_count();
    if (index < count)
        return (struct break_info){table[index].gva, table[index].gpa, BREAK_IN_PLACE, BREAK_READY};
    index -= count;
    info.gva = waiting_at(index);
    info.how = waiting_is_armed(index) ? BREAK_IN_REGISTER : BREAK_WAITS;
    info.why = locate_waiting(v, index, &t);
    if (info.why == BREAK_READY)
        info.why = BREAK_NOT_MEMORY; /* by this CPU's paging it is, by the others' not yet */
    return info;
}

/* Not over what the guest has put there since. */
static void restore(const struct breakpoint *b)
{
    uint8_t now;
    if (guest_phys_read(b->gpa, &now, 1) == 1 && now == INT3)
        guest_phys_write(b->gpa, &b->original, 1);
}

/* The byte goes back with its last owner. */
static void forget(struct breakpoint *b)
{
    struct breakpoint gone = *b;

    *b = table[--count];
    if (!find_gpa(gone.gpa))
        restore(&gone);
}

enum hv_status breakpoints_remove(struct vcpu *v, gva_t address)
{
    (void)v;

    waiting_remove(address);
    exec_views_remove(address);
    for (unsigned i = count; i-- > 0;) {
        if (table[i].gva == address)
            forget(&table[i]);
    }
    return HV_OK;
}

void breakpoints_remove_all(void)
{
    gva_t gva;

    while (waiting_count())
        waiting_remove(waiting_at(waiting_count() - 1));
    while (exec_views_count()) {
        exec_views_get(exec_views_count() - 1, &gva);
        exec_views_remove(gva);
    }
    while (count)
        forget(&table[count - 1]);
}

bool breakpoints_at(struct vcpu *v, gva_t address)
{
    return breakpoints_hidden_at(v, address) || find_gva(v, address);
}

bool breakpoints_hidden_at(struct vcpu *v, gva_t address)
{
    return exec_views_at(v, address);
}

bool breakpoints_begin_step(struct vcpu *v, gva_t address)
{
    return exec_views_claim(v, address) && !find_gva(v, address);
}

void breakpoints_lift(struct vcpu *v, gva_t address)
{
    exec_views_claim(v, address); /* who stands has none */
    lifted = find_gva(v, address);
    if (lifted)
        restore(lifted);
}

void breakpoints_drop(struct vcpu *v)
{
    uint8_t now, int3 = INT3;

    exec_views_release(v);
    /* The stepped instruction may have changed itself: then the new byte is the true one. */
    if (lifted && guest_phys_read(lifted->gpa, &now, 1) == 1) {
        for (unsigned i = 0; i < count; i++) {
            if (table[i].gpa == lifted->gpa)
                table[i].original = now;
        }
        guest_phys_write(lifted->gpa, &int3, 1);
    }
    lifted = NULL;
}

static void show_true_bytes(gpa_t gpa, uint8_t *bytes, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        if (table[i].gpa - gpa < size && bytes[table[i].gpa - gpa] == INT3)
            bytes[table[i].gpa - gpa] = table[i].original;
    }
}

size_t breakpoints_read_phys(gpa_t address, void *buf, size_t size)
{
    size_t n = planted_read(address, buf, size);

    show_true_bytes(address, buf, n);
    return n;
}

size_t breakpoints_read(struct vcpu *v, gva_t address, void *buf, size_t size)
{
    size_t done = 0;
    gpa_t gpa = 0;

    while (done < size) {
        uint8_t *bytes = (uint8_t *)buf + done;
        size_t part = guest_linear_part(v, address + done, size - done, &gpa);
        size_t n = part ? breakpoints_read_phys(gpa, bytes, part) : 0;
        done += n;
        if (!n || n < part)
            break;
    }
    return done;
}

/* What was written under a breakpoint is the new true byte; the INT3 goes back. */
static void keep_planted(gpa_t gpa, const uint8_t *bytes, size_t size)
{
    uint8_t int3 = INT3;

    for (unsigned i = 0; i < count; i++) {
        if (table[i].gpa - gpa < size) {
            table[i].original = bytes[table[i].gpa - gpa];
            guest_phys_write(table[i].gpa, &int3, 1);
        }
    }
}

size_t breakpoints_write_phys(gpa_t address, const void *buf, size_t size)
{
    size_t n = guest_phys_write(address, buf, size);

    keep_planted(address, buf, n);
    return n;
}

size_t breakpoints_write(struct vcpu *v, gva_t address, const void *buf, size_t size)
{
    size_t done = 0;
    gpa_t gpa = 0;

    while (done < size) {
        const uint8_t *bytes = (const uint8_t *)buf + done;
        size_t part = guest_linear_part(v, address + done, size - done, &gpa);
        size_t n = part ? breakpoints_write_phys(gpa, bytes, part) : 0;
        done += n;
        if (!n || n < part)
            break;
    }
    return done;
}
