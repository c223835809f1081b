#include "core/exec_views.h"

#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/break_list.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/planted.h"
#include "core/stage2.h"
#include "core/watch_pages.h"
#include "hv/compiler.h"

enum { PAGE = 4096, INT3 = 0xcc };

enum view_kind {
    VIEW_NONE,
    VIEW_COPY,      /* of the page, with INT3s in it; not writable, readable where it must be */
    VIEW_REGISTERS, /* debug registers */
    VIEW_PLANTED,   /* INT3s in the page itself */
    VIEW_TRUE,      /* the page itself, for a step */
};

/* Each CPU's own. */
static struct cpu_view {
    enum view_kind kind;
    bool opened; /* pages for a step */
    bool filled; /* VIEW_COPY: since the last exit */
    gpa_t page;
    unsigned traps; /* what debug wanted before VIEW_REGISTERS */
} views[HV_MAX_CPUS];

static uint8_t copies[HV_MAX_CPUS][PAGE] HV_ALIGNED(PAGE);

static gpa_t page_of(gpa_t gpa)
{
    return HV_ALIGN_DOWN(gpa, (gpa_t)PAGE);
}

bool exec_views_guards(gpa_t page)
{
    unsigned first, end;
    return break_list_page(page, &first, &end);
}

enum hv_status exec_views_map(gpa_t page)
{
    unsigned access = watch_pages_access(page);

    if (exec_views_guards(page))
        access &= ~(unsigned)STAGE2_EXECUTE;
    enum hv_status status = stage2_map(page, page, access);
    for (unsigned i = 0; i < vcpu_count(); i++)
        hv_backend->flush(vcpu_get(i));
    return status;
}

enum hv_status exec_views_insert(gpa_t gpa, gva_t gva)
{
    unsigned at = break_list_lower_bound(gpa, gva);
    gpa_t page = page_of(gpa);
    bool guarded = exec_views_guards(page);

    if (at < break_list_count() && break_list_get(at)->gpa == gpa && break_list_get(at)->gva == gva)
        return HV_OK;
    if (break_list_count() == EXEC_BREAKPOINTS_MAX ||
        (!guarded && watch_pages_access(page) == STAGE2_ALL && !stage2_is_plain(page)))
        return HV_ENOSPC;
    break_list_put(at, gpa, gva);
    if (guarded || exec_views_map(page) == HV_OK)
        return HV_OK;
    break_list_take(at);
    return HV_ENOSPC;
}

void exec_views_remove(gva_t gva)
{
    for (unsigned i = break_list_count(); i-- > 0;) {
        gpa_t page = page_of(break_list_get(i)->gpa);
        if (break_list_get(i)->gva != gva)
            continue;
        break_list_take(i);
        if (!exec_views_guards(page))
            exec_views_map(page);
    }
}

unsigned exec_views_count(void)
{
    return break_list_count();
}

gpa_t exec_views_get(unsigned index, gva_t *gva)
{
    *gva = break_list_get(index)->gva;
    return break_list_get(index)->gpa;
}

bool exec_views_at(struct vcpu *v, gva_t address)
{
    struct x86_translation t;
    return break_list_count() && guest_translate(v, address, &t) && break_list_has(t.gpa);
}

static void add_address(gva_t *addresses, unsigned *n, gva_t address)
{
    for (unsigned i = 0; i < *n; i++) {
        if (addresses[i] == address)
            return;
    }
    addresses[(*n)++] = address;
}

/*
 * Does MOV SS from a register or POP SS stand in front of it? Behind those a debug register may be
 * held back (SDM vol. 3, "Masking Exceptions and Interrupts When Switching Stacks"), an INT3 is
 * not. Bytes that only look like it cost no more than that.
 */
static bool is_behind_mov_ss(struct vcpu *v, gpa_t gpa)
{
    enum { POP_SS = 0x17, MOV_SREG = 0x8e, SS_FROM_REGISTER = 0xd0 };
    uint8_t before[2];

    if (planted_read(gpa - sizeof(before), before, sizeof(before)) != sizeof(before))
        return false;
    return (before[0] == MOV_SREG && (before[1] & 0xf8) == SS_FROM_REGISTER) ||
           (before[1] == POP_SS && vcpu_code_bits(v) != 64);
}

/*
 * As the code that runs now knows the breakpoints, and as the user does. Not for 16-bit code, whose
 * segments have bases: QEMU's emulation takes the offset for the address there, and ends.
 */
