/* core/exec_views.c where no page is execute-only: debug registers that nobody uses, else INT3s. */
#include "tests/unit/exec_view.h"

#include "arch/x86/insn.h"
#include "core/guest_memory.h"
#include "core/planted.h"

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_result){leaf, subleaf, 0, 0};
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
    out = debug(DR6_B(1) | 0x800); /* a bus lock besides */
    assert_false(exec_views_debug(v, &out));
    assert_int_equal(out.debug.dr6, 0x800);
    out = debug(DR6_BS);
    assert_false(exec_views_debug(v, &out));
    assert_int_equal(out.debug.dr6, DR6_BS);
    /* A bit of a register that nobody has armed says nothing. */
    exec_views_leave(v);
    exec_views_remove(0x7000);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    v->regs.rip = CODE + 0x20;
    out = debug(DR6_B(1) | DR6_B(3));
    assert_true(exec_views_debug(v, &out));
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    exec_views_leave(v);
    assert_int_equal(exec_views_insert(CODE + 0x28, 0x7000), HV_OK);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    /* Another page, which this address space has at the user's address. */
    v->regs.rip = 0x7000;
    out = debug(DR6_B(3));
    assert_true(exec_views_debug(v, &out));
    assert_int_equal(out.kind, HV_EXIT_NONE);
    assert_int_equal(v->regs.rflags & RFLAGS_RF, RFLAGS_RF);
}

/* Behind MOV SS and POP SS a register may be held back: there an INT3 stands. */
static void test_behind_mov_ss(void **state)
{
    static const struct {
        unsigned bits;
        const char *before;
        bool planted;
    } cases[] = {
        {64, "\x8e\xd0", true},  {64, "\x8e\xd7", true},  {32, "\x8e\xd3", true},
        {64, "\x8e\xd8", false}, {64, "\x8e\xc8", false}, {64, "\x8c\xd0", false},
        {32, "\x90\x17", true},  {64, "\x90\x17", false}, {32, "\x17\x90", false},
    };

    (void)state;
    insert(CODE + 0x20);
    insert(CODE + 0x30);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        model_code_bits(v, cases[i].bits);
        memcpy(model_memory(CODE + 0x2e), cases[i].before, 2);
        assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
        assert_int_equal(executed(CODE + 0x20) == INT3, cases[i].planted);
        assert_int_equal(executed(CODE + 0x30) == INT3, cases[i].planted);
        assert_int_equal(v->live_dr7, DR7_RESET | (cases[i].planted ? 0 : DR7_G(0) | DR7_G(1)));
        exec_views_leave(v);
    }
    remove_all();
    insert(0); /* nothing is in front of it */
    assert_int_equal(fetch_at(v, 8), EXEC_RETRY);
    assert_int_equal(v->live_dr7, DR7_RESET | DR7_G(0));
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
    /* WHPX-16: who asks while it runs (a condition) reads true bytes. */
    uint8_t bytes[PAGE];
    assert_int_equal(planted_read(CODE + 0x22, bytes, 0x20), 0x20);
    for (unsigned i = 0; i < 0x20; i++)
        assert_int_equal(bytes[i], 0x40 + (0x22 + i) % 7);
    *model_memory(CODE + PAGE) = *model_memory(CODE + 0x21) = INT3; /* the guest's own */
    assert_int_equal(planted_read(CODE + 1, bytes, PAGE), PAGE);
    assert_int_equal(bytes[0x1f], 0x40 + 0x20 % 7);
    assert_int_equal(bytes[0x20], INT3);
    assert_int_equal(bytes[PAGE - 1], INT3);
    *model_memory(CODE + 0x21) = 0x40 + 0x21 % 7;
    /* A second CPU: the first one's leaving lifts nothing, and it cannot step alone. */
    assert_int_equal(fetch_at(other, CODE), EXEC_RETRY);
    assert_false(exec_views_claim(v, CODE + 0x20));
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
    *model_memory(CODE + 0x22) = 0x77; /* the guest writes over one */
    assert_int_equal(planted_read(CODE + 0x22, bytes, 1), 1);
    assert_int_equal(bytes[0], 0x77);
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

