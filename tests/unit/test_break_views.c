/* debug/breakpoints.c with execute views, and between them and INT3s in place (BP-17, BP-18). */
#include "tests/unit/exec_view.h"

#include "debug/breakpoints.h"

enum { PML4 = 0x20000, PDPT = 0x21000, PD = 0x22000, LARGE = 0x83 };
#define ALIAS (OTHER + 0x200000ULL) /* of the memory at OTHER */

static int clear(void **state)
{
    breakpoints_remove_all();
    return teardown(state);
}

static void insert_break(gva_t address)
{
    assert_int_equal(breakpoints_insert(v, address), HV_OK);
}

static uint8_t shown(gva_t address)
{
    uint8_t byte = 0xee;

    assert_int_equal(breakpoints_read(v, address, &byte, 1), 1);
    return byte;
}

/* The guest's memory is as it was, and all is back when it goes. */
static void test_in_a_view(void **state)
{
    (void)state;
    insert_break(CODE + 5);
    insert_break(CODE + 5);
    assert_int_equal(breakpoints_count(), 1);
    assert_int_equal(breakpoints_get(v, 0).how, BREAK_IN_VIEW);
    assert_int_equal(breakpoints_get(v, 0).gpa, CODE + 5);
    assert_true(breakpoints_at(v, CODE + 5) && breakpoints_hidden_at(v, CODE + 5));
    assert_false(breakpoints_at(v, CODE + 4));
    assert_int_equal(*model_memory(CODE + 5), 0x45);
    check_shared(CODE, DATA);
    assert_int_equal(breakpoints_remove(v, CODE + 5), HV_OK);
    assert_int_equal(breakpoints_count(), 0);
    check_shared(CODE, STAGE2_ALL);
    insert_break(CODE + 5);
    insert_break(OTHER + 5);
    breakpoints_remove_all();
    check_shared(CODE, STAGE2_ALL);
    check_shared(OTHER, STAGE2_ALL);
}

/* A step from one needs the others to stand when they have INT3s in its page, and keeps them from
 * planting some. */
static void test_step(void **state)
{
    struct vcpu *other = vcpu_get(1);

    (void)state;
    *other = *v;
    other->number = 1;
    for (unsigned i = 0; i < 5; i++)
        insert_break(CODE + 0x20 + 2 * i);
    assert_true(breakpoints_begin_step(v, CODE + 0x20));
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    breakpoints_drop(v);
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
    assert_false(breakpoints_begin_step(v, CODE + 0x20));
    assert_true(breakpoints_begin_step(v, CODE));
}

/* The memory at OTHER twice, CODE once. */
static void map_twice(void)
{
    model_memory_put(PML4, PDPT | 7);
    model_memory_put(PDPT, PD | 7);
    model_memory_put(PD + CODE / 0x200000 * 8, CODE | LARGE);
    model_memory_put(PD + OTHER / 0x200000 * 8, OTHER | LARGE);
    model_memory_put(PD + ALIAS / 0x200000 * 8, OTHER | LARGE);
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 |= CR0_PG;
    v->regs.cr4 |= CR4_PAE;
    v->regs.cr3 = PML4;
}

/* What went in place for want of a page stays so for its second owner, and is known to be ours. */
static void test_in_place(void **state)
{
    (void)state;
    map_twice();
    assert_int_equal(stage2_map(OTHER, OTHER, STAGE2_READ | STAGE2_WRITE), HV_OK);
    insert_break(OTHER + 9);
    assert_int_equal(breakpoints_get(v, 0).how, BREAK_IN_PLACE);
    assert_int_equal(*model_memory(OTHER + 9), INT3);
    assert_true(breakpoints_at(v, OTHER + 9) && breakpoints_at(v, ALIAS + 9));
    assert_false(breakpoints_hidden_at(v, OTHER + 9));
    assert_false(breakpoints_begin_step(v, OTHER + 9));
    assert_int_equal(stage2_map(OTHER, OTHER, STAGE2_ALL), HV_OK);
    insert_break(ALIAS + 9);
    assert_int_equal(breakpoints_get(v, 1).how, BREAK_IN_PLACE);
    check_shared(OTHER, STAGE2_ALL);
    breakpoints_remove(v, OTHER + 9);
    assert_int_equal(*model_memory(OTHER + 9), INT3);
    assert_int_equal(shown(ALIAS + 9), 0x40 + 9 % 7);
    /* Taken out for a step, and removed behind it: a later step puts nothing back. */
    breakpoints_lift(v, ALIAS + 9);
    breakpoints_drop(v);
    breakpoints_remove(v, ALIAS + 9);
    breakpoints_drop(v);
    assert_int_equal(*model_memory(OTHER + 9), 0x40 + 9 % 7);
}

/* The paging is looked at as it is, not as it was at the last look; and told of as it is now. */
static void test_paging_of_now(void **state)
{
    const gva_t high = 0xffff800000000000ULL;

    (void)state;
    map_twice();
    insert_break(high + CODE);
    assert_true(breakpoints_waits_at(high + CODE));
    assert_int_equal(breakpoints_get(v, 0).why, BREAK_NOT_MAPPED);
    model_memory_put(PML4 + 256 * 8, PDPT | 7);
    assert_int_equal(breakpoints_get(v, 0).why, BREAK_NOT_MEMORY); /* not looked for yet */
    model_processor = v->regs;
    v->regs.efer = 0;
    v->valid = v->changed = 0;
    assert_true(breakpoints_resolve(v));
    assert_int_equal(breakpoints_get(v, 0).how, BREAK_IN_VIEW);
    assert_int_equal(breakpoints_get(v, 0).gpa, CODE);
    assert_false(breakpoints_waits_at(high + CODE));
}

/* As many as there may be: no more of any kind, and those that are there are. */
static void test_too_many(void **state)
{
    (void)state;
    map_twice();
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        insert_break(CODE + i);
    assert_int_equal(breakpoints_insert(v, OTHER), HV_ENOSPC);
    assert_int_equal(*model_memory(OTHER), 0x40);
    assert_int_equal(breakpoints_insert(v, ALIAS + 0x200001), HV_ENOSPC);
    insert_break(CODE + 77);
    assert_int_equal(breakpoints_count(), BREAKPOINTS_MAX);
}

/* What is mapped now and for which there is no room goes on waiting. */
static void test_waits_on(void **state)
{
    const gva_t late = ALIAS + 0x200000;

    (void)state;
    map_twice();
    insert_break(late);
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++)
        insert_break(CODE + i);
    model_memory_put(PD + late / 0x200000 * 8, OTHER | LARGE);
    assert_false(breakpoints_resolve(v));
    assert_true(breakpoints_waits_at(late));
    breakpoints_remove(v, CODE);
    assert_true(breakpoints_resolve(v));
    assert_true(breakpoints_hidden_at(v, late));
    assert_int_equal(breakpoints_count(), BREAKPOINTS_MAX);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_npt, clear),                                       \
        cmocka_unit_test_setup_teardown(test, setup_ept, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_in_a_view), cmocka_unit_test_setup_teardown(test_step, setup_npt, clear),
        BOTH(test_in_place),  BOTH(test_paging_of_now),
        BOTH(test_too_many),  BOTH(test_waits_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