static bool enter_registers(struct vcpu *v, struct cpu_view *view, gpa_t page, unsigned first,
                            unsigned end)
{
    gva_t addresses[2 * DEBUG_SLOTS], here = vcpu_linear_rip(v) & ~(gva_t)(PAGE - 1);
    unsigned n = 0;

    if (end - first > DEBUG_SLOTS || vcpu_code_bits(v) == 16)
        return false;
    for (unsigned i = first; i < end; i++) {
        if (is_behind_mov_ss(v, break_list_get(i)->gpa))
            return false;
        add_address(addresses, &n, here | (break_list_get(i)->gpa & (PAGE - 1)));
        add_address(addresses, &n, break_list_get(i)->gva);
    }
    view->traps = v->traps;
    v->traps |= TRAP_DEBUG | TRAP_DR_READS;
    if (!debug_regs_lend(v, addresses, n)) {
        v->traps = view->traps;
        debug_regs_update(v);
        return false;
    }
    view->kind = VIEW_REGISTERS;
    view->page = page;
    return true;
}

static void fill_copy(unsigned cpu, gpa_t page, unsigned first, unsigned end)
{
    uint8_t *copy = copies[cpu];

    copy_page(copy, physmem_map(page));
    for (unsigned i = first; i < end; i++)
        copy[break_list_get(i)->gpa - page] = INT3;
}

/* False: its reads are watched, and what can be executed can be read: it is stepped there. */
static bool can_run_free(gpa_t page)
{
    return stage2_execute_only() || watch_pages_access(page) & STAGE2_READ;
}

/* Nobody writes it: a copy that can be read is as good as the page. */
static bool is_rom(gpa_t page)
{
    return !guest_phys_is_ram(page) && !guest_phys_is_ram(page + PAGE - 1);
}

static void enter_copy(struct cpu_view *view, unsigned cpu, gpa_t page, unsigned first,
                       unsigned end)
{
    fill_copy(cpu, page, first, end);
    view->kind = VIEW_COPY;
    view->page = page;
    view->filled = true;
}

static bool enter_planted(struct cpu_view *view, unsigned cpu, gpa_t page)
{
    if (!planted_enter(cpu, page))
        return false;
    view->kind = VIEW_PLANTED;
    view->page = page;
    return true;
}

/* Not while others step at its breakpoints: then the guest comes back here by itself. */
static void enter(struct vcpu *v, gpa_t page)
{
    struct cpu_view *view = &views[v->number];
    unsigned first, end, access = watch_pages_fetch_access(page);
    hpa_t hpa = page;

    break_list_page(page, &first, &end);
    if (stage2_execute_only() || (!enter_registers(v, view, page, first, end) && is_rom(page)))
        enter_copy(view, v->number, page, first, end);
    else if (view->kind == VIEW_NONE && !enter_planted(view, v->number, page))
        return;
    if (view->kind == VIEW_COPY) {
        hpa = (hpa_t)copies[v->number];
        access = STAGE2_EXECUTE | (stage2_execute_only() ? STAGE2_NONE : STAGE2_READ);
    }
    if (stage2_enter_view(v->number, page, hpa, access))
        hv_backend->flush(v);
}

void exec_views_leave(struct vcpu *v)
{
    struct cpu_view *view = &views[v->number];

    switch (view->kind) {
    case VIEW_NONE:
        return;
    case VIEW_COPY:
    case VIEW_TRUE:
        break;
    case VIEW_REGISTERS:
        v->traps = view->traps;
        debug_regs_lend(v, NULL, 0);
        break;
    case VIEW_PLANTED:
        planted_leave(v->number);
        break;
    }
    view->kind = VIEW_NONE;
    stage2_leave_view(v->number);
}

void exec_views_prepare(struct vcpu *v)
{
    struct cpu_view *view = &views[v->number];
    unsigned first, end;

    if (view->kind == VIEW_NONE)
        return;
    if (stage2_view_is_stale(v->number) || (view->kind == VIEW_REGISTERS && !debug_regs_lent(v)))
        exec_views_leave(v);
    else if (view->kind == VIEW_COPY && !view->filled && break_list_page(view->page, &first, &end))
        fill_copy(v->number, view->page, first, end); /* others may have written the page */
    view->filled = false;
}

/* A page that an instruction needs besides that of RIP. */
static bool open_true(struct vcpu *v, gpa_t page)
{
    if (stage2_open(v->number, page, page, watch_pages_fetch_access(page)) != HV_OK)
        return false;
    views[v->number].opened = true;
    hv_backend->flush(v);
    return true;
}

