/* Breakpoints in execute views on a backend that follows a script, with both vendors' tables. */
#ifndef TESTS_UNIT_EXEC_VIEW_H
#define TESTS_UNIT_EXEC_VIEW_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/exec_views.h"
#include "core/stage2.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/model/stage2.h"

enum { PAGE = 4096, CODE = 0x400000, OTHER = 0x800000, INT3 = 0xcc };

static uint8_t pool[512 * PAGE] HV_ALIGNED(4096);
static const struct stage2_format *format;
static struct vcpu *v;
HV_UNUSED static struct hv_exit out;

static inline void remove_all(void)
{
    gva_t gva;

    while (exec_views_count()) {
        exec_views_get(0, &gva);
        exec_views_remove(gva);
    }
}

static inline void begin(const struct stage2_format *f)
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

static inline int setup_npt(void **state)
{
    (void)state;
    begin(&npt);
    return 0;
}

static inline int setup_ept(void **state)
{
    (void)state;
    begin(&ept);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        exec_views_leave(vcpu_get(i));
    remove_all();
    vcpu_set_count(1);
    return 0;
}

/* What a CPU may do at an address now, by the rights of all levels; *hpa: where that is. */
static inline unsigned rights(unsigned cpu, gpa_t gpa, hpa_t *hpa)
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

static inline unsigned rights_at(gpa_t gpa)
{
    hpa_t hpa;
    return rights(0, gpa, &hpa);
}

static inline void check_shared(gpa_t gpa, unsigned wanted)
{
    hpa_t hpa;

    assert_int_equal(rights(1, gpa, &hpa), wanted);
    assert_int_equal(hpa, gpa);
}

/* The byte that the CPU executes. */
static inline uint8_t executed(gpa_t gpa)
{
    hpa_t hpa;

    assert_true(rights(0, gpa, &hpa) & STAGE2_EXECUTE);
    return hpa == gpa ? *model_memory(gpa) : *(const uint8_t *)hpa;
}

static inline void insert(gpa_t gpa)
{
    assert_int_equal(exec_views_insert(gpa, gpa), HV_OK);
}

static inline struct hv_exit fetch(gpa_t gpa)
{
    return (struct hv_exit){.kind = HV_EXIT_STAGE2, .stage2 = {.address = gpa, .execute = true}};
}

/* v goes to an address, whose page it cannot execute. */
static inline enum exec_fault fetch_at(struct vcpu *cpu, gpa_t gpa)
{
    struct hv_exit exit = fetch(gpa);

    cpu->regs.rip = gpa;
    return exec_views_fault(cpu, &exit);
}

#define DATA (STAGE2_READ | STAGE2_WRITE)

#define ON_NPT(test) cmocka_unit_test_setup_teardown(test, setup_npt, teardown)
#define ON_EPT(test) cmocka_unit_test_setup_teardown(test, setup_ept, teardown)

#endif
