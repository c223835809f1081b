/* debug/catch.c by itself: what each kind intercepts, and which exits are cases of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/io_policy.h"
#include "core/policy.h"
#include "debug/catch.h"
#include "debug/death.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    catch_remove_all();
    watch_remove_all();
    memset(&debug, 0, sizeof(debug));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    catch_remove_all();
    return 0;
}

static unsigned add(struct catch c)
{
    unsigned number = 0;

    assert_int_equal(catch_add(&c, &number), HV_OK);
    return number;
}

static bool finds(struct hv_exit exit)
{
    return catch_find(v, &exit) != NULL;
}

/* Nothing else is trapped, and nothing of it when it is removed. */
static void check_traps(struct catch c, unsigned traps, uint32_t exceptions)
{
    unsigned number = add(c);

    assert_int_equal(catch_traps(), traps);
    assert_int_equal(catch_exceptions(), exceptions);
    assert_true(catch_remove(number));
    assert_int_equal(catch_traps(), 0);
    assert_int_equal(catch_exceptions(), 0);
}

static void test_traps(void **state)
{
    const uint32_t faults = ~(1U << VECTOR_DB | 1U << VECTOR_NMI | 1U << VECTOR_BP);

    (void)state;
    check_traps((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_DB},
                TRAP_DEBUG | TRAP_DR_READS, 0);
    check_traps((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_BP}, TRAP_BREAKPOINT, 0);
    check_traps((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_PF}, 0, 1 << VECTOR_PF);
    check_traps((struct catch){.kind = CATCH_CR, .first = 0}, TRAP_CR0_WRITES, 0);
    check_traps((struct catch){.kind = CATCH_CR, .first = 3}, TRAP_CR3_WRITES, 0);
    check_traps((struct catch){.kind = CATCH_CR, .first = 4}, TRAP_CR4_WRITES, 0);
    check_traps((struct catch){.kind = CATCH_MSR, .access = CATCH_READ}, TRAP_WATCHED, 0);
    check_traps((struct catch){.kind = CATCH_IO, .access = CATCH_READ}, TRAP_WATCHED, 0);
    check_traps((struct catch){.kind = CATCH_INT}, TRAP_SOFT_INT, 0);
    check_traps((struct catch){.kind = CATCH_CPUID}, 0, 0);
    check_traps((struct catch){.kind = CATCH_PHASE, .first = PHASE_PAGING}, TRAP_CR0_WRITES, 0);
    check_traps((struct catch){.kind = CATCH_PHASE, .first = PHASE_RING3}, 0, faults);
}

/* Several at once need what each needs. */
static void test_traps_together(void **state)
{
    (void)state;
    add((struct catch){.kind = CATCH_CR, .first = 0});
    add((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_UD});
    add((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_GP});
    unsigned last = add((struct catch){.kind = CATCH_INT});
    assert_int_equal(catch_traps(), TRAP_CR0_WRITES | TRAP_SOFT_INT);
    assert_int_equal(catch_exceptions(), 1 << VECTOR_UD | 1 << VECTOR_GP);
    catch_remove(last);
    assert_int_equal(catch_traps(), TRAP_CR0_WRITES);
}

static struct msr_row rows[CATCHES + 1];
static unsigned row_count;

static void note_row(uint8_t *map, const struct msr_row *row, bool own)
{
    (void)map;
    if (!own)
        rows[row_count++] = *row;
}

static void build(void)
{
    static uint8_t maps[POLICY_MAPS];

    row_count = 0;
    msr_policy_build(maps, 1, note_row);
    io_policy_build();
}

static bool port_exits(unsigned port)
{
    return io_policy_map(POLICY_WATCHED)[port / 8] >> port % 8 & 1;
}

/* MSRs and ports reach the processor's maps, with what death watches, and leave them. */
static void test_maps(void **state)
{
    (void)state;
    unsigned remaps = model_remaps;
    unsigned msr =
        add((struct catch){.kind = CATCH_MSR, .first = 0x10, .last = 0x20, .access = CATCH_READ});
    add((struct catch){.kind = CATCH_MSR, .first = 0x30, .last = 0x30, .access = CATCH_WRITE});
    unsigned io =
        add((struct catch){.kind = CATCH_IO, .first = 0x80, .last = 0x81, .access = CATCH_READ});
    assert_int_equal(model_remaps, remaps + 3);
    build();
    assert_int_equal(row_count, 2);
    assert_int_equal(rows[0].first, 0x10);
    assert_int_equal(rows[0].last, 0x20);
    assert_int_equal(rows[0].traps, MSR_TRAP_READ);
    assert_int_equal(rows[1].first, 0x30);
    assert_int_equal(rows[1].traps, MSR_TRAP_WRITE);
    assert_true(port_exits(0x80) && port_exits(0x81));
    assert_false(port_exits(0x7f) || port_exits(0x82) || port_exits(0xcf9));
    debug.attached = true;
    debug.stops = DEATH_RESET;
    assert_true(catch_remove(msr));
    build();
    assert_int_equal(row_count, 1);
    assert_int_equal(rows[0].first, 0x30);
    assert_true(port_exits(0x80) && port_exits(0xcf9));
    assert_true(catch_remove(io));
    assert_int_equal(model_remaps, remaps + 5);
    build();
    assert_true(port_exits(0xcf9));
    assert_false(port_exits(0x80));
    debug.attached = false;
    catch_update();
    build();
    assert_false(port_exits(0xcf9));
}

