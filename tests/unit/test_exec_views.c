/*
 * core/exec_views.c on a backend that follows a script, with both vendors' tables: what a CPU can
 * execute, what all can read (USER-1, HAXM-22, WHPX-15, WHPX-17, WHPX-19).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/exec_views.h"
#include "core/run.h"
#include "core/stage2.h"
#include "core/step.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { PAGE = 4096, CODE = 0x400000, OTHER = 0x800000, INT3 = 0xcc };

static const struct stage2_format npt = {
    .table = 7, .leaf = 5, .large = 0x80, .write = 2, .no_execute = 1ULL << 63};
static const struct stage2_format ept = {.table = 7,
                                         .leaf = 1,
                                         .large = 0x80,
                                         .read = 1,
                                         .write = 2,
                                         .execute = 4,
                                         .type_shift = 3,
                                         .execute_only = true};

static uint8_t pool[512 * PAGE] HV_ALIGNED(4096);
static const struct stage2_format *format;
static struct vcpu *v;
static struct hv_exit out;

static void remove_all(void)
{
    gva_t gva;

    while (exec_views_count()) {
        exec_views_get(0, &gva);
        exec_views_remove(gva);
    }
}

static void begin(const struct stage2_format *f)
{
    const struct stage2_config config = {f, 36, true, (hpa_t)pool, sizeof(pool)};

    format = f;
    vcpu_set_count(2);
    v = model_backend_reset();
    v->regs.rip = CODE + 0x10;
    v->regs.rflags = 0x202;
    assert_int_equal(stage2_init(&config), HV_OK);
    for (unsigned i = 0; i < 3 * PAGE; i++)
        *model_memory(CODE + i) = *model_memory(OTHER + i) = (uint8_t)(0x40 + i % 7);
}

static int setup_npt(void **state)
{
    (void)state;
    begin(&npt);
    return 0;
}

static int setup_ept(void **state)
{
    (void)state;
    begin(&ept);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        exec_views_leave(vcpu_get(i));
    remove_all();
    vcpu_set_count(1);
    return 0;
}

/* What a CPU may do at an address now, by the rights of all levels; *hpa: where that is. */
static unsigned rights(unsigned cpu, gpa_t gpa, hpa_t *hpa)
{
    hpa_t table = stage2_root(cpu, STAGE2_NORMAL);
    unsigned all = STAGE2_ALL;

    for (unsigned shift = 39;; shift -= 9) {
        uint64_t entry;

        memcpy(&entry, (const uint8_t *)table + (gpa >> shift & 511) * 8, 8);
        if (format == &ept)
            all &= entry & 7;
        else if (entry & 1)
            all &= STAGE2_READ | (entry & 2 ? STAGE2_WRITE : 0) |
                   (entry & format->no_execute ? 0 : STAGE2_EXECUTE);
        else
            all = 0;
        table = entry & 0x000ffffffffff000ULL;
        if (!all || shift == 12 || (shift < 39 && (entry & 0x80))) {
            *hpa = table + (gpa & ((1ULL << shift) - 1));
            return all;
        }
    }
}

static unsigned rights_at(gpa_t gpa)
{
    hpa_t hpa;
    return rights(0, gpa, &hpa);
}

static void check_shared(gpa_t gpa, unsigned wanted)
{
    hpa_t hpa;

    assert_int_equal(rights(1, gpa, &hpa), wanted);
    assert_int_equal(hpa, gpa);
}

/* The byte that the CPU executes. */
static uint8_t executed(gpa_t gpa)
{
    hpa_t hpa;

    assert_true(rights(0, gpa, &hpa) & STAGE2_EXECUTE);
    return hpa == gpa ? *model_memory(gpa) : *(const uint8_t *)hpa;
}

static void insert(gpa_t gpa)
{
    assert_int_equal(exec_views_insert(gpa, gpa), HV_OK);
}