static void check_planted(void)
{
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
    assert_int_equal(v->live_dr7, DR7_RESET | DR7_GD);
    assert_int_equal(v->live_dr[0], 0x5000); /* the guest's, which nothing traps */
    assert_int_equal(v->traps, 0);
    exec_views_leave(v);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
}

/* In the page itself where registers do not do: 16-bit code, more than there are, far more. */
static void test_planted_when(void **state)
{
    (void)state;
    v->debug_regs.dr[0] = 0x5000;
    v->debug_regs.dr7 = DR7_RESET | DR7_GD;
    debug_regs_update(v);
    insert(CODE + 0x20);
    model_code_bits(v, 16);
    check_planted();
    model_code_bits(v, 64);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(v->live_dr[0], CODE + 0x20);
    exec_views_leave(v);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(exec_views_insert(CODE + 0x20 + 2 * i, 0x7000 + i), HV_OK);
        if (i >= 2)
            check_planted();
    }
}

/* Planted once, however often the CPU goes on there; lifted for its step. */
static void test_planted_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        insert(CODE + 0x20 + 2 * i);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    exec_views_resume(v);
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
    exec_views_begin_step(v);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    exec_views_finish_step(v);
}

/* What one CPU does in a page concerns only those in the same page, and not itself. */
static void test_planted_elsewhere(void **state)
{
    struct vcpu *other = vcpu_get(1);

    (void)state;
    *other = *v;
    other->number = 1;
    for (unsigned i = 0; i < 5; i++) {
        insert(CODE + 0x20 + 2 * i);
        insert(OTHER + 0x20 + 2 * i);
    }
    assert_int_equal(fetch_at(other, OTHER), EXEC_RETRY);
    assert_true(exec_views_claim(v, CODE + 0x20));
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(*model_memory(CODE + 0x20), INT3);
    exec_views_leave(v);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    exec_views_leave(other);
    assert_int_equal(fetch_at(other, OTHER), EXEC_RETRY);
    assert_int_equal(*model_memory(OTHER + 0x20), INT3);
    exec_views_release(v);
}

/* Of ROM there is a copy where there are no registers: nobody could plant an INT3 in it. */
static void test_rom(void **state)
{
    static const struct guest_memory_config config = {
        .count = 2, .ranges = {{0, CODE, true}, {CODE, CODE + PAGE, false}}, .phys_bits = 36};
    const struct hv_exit write = {.kind = HV_EXIT_STAGE2,
                                  .stage2 = {.address = CODE + 0x30, .write = true}};

    (void)state;
    guest_memory_init(&config);
    insert(CODE + 0x20);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(executed(CODE + 0x20), 0x40 + 0x20 % 7);
    assert_int_equal(v->live_dr[0], CODE + 0x20);
    exec_views_leave(v);
    model_code_bits(v, 16);
    assert_int_equal(fetch_at(v, CODE), EXEC_RETRY);
    assert_int_equal(rights_at(CODE), STAGE2_READ | STAGE2_EXECUTE);
    assert_int_equal(executed(CODE + 0x20), INT3);
    assert_int_equal(executed(CODE + 0x21), 0x40 + 0x21 % 7);
    assert_int_equal(*model_memory(CODE + 0x20), 0x40 + 0x20 % 7);
    assert_int_equal(v->live_dr7, DR7_RESET);
    assert_int_equal(exec_views_fault(v, &write), EXEC_STEP);
    exec_views_leave(v);
    assert_int_equal(rights_at(CODE), DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NPT(test_registers),          ON_NPT(test_gen2_register_hits),
        ON_NPT(test_registers_give_way), ON_NPT(test_planted),
        ON_NPT(test_planted_when),       ON_NPT(test_planted_once),
        ON_NPT(test_planted_elsewhere),  ON_NPT(test_rom),
        ON_NPT(test_behind_mov_ss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