static void test_numbers(void **state)
{
    struct catch c = {.kind = CATCH_CPUID};
    unsigned number;

    (void)state;
    for (unsigned i = 1; i <= CATCHES; i++)
        assert_int_equal(add(c), i);
    assert_int_equal(catch_add(&c, &number), HV_ENOSPC);
    assert_false(catch_remove(0));
    assert_false(catch_remove(CATCHES + 1));
    assert_true(catch_remove(3));
    assert_false(catch_remove(3));
    assert_null(catch_at(2));
    assert_int_equal(add(c), CATCHES + 1); /* no number twice */
    assert_int_equal(catch_at(2)->number, CATCHES + 1);
    catch_remove_all();
    assert_false(catch_remove(0));
    assert_int_equal(add(c), 1);
}

/* ExitBootServices is a hardware breakpoint, which there must be one free for. */
static void test_door(void **state)
{
    struct catch door = {.kind = CATCH_DOOR, .first = 0x5000};
    unsigned number;

    (void)state;
    number = add(door);
    assert_true(watch_executes_at(0x5000));
    assert_int_equal(catch_door_at(0x5000)->number, number);
    assert_null(catch_door_at(0x5001));
    add((struct catch){.kind = CATCH_CPUID, .first = 0x6000, .last = 0x6000});
    assert_null(catch_door_at(0x6000));
    assert_true(catch_remove(number));
    assert_false(watch_executes_at(0x5000));
    assert_null(catch_door_at(0x5000));
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        watch_insert(GDB_BREAK_HARD, 0x9000 + i, 1);
    assert_int_equal(catch_add(&door, &number), HV_ENOSPC);
    assert_null(catch_door_at(0x5000));
}

static struct hv_exit fault(uint8_t vector, bool has_error, uint32_t error, uint64_t address)
{
    return (struct hv_exit){.kind = HV_EXIT_EXCEPTION,
                            .exception = {vector, has_error, error, address}};
}

static void test_exceptions(void **state)
{
    (void)state;
    add((struct catch){.kind = CATCH_EXCEPTION,
                       .first = VECTOR_PF,
                       .has_error = true,
                       .error = 2,
                       .has_address = true,
                       .low = 0x5000,
                       .high = 0x5fff});
    assert_true(finds(fault(VECTOR_PF, true, 2, 0x5000)));
    assert_true(finds(fault(VECTOR_PF, true, 2, 0x5fff)));
    assert_false(finds(fault(VECTOR_PF, true, 2, 0x4fff)));
    assert_false(finds(fault(VECTOR_PF, true, 2, 0x6000)));
    assert_false(finds(fault(VECTOR_PF, true, 3, 0x5000)));
    assert_false(finds(fault(VECTOR_PF, false, 2, 0x5000)));
    assert_false(finds(fault(VECTOR_GP, true, 2, 0x5000)));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_DEBUG}));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_HLT}));
}

/* Those that come by exits of their own. */
static void test_own_exits(void **state)
{
    struct hv_exit into = {
        .kind = HV_EXIT_SOFT_INT, .insn_length = 1, .soft_int = {.vector = VECTOR_OF}};

    (void)state;
    unsigned db = add((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_DB});
    assert_true(finds((struct hv_exit){.kind = HV_EXIT_DEBUG}));
    assert_true(finds((struct hv_exit){.kind = HV_EXIT_ICEBP}));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_BREAKPOINT}));
    assert_false(finds(into));
    catch_remove(db);
    unsigned bp = add((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_BP});
    assert_true(finds((struct hv_exit){.kind = HV_EXIT_BREAKPOINT}));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_ICEBP}));
    assert_false(finds(into));
    catch_remove(bp);
    add((struct catch){.kind = CATCH_EXCEPTION, .first = VECTOR_OF});
    assert_true(finds(into));
    into.insn_length = 2; /* INT 4 */
    assert_false(finds(into));
}

static void test_ports(void **state)
{
    struct hv_exit exit = {.kind = HV_EXIT_IO, .io = {.port = 0x80, .size = 1, .in = true}};

    (void)state;
    add((struct catch){.kind = CATCH_IO, .first = 0x80, .last = 0x83, .access = CATCH_READ});
    assert_true(finds(exit));
    exit.io.port = 0x83;
    assert_true(finds(exit));
    exit.io.port = 0x84;
    assert_false(finds(exit));
    exit.io.port = 0x7f;
    assert_false(finds(exit));
    exit.io.size = 2;
    assert_true(finds(exit));
    exit.io.in = false;
    assert_false(finds(exit));
    catch_remove_all();
    add((struct catch){.kind = CATCH_IO, .first = 0x80, .last = 0x83, .access = CATCH_WRITE});
    assert_true(finds(exit));
    exit.io.in = true;
    assert_false(finds(exit));
}

