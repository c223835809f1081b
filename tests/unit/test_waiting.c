/* debug/waiting.c and what arms it: USER-2, WHPX-13. */
#include "tests/unit/ask_monitor.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/handle.h"
#include "debug/breakpoints.h"
#include "debug/judge.h"
#include "debug/waiting.h"
#include "debug/watch.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/fake_fpu.h"

#define KERNEL 0xffffffff81000000ULL

enum { CODE = 0x10000, PML4 = 0x20000, PDPT = 0x21000, PD = 0x22000, PT = 0x23000 };

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    memset(&debug, 0, sizeof(debug));
    debug.stub.thread_g = 1;
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 |= CR0_PG;
    v->regs.cr4 |= CR4_PAE;
    v->regs.cr3 = PML4;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    breakpoints_remove_all();
    watch_remove_all();
    debug_update_traps();
    return 0;
}

static void insert(gva_t address)
{
    assert_int_equal(breakpoints_insert(v, address), HV_OK);
    debug_update_traps();
}

static void map_kernel(void)
{
    model_memory_put(PML4 + 511 * 8, PDPT | 7);
    model_memory_put(PDPT + 510 * 8, PD | 7);
    model_memory_put(PD + 8 * 8, PT | 7);
    model_memory_put(PT, CODE | 7);
}

/* USER-2, WHPX-13: kept, in a debug register meanwhile, and armed in memory when there is some. */
static void test_user2_not_mapped_yet(void **state)
{
    (void)state;
    insert(KERNEL + 5);
    insert(KERNEL + 5);
    assert_int_equal(breakpoints_count(), 1);
    assert_true(breakpoints_waits_at(KERNEL + 5));
    assert_int_equal(v->live_dr[0], KERNEL + 5);
    assert_int_equal(v->live_dr7, DR7_RESET | DR7_G(0));
    assert_int_equal(v->traps & (TRAP_DEBUG | TRAP_DR_READS), TRAP_DEBUG | TRAP_DR_READS);
    assert_int_equal(v->traps & TRAP_CR3_WRITES, 0);
    assert_false(breakpoints_resolve(v));
    map_kernel();
    assert_true(breakpoints_resolve(v));
    debug_update_traps();
    assert_false(breakpoints_waits_at(KERNEL + 5));
    assert_true(breakpoints_at(v, KERNEL + 5));
    assert_int_equal(v->live_dr7, DR7_RESET);
    assert_int_equal(v->traps, TRAP_BREAKPOINT);
    assert_int_equal(breakpoints_count(), 1);
    breakpoints_remove(v, KERNEL + 5);
    assert_int_equal(breakpoints_count(), 0);
}

/* USER-2: on its way to long mode a CPU has other memory at the same number: not that is meant. */
static void test_user2_cpu_that_comes(void **state)
{
    const gva_t low = CODE + 0x40; /* in memory by its number, too */

    (void)state;
    v->regs.efer = EFER_LME | EFER_LMA | EFER_NXE;
    insert(low);
    assert_true(breakpoints_waits_at(low));
    v->regs.cr0 &= ~CR0_PG;
    assert_false(breakpoints_resolve(v));
    assert_int_equal(breakpoints_get(v, 0).why, BREAK_NO_PAGING);
    assert_non_null(strstr(ask("break"), "armed by a debug register: no paging here"));
    v->regs.cr0 |= CR0_PG;
    model_memory_put(PML4, PDPT | 7);
    model_memory_put(PDPT, PD | 7);
    model_memory_put(PD, PT | 7);
    model_memory_put(PT + 16 * 8, HV_BIT(63) | CODE | 7);
    assert_false(breakpoints_resolve(v));
    assert_int_equal(breakpoints_get(v, 0).why, BREAK_NOT_EXECUTABLE);
    assert_non_null(strstr(ask("break"), ": mapped, but not to be executed"));
    assert_int_equal(*model_memory(low), 0);
    model_memory_put(PT + 16 * 8, (CODE + 0x1000) | 7);
    assert_true(breakpoints_resolve(v));
    assert_int_equal(breakpoints_get(v, 0).gpa, low + 0x1000);
    assert_false(breakpoints_waits_at(low));
}

/* An address that 32-bit code cannot have is not taken for its lower half. */
static void test_user2_too_high(void **state)
{
    (void)state;
    model_code_bits(v, 32);
    v->regs.cr0 &= ~CR0_PG;
    insert(0xffffffff00010000ULL);
    assert_int_equal(breakpoints_get(v, 0).why, BREAK_TOO_HIGH);
    assert_int_equal(*model_memory(0x10000), 0);
    insert(0x10000);
    assert_int_equal(breakpoints_get(v, 0).why, BREAK_READY);
    assert_int_equal(breakpoints_get(v, 0).gpa, 0x10000);
}

/*
 * USER-2: writes of EFER need no look. LME says nothing until CR0.PG is written, and with NXE no
 * other page can be executed than without.
 */
static void test_user2_efer(void **state)
{
    const gva_t high = 0xffffffff00010000; /* whose low half is memory */

    (void)state;
    model_code_bits(v, 32);
    v->regs.cr0 &= ~CR0_PG;
    map_kernel();
    model_memory_put(PDPT + 508 * 8, PD | 7);
    model_memory_put(PD, PT | 7);
    model_memory_put(PT + 16 * 8, CODE | 7);
    insert(high);
    v->regs.efer = EFER_LME | EFER_NXE;
    assert_false(breakpoints_resolve(v));
    v->regs.cr0 |= CR0_PG;
    v->regs.efer |= EFER_LMA; /* by the processor, with PG */
    assert_true(breakpoints_resolve(v));
    assert_true(breakpoints_at(v, high));

    for (unsigned nxe = 0; nxe < 2; nxe++) {
        struct x86_translation t;
        struct x86_paging paging;

        v->regs.efer = EFER_LME | EFER_LMA | (nxe ? EFER_NXE : 0);
        paging = guest_paging(v);
        assert_true(guest_translate(v, KERNEL, &t));
        assert_true(x86_walk_allows(&paging, &t, X86_FETCH, false, false));
        model_memory_put(PT + 8, HV_BIT(63) | CODE | 7);
        assert_int_equal(guest_translate(v, KERNEL + 0x1000, &t), nxe);
        assert_false(nxe && x86_walk_allows(&paging, &t, X86_FETCH, false, false));
    }
}