static struct hv_exit fetch(gpa_t gpa)
{
    return (struct hv_exit){.kind = HV_EXIT_STAGE2, .stage2 = {.address = gpa, .execute = true}};
}

/* v goes to an address, whose page it cannot execute. */
static enum exec_fault fetch_at(struct vcpu *cpu, gpa_t gpa)
{
    struct hv_exit exit = fetch(gpa);

    cpu->regs.rip = gpa;
    return exec_views_fault(cpu, &exit);
}

#define DATA (STAGE2_READ | STAGE2_WRITE)

/* BP-18, USER-1: all may read and write true bytes, nobody can execute; afterwards all is back. */
static void test_bp18_guarded(void **state)
{
    (void)state;
    check_shared(CODE, STAGE2_ALL);
    insert(CODE + 5);
    insert(CODE + 5);
    assert_int_equal(exec_views_insert(CODE + 5, 0x7777005), HV_OK);
    assert_int_equal(exec_views_count(), 2);
    check_shared(CODE, DATA);
    check_shared(CODE + PAGE, STAGE2_ALL);
    check_shared(CODE - 1, STAGE2_ALL);
    assert_int_equal(*model_memory(CODE + 5), 0x45);
    assert_true(exec_views_at(v, CODE + 5));
    assert_false(exec_views_at(v, CODE + 4));
    assert_false(exec_views_at(v, CODE + 6));
    exec_views_remove(CODE + 5);
    exec_views_remove(CODE + 5);
    check_shared(CODE, DATA);
    assert_true(exec_views_at(v, CODE + 5));
    exec_views_remove(0x7777005);
    check_shared(CODE, STAGE2_ALL);
    assert_int_equal(exec_views_count(), 0);
}

/* What is no plain memory of stage 2, or one too many, is refused and changes nothing. */
static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(stage2_map(OTHER, CODE, STAGE2_ALL), HV_OK);
    assert_int_equal(exec_views_insert(OTHER + 1, 1), HV_ENOSPC);
    assert_int_equal(stage2_map(OTHER, OTHER, STAGE2_READ), HV_OK);
    assert_int_equal(exec_views_insert(OTHER + 1, 1), HV_ENOSPC);
    assert_int_equal(exec_views_insert(1ULL << 40, 1), HV_ENOSPC);
    for (unsigned i = 0; i < EXEC_BREAKPOINTS_MAX; i++)
        insert(CODE + 3 * i);
    assert_int_equal(exec_views_insert(CODE + 1, 1), HV_ENOSPC);
    assert_int_equal(exec_views_count(), EXEC_BREAKPOINTS_MAX);
}

/* Where there are execute-only pages: a copy, which nobody can read. */
static void test_copy(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    insert(CODE + PAGE);
    assert_int_equal(fetch_at(v, CODE + 0x10), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), STAGE2_EXECUTE);
    assert_int_equal(executed(CODE + 0x20), INT3);
    assert_int_equal(executed(CODE + 0x21), 0x40 + 0x21 % 7);
    assert_int_equal(rights_at(CODE + PAGE), DATA);
    assert_int_equal(rights_at(OTHER), DATA);
    assert_int_equal(rights_at(0xfee00000), DATA);
    check_shared(CODE, DATA); /* the other CPU is elsewhere */
    check_shared(OTHER, STAGE2_ALL);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    assert_int_equal(fetch_at(v, OTHER), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), DATA);
    assert_int_equal(rights_at(OTHER), STAGE2_ALL);
    assert_int_equal(fetch_at(v, OTHER), EXEC_NOT_OURS);
}

/* USER-1, HAXM-22: what a loader puts there is what runs, with the breakpoint in it. */
static void test_user1_unpacked(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    memset(model_memory(CODE), 0x90, PAGE);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(executed(CODE + 0x1f), 0x90);
    if (format == &ept)
        assert_int_equal(executed(CODE + 0x20), INT3);
    else
        assert_int_equal(v->live_dr[0], CODE + 0x20);
    exec_views_leave(v);
    for (unsigned i = 0; i < PAGE; i++)
        assert_int_equal(*model_memory(CODE + i), 0x90);
    assert_int_equal(v->live_dr7, DR7_RESET);
}

