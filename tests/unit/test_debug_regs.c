/* core/debug_regs.c: two owners of four registers (HAXM-12..14, DR-5, DR-6, GEN-2, GEN-6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "tests/model/backend.h"

static struct vcpu *v;
static struct cpuid_result leaf7;
static uint32_t highest_leaf;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    return leaf == 7 ? leaf7 : (struct cpuid_result){highest_leaf, 0, 0, 0};
}

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    leaf7 = (struct cpuid_result){0, 0, 0, 0};
    highest_leaf = 7;
    return 0;
}

static void user(unsigned slot, enum debug_kind kind, uint8_t size, gva_t address)
{
    struct debug_slot s = {true, kind, size, address};

    debug_regs_set_user(slot, &s);
    debug_regs_update(v);
}

static bool dr_write(unsigned n, uint64_t value)
{
    return debug_regs_move(v, n, true, &value);
}

static uint64_t dr_read(unsigned n)
{
    uint64_t value = 0x5555;

    assert_true(debug_regs_move(v, n, false, &value));
    return value;
}

static void check_raised(uint8_t vector, bool has_error)
{
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, vector);
    assert_int_equal(v->event.has_error, has_error);
    assert_int_equal(v->event.error, 0);
    v->event.type = HV_EVENT_NONE;
}

/* DR-5: after power-on and after INIT; what the user has armed is armed again. */
static void test_dr5_reset_values(void **state)
{
    (void)state;
    user(0, DEBUG_EXECUTE, 1, 0x1234);
    for (unsigned init = 0; init < 2; init++) {
        for (unsigned n = 0; n < 4; n++)
            dr_write(n, 0x1000 + n);
        dr_write(7, 0xd00dff);
        v->debug_regs.dr6 = 0;
        v->debug_regs.debugctl = DEBUGCTL_BTF;
        if (init)
            vcpu_init(v, 0x306c3);
        else
            vcpu_reset(v);
        assert_int_equal(v->debug_regs.dr6, 0xffff0ff0);
        assert_int_equal(v->debug_regs.dr7, 0x400);
        assert_int_equal(v->debug_regs.debugctl, 0);
        assert_int_equal(v->live_dr7, 0x400);
        for (unsigned n = 0; n < 4; n++)
            assert_int_equal(v->debug_regs.dr[n] | v->live_dr[n], 0);
        assert_true(v->dr_dirty);
        debug_regs_update(v);
        assert_int_equal(v->live_dr[0], 0x1234);
        assert_int_equal(v->live_dr7, 0x400 | DR7_GE | DR7_G(0));
    }
}

/* DR-6, HAXM-8: every register its own value, and the reserved bits as the processor has them. */
static void test_dr6_read_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(dr_write(i, 0xffff800000001111 * (i + 1)));
    assert_true(dr_write(6, 0xffffffff));
    assert_true(dr_write(7, 0xffffd7ff & ~DR7_GD));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(dr_read(i), 0xffff800000001111 * (i + 1));
    assert_int_equal(dr_read(6), 0xffffefff);
    assert_int_equal(dr_read(7), 0xffff07ff);
    assert_true(dr_write(6, 0));
    assert_true(dr_write(7, 0));
    assert_int_equal(dr_read(6), DR6_RESET);
    assert_int_equal(dr_read(7), DR7_RESET);
}

/* SDM: #GP for a 1 in the upper halves of DR6 and DR7; addresses may be anything. */
static void test_reserved_bits(void **state)
{
    (void)state;
    assert_false(dr_write(6, 1ULL << 32));
    check_raised(VECTOR_GP, true);
    assert_false(dr_write(7, 1ULL << 63 | 1));
    check_raised(VECTOR_GP, true);
    assert_int_equal(v->debug_regs.dr7, DR7_RESET);
    assert_true(dr_write(0, UINT64_MAX));
    assert_int_equal(v->event.type, HV_EVENT_NONE);
}

/* HAXM-14 */
static void test_haxm14_dr4_dr5(void **state)
{
    (void)state;
    assert_true(dr_write(4, 0x4003));
    assert_true(dr_write(5, 0x401));
    assert_int_equal(dr_read(6), 0x4003 | DR6_RESET);
    assert_int_equal(dr_read(7), 0x401);
    assert_int_equal(dr_read(4), dr_read(6));
    assert_int_equal(dr_read(5), dr_read(7));
    assert_false(dr_write(5, 1ULL << 32));
    check_raised(VECTOR_GP, true);

    vcpu_change(v, REGS_CONTROL);
    v->regs.cr4 |= CR4_DE;
    for (unsigned n = 4; n <= 5; n++) {
        uint64_t value = 0;
        assert_false(debug_regs_move(v, n, false, &value));
        check_raised(VECTOR_UD, false);
        assert_false(dr_write(n, 0));
        check_raised(VECTOR_UD, false);
    }
    assert_int_equal(dr_read(7), 0x401);
}