void exec_views_begin_step(struct vcpu *v)
{
    struct x86_translation t;

    if (!break_list_count())
        return;
    exec_views_leave(v);
    if (v->event.type != HV_EVENT_NONE || !guest_translate(v, vcpu_linear_rip(v), &t) ||
        !exec_views_guards(page_of(t.gpa)))
        return;
    gpa_t page = page_of(t.gpa);
    views[v->number].kind = VIEW_TRUE;
    views[v->number].page = page;
    if (stage2_enter_view(v->number, page, page, watch_pages_fetch_access(page)))
        hv_backend->flush(v);
}

static enum exec_fault fetch_fault(struct vcpu *v, gpa_t page)
{
    struct cpu_view *view = &views[v->number];
    struct x86_translation t;
    bool guarded = exec_views_guards(page);

    if (!guarded && view->kind == VIEW_NONE)
        return EXEC_NOT_OURS;
    bool here = guest_translate(v, vcpu_linear_rip(v), &t);
    if (here && v->event.type == HV_EVENT_NONE && break_list_has(t.gpa))
        return EXEC_BREAKPOINT;
    exec_views_leave(v);
    if (here && (page_of(t.gpa) != page || (guarded && !can_run_free(page))))
        return EXEC_STEP; /* or an instruction on two pages */
    if (guarded)
        enter(v, page);
    return EXEC_RETRY;
}

enum exec_fault exec_views_fault(struct vcpu *v, const struct hv_exit *exit)
{
    struct cpu_view *view = &views[v->number];
    gpa_t page = page_of(exit->stage2.address);

    if (!break_list_count())
        return EXEC_NOT_OURS;
    if (exit->stage2.execute)
        return fetch_fault(v, page);
    if (view->kind == VIEW_NONE)
        return EXEC_NOT_OURS;
    bool own = view->kind == VIEW_COPY && view->page == page;
    bool stale = stage2_view_is_stale(v->number);
    if (own)
        return EXEC_STEP;
    exec_views_leave(v);
    return stale ? EXEC_RETRY : EXEC_NOT_OURS;
}

void exec_views_resume(struct vcpu *v)
{
    struct x86_translation t;

    if (break_list_count() && views[v->number].kind == VIEW_NONE &&
        v->event.type == HV_EVENT_NONE && guest_translate(v, vcpu_linear_rip(v), &t) &&
        exec_views_guards(page_of(t.gpa)) && !break_list_has(t.gpa) && can_run_free(page_of(t.gpa)))
        enter(v, page_of(t.gpa));
}

bool exec_views_open(struct vcpu *v, const struct hv_exit *exit)
{
    gpa_t page = page_of(exit->stage2.address), here = views[v->number].page;
    bool in_view = views[v->number].kind == VIEW_TRUE;

    if (!break_list_count() ||
        (!exit->stage2.execute && !(in_view && stage2_view_is_stale(v->number))))
        return false;
    if (!in_view)
        return exec_views_guards(page) && open_true(v, page);
    exec_views_leave(v);
    return open_true(v, here) && (!exec_views_guards(page) || open_true(v, page));
}

void exec_views_finish_step(struct vcpu *v)
{
    if (views[v->number].kind == VIEW_TRUE)
        exec_views_leave(v);
    if (!views[v->number].opened)
        return;
    views[v->number].opened = false;
    stage2_close(v->number);
    hv_backend->flush(v);
}

bool exec_views_debug(struct vcpu *v, struct hv_exit *exit)
{
    uint64_t ours = debug_regs_lent_hits(v, exit->debug.dr6);
    uint64_t others = exit->debug.dr6 & (debug_regs_armed(v) | ~0xfULL) & ~ours;

    if (!ours)
        return false;
    if (others) {
        exit->debug.dr6 = others; /* ours comes again */
        return false;
    }
    if (exec_views_at(v, vcpu_linear_rip(v))) {
        *exit = (struct hv_exit){.kind = HV_EXIT_BREAKPOINT};
        return true;
    }
    *exit = (struct hv_exit){.kind = HV_EXIT_NONE};
    v->regs.rflags |= RFLAGS_RF;
    return true;
}

bool exec_views_claim(struct vcpu *v, gva_t address)
{
    struct x86_translation t;

    if (!break_list_count() || !guest_translate(v, address, &t) || !break_list_has(t.gpa))
        return true;
    exec_views_leave(v);
    return planted_claim(v->number, page_of(t.gpa));
}

void exec_views_release(struct vcpu *v)
{
    planted_release(v->number);
}