/* The very first instruction of the page: nothing is executed. */
static void test_at_once(void **state)
{
    (void)state;
    insert(CODE + 0x10);
    assert_int_equal(fetch_at(v, CODE + 0x10), EXEC_BREAKPOINT);
    /* But an event that waits goes first. */
    vcpu_raise(v, VECTOR_UD);
    assert_int_equal(fetch_at(v, CODE + 0x10), EXEC_RETRY);
}

static void store(struct hv_regs *r)
{
    r->rip++;
    assert_int_equal(rights_at(CODE), STAGE2_ALL);
    assert_int_equal(executed(CODE + 0x20), 0x40 + 0x20 % 7);
    *model_memory(CODE + 0x30) = 0x99;
}

static void see_new_copy(struct hv_regs *r)
{
    (void)r;
    assert_int_equal(rights_at(CODE), STAGE2_EXECUTE);
    assert_int_equal(executed(CODE + 0x30), 0x99);
    assert_int_equal(executed(CODE + 0x20), INT3);
}

#define DONE(guest)                                                                                \
    {                                                                                              \
        RUN_STEP, guest,                                                                           \
        {                                                                                          \
            .kind = HV_EXIT_DEBUG, .debug = { DR6_BS }                                             \
        }                                                                                          \
    }
#define RUN(...)                                                                                   \
    do {                                                                                           \
        static const struct model_entry script[] = {__VA_ARGS__};                                  \
        model_script(script, HV_ARRAY_SIZE(script));                                               \
        core_run(v, &out);                                                                         \
        assert_true(model_script_done());                                                          \
    } while (0)
#define FETCH(at)                                                                                  \
    {                                                                                              \
        .kind = HV_EXIT_STAGE2, .stage2 = {.address = at, .execute = true }                        \
    }

/* Code that writes into its own page is stepped on the page itself, and seen at once. */
static void test_same_page_data(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    RUN({RUN_FREE, NULL, FETCH(CODE + 0x10)},
        {RUN_FREE, NULL, {.kind = HV_EXIT_STAGE2, .stage2 = {.address = CODE + 0x30}}}, DONE(store),
        {RUN_FREE, see_new_copy, {.kind = HV_EXIT_BREAKPOINT}});
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(v->regs.rflags, 0x202);
}

static void straddles(struct hv_regs *r)
{
    assert_int_equal(rights_at(CODE + PAGE - 1), STAGE2_ALL);
    assert_int_equal(rights_at(CODE + PAGE), STAGE2_ALL);
    r->rip += 3;
}

/* An instruction on two pages, guarded the first, the second, or both. */
static void test_straddle(void **state)
{
    (void)state;
    for (unsigned which = 1; which < 4; which++) {
        v->regs.rip = CODE + PAGE - 1;
        if (which & 1)
            insert(CODE);
        if (which & 2)
            insert(CODE + PAGE + 0x100);
        if (which == 2)
            RUN({RUN_FREE, NULL, FETCH(CODE + PAGE)}, {RUN_STEP, NULL, FETCH(CODE + PAGE)},
                DONE(straddles), {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}});
        else
            RUN({RUN_FREE, NULL, FETCH(CODE + PAGE - 1)}, {RUN_FREE, NULL, FETCH(CODE + PAGE)},
                {RUN_STEP, NULL, FETCH(CODE + PAGE)}, DONE(straddles),
                {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}});
        assert_int_equal(v->regs.rip, CODE + PAGE + 2);
        assert_int_equal(rights_at(CODE + PAGE),
                         which & 2 && format == &ept ? STAGE2_EXECUTE : STAGE2_ALL);
        exec_views_leave(v);
        remove_all();
    }
}