/* HAXM-14: DR7.GD: #DB with BD, GD off before its delivery, nothing moved; then it works. */
static void test_haxm14_general_detect(void **state)
{
    uint64_t value = 0x77;

    (void)state;
    assert_true(dr_write(7, DR7_GD | 0x401));
    assert_int_equal(v->live_dr7 & DR7_GD, DR7_GD);
    assert_false(debug_regs_move(v, 0, true, &value));
    check_raised(VECTOR_DB, false);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BD);
    assert_int_equal(v->debug_regs.dr7, 0x401);
    assert_int_equal(v->live_dr7, 0x401);
    assert_int_equal(v->debug_regs.dr[0], 0);
    assert_true(dr_write(0, value));

    /* While MOV from DR exits as well, GD need not be live. */
    v->traps = TRAP_DR_READS;
    assert_true(dr_write(7, DR7_GD | 0x401));
    assert_int_equal(v->live_dr7, 0x401);
    assert_int_equal(v->debug_regs.dr7, DR7_GD | 0x401);
    assert_false(debug_regs_move(v, 6, false, &value));
    check_raised(VECTOR_DB, false);
}

static void test_ring_3(void **state)
{
    uint64_t value = 0;

    (void)state;
    model_ring(v, 3);
    assert_false(debug_regs_move(v, 0, false, &value));
    check_raised(VECTOR_GP, true);
    assert_false(dr_write(7, 1));
    check_raised(VECTOR_GP, true);
    assert_int_equal(v->debug_regs.dr7, DR7_RESET);
    model_ring(v, 0);
    assert_true(dr_write(7, 1));
}

/* What is live with one owner only. */
static void test_one_owner(void **state)
{
    (void)state;
    dr_write(1, 0x1000);
    dr_write(7, 0x00d00004); /* L1, write, 4 bytes */
    assert_int_equal(v->live_dr[1], 0x1000);
    assert_int_equal(v->live_dr7, 0x00d00404);
    dr_write(7, 0);
    assert_int_equal(v->live_dr7, DR7_RESET);

    user(0, DEBUG_EXECUTE, 1, 0x11);
    user(1, DEBUG_WRITE, 2, 0x22);
    user(2, DEBUG_ACCESS, 4, 0x44);
    user(3, DEBUG_WRITE, 8, 0x88);
    assert_int_equal(v->live_dr[0], 0x11);
    assert_int_equal(v->live_dr[1], 0x22);
    assert_int_equal(v->live_dr[2], 0x44);
    assert_int_equal(v->live_dr[3], 0x88);
    /* LEN 0 1 3 2, R/W 0 1 3 1, all global, GE. */
    assert_int_equal(v->live_dr7, 0x9f500000 | 0x200 | 0x400 | 0xaa);
}

/* HAXM-12, HAXM-13: neither disturbs the other's, and each reads back its own. */
static void test_haxm13_merge(void **state)
{
    (void)state;
    user(0, DEBUG_EXECUTE, 1, 0xaaaa);
    user(1, DEBUG_WRITE, 4, 0xbbb0);
    dr_write(0, 0x1110);
    dr_write(2, 0x2220);
    dr_write(7, 0x0d0d0022 | DR7_LE); /* G0 and G2, write, 4 bytes */

    /* The guest's stay where they are: its DR6 counts them. */
    assert_int_equal(v->live_dr[0], 0x1110);
    assert_int_equal(v->live_dr[2], 0x2220);
    assert_int_equal(v->live_dr[1], 0xaaaa);
    assert_int_equal(v->live_dr[3], 0xbbb0);
    assert_int_equal(v->live_dr7, 0xdd0d0022 | DR7_LE | DR7_GE | 0x400 | DR7_G(1) | DR7_G(3));
    assert_int_equal(dr_read(0), 0x1110);
    assert_int_equal(dr_read(1), 0);
    assert_int_equal(dr_read(3), 0);
    assert_int_equal(dr_read(7), 0x0d0d0022 | DR7_LE | 0x400);
    assert_int_equal(debug_regs_user(0)->address, 0xaaaa);

    /* The user's part goes: the guest's is live, whole. */
    static const struct debug_slot none;
    debug_regs_set_user(0, &none);
    debug_regs_set_user(1, &none);
    debug_regs_update(v);
    assert_int_equal(v->live_dr7, 0x0d0d0022 | DR7_LE | 0x400);
    assert_int_equal(v->live_dr[1], 0);
}