/* gdb's own and the guest's go before; who finds no register waits for changes of paging. */
static void test_registers_give_way(void **state)
{
    struct hv_exit cr3 = {.kind = HV_EXIT_CR_WRITE, .cr = {.number = 3}};

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        insert(KERNEL + i);
    assert_false(waiting_unarmed());
    assert_int_equal(v->traps & TRAP_CR3_WRITES, 0);
    assert_false(judge_sees(v, &cr3));
    assert_int_equal(watch_insert(GDB_BREAK_HARD, 0x5000, 1), HV_OK);
    v->debug_regs.dr[3] = 0x6000;
    v->debug_regs.dr7 = DR7_RESET | DR7_L(3);
    debug_update_traps();
    assert_int_equal(v->live_dr[0], 0x5000);
    assert_int_equal(v->live_dr[1], KERNEL);
    assert_int_equal(v->live_dr[2], KERNEL + 1);
    assert_int_equal(v->live_dr[3], 0x6000);
    assert_true(waiting_is_armed(1));
    assert_false(waiting_is_armed(2));
    assert_true(waiting_unarmed());
    assert_int_equal(v->traps & TRAP_CR3_WRITES, TRAP_CR3_WRITES);
    assert_true(judge_sees(v, &cr3));
    /* The first one goes, the next one has its register. */
    breakpoints_remove(v, KERNEL);
    debug_update_traps();
    assert_int_equal(v->live_dr[1], KERNEL + 1);
    assert_int_equal(v->live_dr[2], KERNEL + 2);
}

/* Each by its address, and armed when every CPU has a register for it. */
static void test_every_cpu(void **state)
{
    struct vcpu *other;

    (void)state;
    vcpu_set_count(2);
    other = vcpu_get(1);
    *other = *v;
    other->number = 1;
    insert(KERNEL + 8);
    assert_false(waiting_has(KERNEL));
    insert(KERNEL);
    assert_int_equal(waiting_count(), 2);
    assert_false(waiting_unarmed());
    other->debug_regs.dr7 = DR7_RESET | DR7_L(0) | DR7_L(1) | DR7_L(2);
    debug_update_traps();
    assert_true(waiting_is_armed(0));
    assert_false(waiting_is_armed(1));
    assert_true(waiting_unarmed());
    breakpoints_remove(v, KERNEL + 8);
    assert_true(waiting_has(KERNEL));
    assert_false(waiting_unarmed());
    vcpu_set_count(1);
}

/* A hit of such a register is a breakpoint like any other; GEN-2: and none of the guest's. */
static void test_gen2_hit(void **state)
{
    struct hv_exit hit = {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(1)}};
    struct debug_event event;
    struct gdb_stop stop;

    (void)state;
    v->debug_regs.dr[0] = 0x6000;
    v->debug_regs.dr7 = DR7_RESET | DR7_L(0);
    insert(KERNEL);
    assert_true(judge_exit(v, &hit, &event));
    assert_int_equal(event.kind, EVENT_BREAKPOINT);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_true(judge_is_due(v, &event, 0, &stop));
    assert_int_equal(stop.reason, GDB_STOP_SWBREAK);
    hit.debug.dr6 = DR6_B(0);
    assert_false(judge_exit(v, &hit, &event));
    assert_int_equal(v->event.vector, VECTOR_DB);
}

/* USER-2: `monitor break` tells which are armed, how, and what the others wait for. */
static void test_user2_monitor(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("break"), "no software breakpoints"));
    map_kernel();
    insert(KERNEL + 0x123);
    insert(KERNEL + 0x1000);
    for (unsigned i = 0; i < 4; i++)
        insert(0xffffffffa0000000ULL + i);
    assert_string_equal(ask("break"),
                        "ffffffff81000123  at 000000010123  armed, an INT3 in memory\n"
                        "ffffffff81001000  armed by a debug register: not mapped yet\n"
                        "ffffffffa0000000  armed by a debug register: not mapped yet\n"
                        "ffffffffa0000001  armed by a debug register: not mapped yet\n"
                        "ffffffffa0000002  armed by a debug register: not mapped yet\n"
                        "ffffffffa0000003  waits for a debug register: not mapped yet\n");
    model_memory_put(PT + 8, 0xfee00007);
    assert_non_null(strstr(ask("break"), "ffffffff81001000  armed by a debug register: no memory"));
    v->regs.efer = 0;
    assert_non_null(strstr(ask("break"), "ffffffffa0000003  waits for a debug register: not in"));
}

/* As many as there may be of all kinds together. */
static void test_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        assert_int_equal(breakpoints_insert(v, KERNEL + i), HV_OK);
    assert_int_equal(breakpoints_insert(v, KERNEL - 1), HV_ENOSPC);
    map_kernel();
    assert_true(breakpoints_resolve(v));
    assert_int_equal(waiting_count(), 0);
    assert_int_equal(breakpoints_count(), BREAKPOINTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_user2_not_mapped_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user2_cpu_that_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user2_too_high, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user2_efer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_registers_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_cpu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gen2_hit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user2_monitor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