/* WHPX-19: stepped with the true byte, for this CPU alone. */
static void test_whpx19_step(void **state)
{
    (void)state;
    insert(CODE + 0x10);
    insert(CODE + 0x11);
    static const struct model_entry step[] = {DONE(store)};
    model_script(step, 1);
    assert_true(exec_views_claim(v, CODE + 0x10));
    core_step(v, &out);
    exec_views_release(v);
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(v->regs.rip, CODE + 0x11);
    assert_int_equal(rights_at(CODE), DATA);
    check_shared(CODE, DATA);
    /* It goes on, and the next one is hit. */
    RUN({RUN_FREE, NULL, FETCH(CODE + 0x11)});
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
}

/* What all share has changed: a view of before is not used. */
static void test_stale(void **state)
{
    (void)state;
    insert(CODE + 0x20);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    exec_views_prepare(v);
    assert_true(rights_at(CODE) & STAGE2_EXECUTE);
    assert_int_equal(stage2_map(OTHER, 0, STAGE2_NONE), HV_OK);
    assert_int_equal(rights_at(OTHER), DATA);
    exec_views_prepare(v);
    assert_int_equal(rights_at(OTHER), 0);
    assert_int_equal(rights_at(CODE), DATA);
}

/* Without execute-only pages: registers that nobody uses, as the code and the user know them. */
static void test_registers(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_WRITE, 4, 0x9000};

    (void)state;
    debug_regs_set_user(0, &watch);
    v->debug_regs.dr[0] = 0x5000;
    v->debug_regs.dr7 = DR7_RESET | 1;
    v->traps = TRAP_BREAKPOINT;
    debug_regs_update(v);
    uint64_t before = v->live_dr7;
    assert_int_equal(exec_views_insert(CODE + 0x20, 0xffff0020), HV_OK);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), STAGE2_ALL);
    assert_int_equal(rights_at(OTHER), DATA);
    assert_int_equal(v->live_dr[0], 0x5000);
    assert_int_equal(v->live_dr[1], 0x9000);
    assert_int_equal(v->live_dr[2], CODE + 0x20);
    assert_int_equal(v->live_dr[3], 0xffff0020);
    assert_int_equal(v->live_dr7, before | DR7_G(2) | DR7_G(3));
    assert_int_equal(v->traps, TRAP_BREAKPOINT | TRAP_DEBUG | TRAP_DR_READS);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    exec_views_leave(v);
    assert_int_equal(v->live_dr7, before);
    assert_int_equal(v->traps, TRAP_BREAKPOINT);
    assert_int_equal(rights_at(CODE), DATA);
}

static struct hv_exit debug(uint64_t dr6)
{
    return (struct hv_exit){.kind = HV_EXIT_DEBUG, .debug = {dr6}};
}

/* GEN-2: whose hit it was. */
static void test_gen2_register_hits(void **state)
{
    (void)state;
    v->debug_regs.dr[0] = CODE + 0x20;
    v->debug_regs.dr7 = DR7_RESET | 1;
    debug_regs_update(v);
    assert_int_equal(exec_views_insert(CODE + 0x20, CODE + 0x20), HV_OK);
    assert_int_equal(exec_views_insert(CODE + 0x28, 0x7000), HV_OK);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    v->regs.rip = CODE + 0x20;
    out = debug(DR6_B(1));
    assert_true(exec_views_debug(v, &out));
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    /* The guest's own goes first, then ours is hit. */
    out = debug(DR6_B(1) | DR6_B(0));
    assert_false(exec_views_debug(v, &out));
    assert_int_equal(out.debug.dr6, DR6_B(0));
    out = debug(DR6_BS);
    assert_false(exec_views_debug(v, &out));
    assert_int_equal(out.debug.dr6, DR6_BS);
    /* Another page, which this address space has at the user's address. */
    v->regs.rip = 0x7000;
    out = debug(DR6_B(3));
    assert_true(exec_views_debug(v, &out));
    assert_int_equal(out.kind, HV_EXIT_NONE);
    assert_int_equal(v->regs.rflags & RFLAGS_RF, RFLAGS_RF);
}