/* More than four: the user's win, and the guest's comes back. */
static void test_overcommitted(void **state)
{
    struct debug_merge m;
    const struct hv_debug_regs guest = {{1, 2, 3, 4}, DR6_RESET, 0x4ff | 0xdddd0000, 0};
    const struct debug_slot two[4] = {{true, DEBUG_EXECUTE, 1, 0xa}, {true, DEBUG_ACCESS, 1, 0xb}};
    const struct debug_slot four[4] = {{true, DEBUG_WRITE, 1, 0xa},
                                       {true, DEBUG_WRITE, 1, 0xb},
                                       {true, DEBUG_WRITE, 1, 0xc},
                                       {true, DEBUG_WRITE, 1, 0xd}};

    (void)state;
    debug_regs_merge(&guest, two, true, &m);
    assert_int_equal(m.guest_mask, 3);
    assert_int_equal(m.guest_lost, 0xc);
    assert_int_equal(m.dr[0], 1);
    assert_int_equal(m.dr[1], 2);
    assert_int_equal(m.dr[3], 0xa);
    assert_int_equal(m.dr[2], 0xb);
    assert_int_equal(m.dr7, 0x400 | DR7_GE | 0x0f | DR7_G(2) | DR7_G(3) | 0x03dd0000);
    assert_int_equal(m.user_of[3], 0);
    assert_int_equal(m.user_of[2], 1);
    assert_int_equal(m.user_of[0], -1);

    debug_regs_merge(&guest, four, true, &m);
    assert_int_equal(m.guest_mask, 0);
    assert_int_equal(m.guest_lost, 0xf);
    assert_int_equal(m.dr7, 0x400 | DR7_GE | 0xaa | 0x11110000);
    uint64_t sum = m.dr[0] + m.dr[1] + m.dr[2] + m.dr[3];
    assert_int_equal(sum, 0xa + 0xb + 0xc + 0xd);

    dr_write(0, 1);
    dr_write(7, 0x1);
    for (unsigned i = 0; i < 4; i++)
        user(i, DEBUG_WRITE, 1, 0x100 + i);
    assert_int_equal(dr_read(7), 0x401);
    static const struct debug_slot none;
    for (unsigned i = 0; i < 4; i++)
        debug_regs_set_user(i, &none);
    debug_regs_update(v);
    assert_int_equal(v->live_dr[0], 1);
    assert_int_equal(v->live_dr7, 0x401);
}

/* A register the guest has not armed serves the user, without the guest's old kind and length. */
static void test_stale_fields(void **state)
{
    (void)state;
    dr_write(0, 0x999);
    dr_write(7, 0x000f0000); /* access, 4 bytes, but off */
    user(0, DEBUG_EXECUTE, 1, 0x42);
    assert_int_equal(v->live_dr[0], 0x42);
    assert_int_equal(v->live_dr7, 0x400 | DR7_GE | DR7_G(0));
    assert_int_equal(dr_read(0), 0x999);
    assert_int_equal(dr_read(7), 0x000f0400);
}

/* GEN-2: one #DB, several causes, each to its owner. */
static void test_gen2_split_hits(void **state)
{
    (void)state;
    user(0, DEBUG_WRITE, 1, 0xa);
    user(2, DEBUG_WRITE, 1, 0xb);
    dr_write(0, 0x111);
    dr_write(7, 1);
    /* Live: 0 the guest's, 1 the user's slot 0, 2 the user's slot 2, 3 nobody's. */
    assert_int_equal(v->live_dr[1], 0xa);
    assert_int_equal(v->live_dr[2], 0xb);
    assert_int_equal(debug_regs_user_hits(v, 0xf), 0x5);
    assert_int_equal(debug_regs_guest_hits(v, 0xf), 0x1);
    assert_int_equal(debug_regs_user_hits(v, DR6_B(1)), 0x1);
    assert_int_equal(debug_regs_user_hits(v, DR6_B(2)), 0x4);
    assert_int_equal(debug_regs_user_hits(v, DR6_B(0) | DR6_B(3)), 0);
    assert_int_equal(debug_regs_guest_hits(v, DR6_B(1) | DR6_B(2) | DR6_B(3)), 0);
    /* Step, task switch and general detect are the guest's: our own step never gets here. */
    assert_int_equal(debug_regs_guest_hits(v, DR6_BS | DR6_B(1)), DR6_BS);
    assert_int_equal(debug_regs_guest_hits(v, DR6_BT | DR6_BD), DR6_BT | DR6_BD);
    assert_int_equal(debug_regs_user_hits(v, DR6_BS | DR6_BT | DR6_BD), 0);
}