/* Numbers are 32 bits wide, whatever the registers' upper halves hold. */
static void test_instructions(void **state)
{
    (void)state;
    v->regs.gpr[GPR_RCX] = 0xffffffff00000010;
    v->regs.gpr[GPR_RAX] = 0xffffffff00000007;
    unsigned msr =
        add((struct catch){.kind = CATCH_MSR, .first = 0x10, .last = 0x10, .access = CATCH_READ});
    assert_true(finds((struct hv_exit){.kind = HV_EXIT_MSR_READ}));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_MSR_WRITE}));
    catch_remove(msr);
    msr =
        add((struct catch){.kind = CATCH_MSR, .first = 0x10, .last = 0x10, .access = CATCH_WRITE});
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_MSR_READ}));
    assert_true(finds((struct hv_exit){.kind = HV_EXIT_MSR_WRITE}));
    v->regs.gpr[GPR_RCX] = 0x11;
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_MSR_WRITE}));
    catch_remove(msr);
    unsigned leaf = add((struct catch){.kind = CATCH_CPUID, .first = 5, .last = 7});
    assert_true(finds((struct hv_exit){.kind = HV_EXIT_CPUID}));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_HLT}));
    v->regs.gpr[GPR_RAX] = 8;
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_CPUID}));
    catch_remove(leaf);
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_CPUID}));
}

static void test_int_and_cr(void **state)
{
    struct hv_exit n = {.kind = HV_EXIT_SOFT_INT, .insn_length = 2, .soft_int = {.vector = 0x80}};
    struct hv_exit cr = {.kind = HV_EXIT_CR_WRITE, .cr = {.number = 3}};

    (void)state;
    unsigned number = add((struct catch){.kind = CATCH_INT, .first = 0x80, .last = 0x81});
    assert_true(finds(n));
    n.soft_int.vector = 0x7f;
    assert_false(finds(n));
    n.kind = HV_EXIT_EXCEPTION;
    n.exception.vector = 0x80;
    assert_false(finds(n));
    catch_remove(number);
    add((struct catch){.kind = CATCH_CR, .first = 3, .last = 3});
    assert_true(finds(cr));
    cr.cr.number = 4;
    assert_false(finds(cr));
    cr = (struct hv_exit){.kind = HV_EXIT_HLT, .cr = {.number = 3}};
    assert_false(finds(cr));
}

static void test_phases(void **state)
{
    (void)state;
    unsigned number = add((struct catch){.kind = CATCH_PHASE, .first = PHASE_PAGING});
    add((struct catch){.kind = CATCH_CPUID, .first = PHASE_LONG});
    assert_int_equal(catch_of_phase(1 << PHASE_PAGING)->number, number);
    assert_null(catch_of_phase(1 << PHASE_PROTECTED | 1 << PHASE_LONG));
    assert_false(finds(fault(VECTOR_UD, false, 0, 0)));
    catch_remove(number);
    assert_null(catch_of_phase(~0U));
    model_processor.cr0 = CR0_PE;
    model_processor.efer = EFER_LME;
    v->valid = v->changed = 0;
    assert_int_equal(catch_phases(v), 1 << PHASE_PROTECTED);
    v->regs.cr0 |= CR0_PG;
    v->regs.efer |= EFER_LMA;
    assert_int_equal(catch_phases(v), 1 << PHASE_PROTECTED | 1 << PHASE_PAGING | 1 << PHASE_LONG);
}

/* Ring 3 is known by the first fault that comes from there. */
static void test_ring3(void **state)
{
    (void)state;
    add((struct catch){.kind = CATCH_PHASE, .first = PHASE_RING3});
    assert_false(finds(fault(VECTOR_PF, true, 0, 0)));
    v->regs.seg[SEG_SS].attributes |= 3 << 5;
    v->regs.cr0 |= CR0_PE;
    assert_int_equal(vcpu_cpl(v), 3);
    assert_true(finds(fault(VECTOR_PF, true, 0, 0)));
    assert_false(finds((struct hv_exit){.kind = HV_EXIT_CPUID}));
    catch_remove_all();
    add((struct catch){.kind = CATCH_PHASE, .first = PHASE_LONG});
    assert_false(finds(fault(VECTOR_PF, true, 0, 0)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_traps),      TEST(test_traps_together), TEST(test_maps),
        TEST(test_numbers),    TEST(test_door),           TEST(test_exceptions),
        TEST(test_own_exits),  TEST(test_ports),          TEST(test_instructions),
        TEST(test_int_and_cr), TEST(test_phases),         TEST(test_ring3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