/* The guest arms registers of its own meanwhile: they are not taken from it. */
static void test_registers_give_way(void **state)
{
    uint64_t value = DR7_RESET | DR7_G(0) | DR7_G(1) | DR7_G(2);

    (void)state;
    insert(CODE + 0x20);
    insert(CODE + 0x21);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    exec_views_prepare(v);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    v->regs.seg[SEG_SS].attributes = 0x93;
    assert_true(debug_regs_move(v, 7, true, &value));
    exec_views_prepare(v);
    assert_int_equal(rights_at(CODE), DATA);
    assert_int_equal(v->live_dr7, value);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
}

/* Too many for the registers: in the page itself while a CPU is there. */
static void test_planted(void **state)
{
    struct vcpu *other = vcpu_get(1);

    (void)state;
    *other = *v;
    other->number = 1;
    for (unsigned i = 0; i < 5; i++)
        insert(CODE + 0x20 + 2 * i);
    assert_int_equal(exec_views_insert(CODE + 0x20, 0x7020), HV_OK);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), STAGE2_ALL);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(*model_memory(CODE + 0x20 + i) == INT3, i % 2 == 0);
    /* A second CPU: the first one's leaving lifts nothing, and it cannot step alone. */
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_false(exec_views_claim(v, CODE + 0x20));
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
    *model_memory(CODE + 0x22) = 0x77; /* the guest writes over one */
    exec_views_leave(other);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(*model_memory(CODE + 0x20 + i), i == 2 ? 0x77 : 0x40 + (0x20 + i) % 7);
    /* While one steps at a breakpoint there, nobody plants any. */
    assert_true(exec_views_claim(v, CODE + 0x20));
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    exec_views_release(v);
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
}

/* WHPX-17: a thousand in one page and in many; each page is mapped by itself once. */
static void test_whpx17_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        insert(CODE + (i * 7) % 500);
        insert(OTHER + ((i * 7) % 500) * PAGE);
    }
    unsigned flushes = model_flushes;
    assert_true(flushes <= 2 * 501);
    insert(CODE + 600);
    assert_int_equal(model_flushes, flushes);
    assert_int_equal(exec_views_count(), 1001);
    for (unsigned i = 0; i < 500; i++) {
        check_shared(OTHER + i * PAGE, DATA);
        assert_true(exec_views_at(v, OTHER + i * PAGE));
        assert_true(exec_views_at(v, CODE + i));
    }
    remove_all();
    check_shared(OTHER + 499 * PAGE, STAGE2_ALL);
}

#define ON_NPT(test) cmocka_unit_test_setup_teardown(test, setup_npt, teardown)
#define ON_EPT(test) cmocka_unit_test_setup_teardown(test, setup_ept, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NPT(test_bp18_guarded),
        ON_EPT(test_bp18_guarded),
        ON_NPT(test_refused),
        ON_EPT(test_refused),
        ON_EPT(test_copy),
        ON_NPT(test_user1_unpacked),
        ON_EPT(test_user1_unpacked),
        ON_NPT(test_at_once),
        ON_EPT(test_at_once),
        ON_EPT(test_same_page_data),
        ON_NPT(test_straddle),
        ON_EPT(test_straddle),
        ON_NPT(test_whpx19_step),
        ON_EPT(test_whpx19_step),
        ON_NPT(test_stale),
        ON_EPT(test_stale),
        ON_NPT(test_registers),
        ON_NPT(test_gen2_register_hits),
        ON_NPT(test_registers_give_way),
        ON_NPT(test_planted),
        ON_NPT(test_whpx17_many),
        ON_EPT(test_whpx17_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