/* The bits of bus locks and transactions are there where the processor has them. */
static void test_newer_bits(void **state)
{
    (void)state;
    leaf7.ecx = 1 << 24;
    assert_true(dr_write(6, 0));
    assert_int_equal(dr_read(6), DR6_RESET & ~DR6_BLD);
    assert_int_equal(debug_regs_dr7(UINT32_MAX), 0xffff27ff);
    leaf7.ebx = 1 << 11;
    assert_true(dr_write(6, 0));
    assert_int_equal(dr_read(6), DR6_RESET & ~(DR6_BLD | DR6_RTM));
    assert_true(dr_write(7, DR7_RTM));
    assert_int_equal(dr_read(7), DR7_RTM | DR7_RESET);
    assert_true(dr_write(6, 0xffffffff));
    assert_int_equal(dr_read(6), 0xffffefff);
    highest_leaf = 6; /* which leaf 7 then gives again, or whatever */
    assert_true(dr_write(6, 0));
    assert_int_equal(dr_read(6), DR6_RESET);
}

/* GEN-2: a bus lock is the guest's; where a #DB was (in a transaction) is nobody's by itself. */
static void test_gen2_bus_lock(void **state)
{
    (void)state;
    user(0, DEBUG_WRITE, 1, 0xa);
    assert_int_equal(debug_regs_guest_hits(v, DR6_BLD | DR6_B(0)), DR6_BLD);
    assert_int_equal(debug_regs_guest_hits(v, DR6_RTM | DR6_B(0)), 0);
    assert_int_equal(debug_regs_guest_hits(v, DR6_RTM | DR6_BS), DR6_RTM | DR6_BS);
    v->debug_regs.dr6 = DR6_RESET | DR6_BT | DR6_B(2);
    debug_regs_raise(v, DR6_BLD);
    check_raised(VECTOR_DB, false);
    assert_int_equal(v->debug_regs.dr6, (DR6_RESET | DR6_BT) & ~DR6_BLD);
    /* BLD stays until somebody writes it; RTM tells of this #DB only. */
    debug_regs_raise(v, DR6_RTM | DR6_B(1));
    assert_int_equal(v->debug_regs.dr6, (DR6_RESET | DR6_BT | DR6_B(1)) & ~(DR6_BLD | DR6_RTM));
    debug_regs_raise(v, DR6_BS);
    assert_int_equal(v->debug_regs.dr6, (DR6_RESET | DR6_BT | DR6_BS) & ~DR6_BLD);
}

/* BP-32: the user's were there first; the guest arms two, and they move out of its way. */
static void test_bp32_moved(void **state)
{
    (void)state;
    user(0, DEBUG_WRITE, 4, 0x100);
    user(1, DEBUG_EXECUTE, 1, 0x200);
    assert_int_equal(v->live_dr[0], 0x100);
    assert_int_equal(v->live_dr[1], 0x200);
    dr_write(0, 0x1110);
    dr_write(1, 0x2220);
    dr_write(7, 0x5);
    assert_int_equal(v->live_dr[0], 0x1110);
    assert_int_equal(v->live_dr[1], 0x2220);
    assert_int_equal(v->live_dr[2], 0x100);
    assert_int_equal(v->live_dr[3], 0x200);
    assert_int_equal(debug_regs_user_hits(v, DR6_B(2)), 1);
    assert_int_equal(debug_regs_user_hits(v, DR6_B(3)), 2);
    assert_int_equal(debug_regs_user_hits(v, DR6_B(0) | DR6_B(1)), 0);
    dr_write(7, 0);
    assert_int_equal(v->live_dr[0], 0x100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dr5_reset_values, setup),
        cmocka_unit_test_setup(test_dr6_read_back, setup),
        cmocka_unit_test_setup(test_reserved_bits, setup),
        cmocka_unit_test_setup(test_haxm14_dr4_dr5, setup),
        cmocka_unit_test_setup(test_haxm14_general_detect, setup),
        cmocka_unit_test_setup(test_ring_3, setup),
        cmocka_unit_test_setup(test_one_owner, setup),
        cmocka_unit_test_setup(test_haxm13_merge, setup),
        cmocka_unit_test_setup(test_overcommitted, setup),
        cmocka_unit_test_setup(test_stale_fields, setup),
        cmocka_unit_test_setup(test_gen2_split_hits, setup),
        cmocka_unit_test_setup(test_newer_bits, setup),
        cmocka_unit_test_setup(test_gen2_bus_lock, setup),
        cmocka_unit_test_setup(test_bp32_moved, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
