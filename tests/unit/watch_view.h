/* Watchpoints by stage 2, on both vendors' tables. */
#ifndef TESTS_UNIT_WATCH_VIEW_H
#define TESTS_UNIT_WATCH_VIEW_H

#include "tests/unit/exec_view.h"

#include "debug/watch_ranges.h"

static inline int clear(void **state)
{
    watch_ranges_remove_all();
    v->watch_hits = 0;
    return teardown(state);
}

static inline void watch(enum gdb_break_type type, gva_t address, uint64_t size)
{
    assert_int_equal(watch_ranges_insert(v, type, address, size), HV_OK);
}

#define READABLE (STAGE2_READ | STAGE2_EXECUTE)

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_npt, clear),                                       \
        cmocka_unit_test_setup_teardown(test, setup_ept, clear)

#endif
