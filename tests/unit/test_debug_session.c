/*
 * debug/session.c and debug/target.c: a whole session with a gdb that is a list of packets, on a
 * guest that is a script.
 */
#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/ipi.h"
#include "tests/unit/fake_session.h"

/* HAXM-1, USER-3, BP-24: broken into while it runs; the stop is no breakpoint. */
static void test_user3_break_in(void **state)
{
    GUEST(NMI_EXIT, NMI_EXIT);
    GDB("qSupported:swbreak+;hwbreak+ c", "\3", "c", "!");

    (void)state;
    SESSION();
    assert_string_equal(why_over, "gdb has nothing more to say");
    assert_int_equal(count_sent("$T02"), 2);
    assert_int_equal(count_sent("break:"), 0);
    assert_int_equal(model_nmis, 2);
    assert_int_equal(hushes, 2);
    assert_false(v->nmi_pending); /* the line's, not the guest's */
}

/* A byte between a stop of another kind and the silence: its NMI is taken, the guest gets none. */
static void test_late_byte(void **state)
{
    GUEST(FREE(nop, HV_EXIT_SHUTDOWN), FREE(nop, HV_EXIT_NONE));
    GDB("qSupported c", "c");

    (void)state;
    SESSION();
    assert_int_equal(model_nmis, 1);
    assert_int_equal(model_records[1].event.type, HV_EVENT_NONE);
}

/* HAXM-21: a Ctrl-C in one burst with the resume, read before the guest runs, is not lost. */
static void test_haxm21_at_once(void **state)
{
    GUEST(FREE(nop, HV_EXIT_NONE));
    GDB("qSupported c \3", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T02"), 1);
}

/* An NMI that the line did not send is the guest's, at once; and nobody stops. */
static void test_nmi_of_the_guest(void **state)
{
    GUEST(NMI_EXIT, FREE(nop, HV_EXIT_NONE));

    (void)state;
    static const char *const gdb[] = {NULL};
    session(true, false, guest, 2, gdb);
    assert_string_equal(why_over, "guest runs");
    assert_int_equal(model_nmis, 1);
    assert_int_equal(model_records[1].event.type, HV_EVENT_NMI);
    assert_int_equal(sent_length, 0);
    assert_int_equal(listens, 2);
}

/* HAXM-2, WHPX-1, BP-16, USER-10: with no gdb nothing is trapped, and DR7 is the guest's. */
static void test_whpx1_not_attached(void **state)
{
    GUEST(FREE(nop, HV_EXIT_NONE));

    (void)state;
    static const char *const gdb[] = {NULL};
    session(true, false, guest, 1, gdb);
    assert_int_equal(model_records[0].traps, 0);
    assert_int_equal(model_records[0].live_dr7, DR7_RESET);
    setup(NULL);
    session(false, true, guest, 1, gdb); /* gdb=none */
    assert_string_equal(why_over, "guest runs");
    assert_int_equal(model_records[0].traps, 0);
}

/*
 * HAXM-19, WHPX-22, BP-28: gdb leaves its breakpoint in and continues from it: the instruction
 * under it is stepped with its true byte, nothing is told of that, and it is hit when it comes
 * again.
 */
static void test_haxm19_continue_from(void **state)
{
    GUEST(FREE(loop_to_pc, HV_EXIT_BREAKPOINT), STEPS(nop), FREE(loop_to_pc, HV_EXIT_BREAKPOINT),
          STEPS(nop), FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported:swbreak+ Z0,1000,1 c", "c", "c");

    (void)state;
    v->regs.rip = PC + 16;
    SESSION();
    assert_int_equal(count_sent("$T05"), 2);
    assert_int_equal(count_sent("swbreak:"), 2);
    assert_int_equal(model_records[0].traps & TRAP_BREAKPOINT, TRAP_BREAKPOINT);
    assert_int_equal(model_records[2].rip, PC + 1);
    assert_int_equal(*model_memory(PC), 0xcc);
    assert_int_equal(v->regs.rflags & RFLAGS_TF, 0);
}

/* WHPX-20, WHPX-21, WHPX-23: a break-in during that step leaves the breakpoint planted. */
static void test_whpx21_break_in_meanwhile(void **state)
{
    GUEST(FREE(loop_to_pc, HV_EXIT_BREAKPOINT), {RUN_STEP, NULL, {.kind = HV_EXIT_NMI}}, STEPS(nop),
          FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported:swbreak+ Z0,1000,1 c", "c", "\3", "c");

    (void)state;
    v->regs.rip = PC + 16;
    SESSION();
    assert_int_equal(count_sent("$T02"), 1);
    assert_int_equal(count_sent("$T05"), 1);
    assert_int_equal(model_records[2].rip, PC);
    assert_int_equal(*model_memory(PC), 0xcc);
}

/* BP-3, USER-6: an INT3 of the guest's own is its, whole; ours are not confused with it. */
static void test_bp3_guest_int3(void **state)
{
    GUEST({RUN_FREE, NULL, {.kind = HV_EXIT_BREAKPOINT, .insn_length = 1}},
          {RUN_FREE, NULL, {.kind = HV_EXIT_BREAKPOINT, .insn_length = 2}},
          FREE(NULL, HV_EXIT_NONE));
    GDB("Z0,1080,1 c");

    (void)state;
    *model_memory(PC) = 0xcc;
    SESSION();
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(model_records[i].event.type, HV_EVENT_SOFT);
        assert_int_equal(model_records[i].event.vector, VECTOR_BP);
        assert_int_equal(model_records[i].event.insn_length, i);
        assert_int_equal(model_records[i].rip, PC);
    }
    assert_int_equal(count_sent("$T"), 0);
    assert_int_equal(*model_memory(PC), 0xcc);
}

static void rf_is_set(struct hv_regs *r)
{
    assert_int_equal(r->rflags & RFLAGS_RF, RFLAGS_RF);
    r->rflags &= ~RFLAGS_RF;
    r->rip = PC;
}

/* HAXM-16, HAXM-17, HAXM-19: a hardware breakpoint; continuing from it does not hit it again. */
static void test_haxm19_hardware(void **state)
{
    GUEST(HITS(NULL, DR6_B(0)), HITS(rf_is_set, DR6_B(0)), FREE(rf_is_set, HV_EXIT_NONE));
    GDB("qSupported:hwbreak+ Z1,1000,1 c", "c", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("hwbreak:"), 2);
    assert_int_equal(model_records[0].live_dr[0], PC);
    assert_int_equal(model_records[0].traps & (TRAP_DEBUG | TRAP_DR_READS),
                     TRAP_DEBUG | TRAP_DR_READS);
    assert_int_equal(model_records[0].traps & TRAP_BREAKPOINT, 0);
}

static void store(struct hv_regs *r)
{
    *model_memory(0x8001) += 1;
    nop(r);
}

static void test_read_watchpoint(void **state)
{
    GUEST(HITS(store, DR6_B(0)), HITS(nop, DR6_B(0)));
    GDB("qSupported Z3,8000,4 c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("rwatch:8000;"), 1);
    assert_int_equal(model_records[1].event.type, HV_EVENT_NONE);
}

/* GEN-2, GEN-1, WHPX-8: one #DB of two owners: each gets its own. */
static void test_gen2_both_owners(void **state)
{
    GUEST(HITS(nop, DR6_B(1) | DR6_B(0)), HITS(nop, DR6_BS), FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported Z2,8000,4 c", "c");

    (void)state;
    v->debug_regs.dr[0] = 0x5000;
    v->debug_regs.dr7 = 0x401;
    SESSION();
    assert_int_equal(model_records[0].live_dr[0], 0x5000);
    assert_int_equal(model_records[0].live_dr[1], 0x8000);
    assert_int_equal(count_sent("watch:8000;"), 1);
    assert_int_equal(model_records[1].event.vector, VECTOR_DB);
    /* The guest's own step: it alone hears of it. */
    assert_int_equal(model_records[2].event.vector, VECTOR_DB);
    assert_int_equal(count_sent("$T05"), 1);
    assert_int_equal(v->debug_regs.dr6 & 0xe00f, DR6_BS);
    assert_int_equal(v->debug_regs.dr7, 0x401);
}

/* GEN-3, WHPX-12: INT1 is the guest's: its handler returns behind it. */
static void test_gen3_icebp(void **state)
{
    GUEST(FREE(NULL, HV_EXIT_ICEBP), FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported Z2,8000,4 c");

    (void)state;
    SESSION();
    assert_int_equal(model_records[1].event.vector, VECTOR_DB);
    assert_int_equal(model_records[1].rip, PC + 1);
    assert_int_equal(count_sent("$T"), 0);
}

/* BP-9, BP-12, WHPX-10: a step is told once, and leaves nothing. */
static void test_step(void **state)
{
    GUEST(STEPS(nop), STEPS(nop), FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported vCont;s:1", "s", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T05"), 2);
    assert_int_equal(model_records[2].rip, PC + 2);
    assert_int_equal(model_records[2].rflags, 0x202);
    assert_int_equal(model_records[2].event.type, HV_EVENT_NONE);
    assert_int_equal(model_records[2].traps, ATTACHED);
}

/*
 * GEN-5: a step that a Ctrl-C has ended before its instruction was done is over: what goes on then
 * goes on without TF.
 */
static void test_gen5_only_there(void **state)
{
    GUEST(ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_NMI), FREE(nop, HV_EXIT_NONE));
    GDB("qSupported vCont;s:1", "\3", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T02"), 1);
    assert_int_equal(model_records[0].rflags, 0x202 | RFLAGS_TF);
    assert_int_equal(model_records[1].rflags, 0x202);
    assert_int_equal(model_records[1].rip, PC);
}

/* WHPX-18: whether it goes on from a breakpoint is asked of where gdb has put it: one that it is
 * put on stops it, one that it is taken from does not delay it. */
static void test_whpx18_where_it_is(void **state)
{
    GUEST(FREE(loop_to_pc, HV_EXIT_BREAKPOINT), FREE(NULL, HV_EXIT_BREAKPOINT), STEPS(nop),
          FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported:swbreak+ Z0,1000,1 Z0,1008,1 P10=1010000000000000 c", "P10=0810000000000000 c",
        "c");

    static const uint64_t places[] = {PC + 16, PC + 8, PC + 8, PC + 9};

    (void)state;
    SESSION();
    assert_int_equal(count_sent("swbreak:"), 2);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(places); i++)
        assert_int_equal(model_records[i].rip, places[i]);
}

/* USER-4: a triple fault stops, says what and where, and keeps the state. */
static void test_user4_triple_fault(void **state)
{
    GUEST(FREE(nop, HV_EXIT_SHUTDOWN));
    GDB("qSupported c", "p10");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T0b"), 1);
    assert_int_equal(count_sent("$O"), 2);
    assert_int_equal(count_sent("$0110*)#15"), 1); /* rip 0x1001, run-length coded */
    /* With nobody there: in plain text, and then it waits for a gdb. */
    setup(NULL);
    static const char *const nobody[] = {NULL};
    session(true, false, guest, 1, nobody);
    assert_int_equal(count_sent("triple fault at 1001 (64-bit mode)"), 1);
    assert_int_equal(count_sent("raw state\r\n"), 1);
    assert_int_equal(count_sent("$"), 0);
    /* And with no line at all it ends. */
    setup(NULL);
    session(false, false, guest, 1, nobody);
    assert_true(halted);
}

static void check_clean(unsigned record, unsigned traps)
{
    assert_int_equal(model_records[record].traps, traps);
    assert_int_equal(model_records[record].live_dr7, DR7_RESET);
    assert_int_equal(breakpoints_count() + watch_count(), 0);
    assert_int_equal(*model_memory(PC + 32), 0x90);
}

/* BP-23, WHPX-8: detach and kill leave nothing, and the guest runs. */
static void test_bp23_detach_and_kill(void **state)
{
    GUEST(FREE(nop, HV_EXIT_NONE));
    static const char *const ends[] = {"qSupported Z0,1020,1 Z1,1021,1 Z4,8000,8 D",
                                       "qSupported Z0,1020,1 Z1,1021,1 Z4,8000,8 k"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const char *const gdb[] = {ends[i], NULL};
        setup(NULL);
        SESSION();
        assert_string_equal(why_over, "guest runs");
        check_clean(0, 0);
        assert_false(debug.attached);
    }
}

/* BP-23, USER-8: a detach comes twice, for our `+` got lost: the guest is stopped for the second,
 * and goes on behind it. */
static void test_user8_repeated_detach(void **state)
{
    GUEST(NMI_EXIT, FREE(nop, HV_EXIT_NONE));
    GDB("qSupported Z0,1020,1 D", "D");

    (void)state;
    SESSION();
    assert_string_equal(why_over, "guest runs");
    assert_int_equal(count_sent("$OK#"), 3);
    check_clean(1, 0);
}

/* BP-23, BP-25, USER-8: a gdb that vanished; the next one stops the guest and finds it clean. */
static void test_bp23_vanished(void **state)
{
    GUEST(NMI_EXIT, FREE(nop, HV_EXIT_NONE));
    GDB("qSupported Z0,1020,1 Z2,8000,8 c", "qSupported", "?", "c");

    (void)state;
    SESSION();
    assert_int_equal(model_records[0].traps, ATTACHED | TRAP_BREAKPOINT | TRAP_DEBUG |
                                                 TRAP_DR_READS); /* while it was there */
    check_clean(1, ATTACHED);
    assert_int_equal(count_sent("PacketSize="), 2);
    assert_int_equal(count_sent("$T02"), 1);
}

/* WHPX-2, HAXM-2: what is trapped when a gdb comes, and no longer when it has gone. */
static void test_whpx2_comes_and_goes(void **state)
{
    GUEST(NMI_EXIT, NMI_EXIT, NMI_EXIT, FREE(nop, HV_EXIT_NONE));
    GDB("qSupported", "c", "\3", "D", "qSupported", "Z1,1021,1 c");
    static const unsigned traps[] = {0, ATTACHED, 0, ATTACHED | TRAP_DEBUG | TRAP_DR_READS};

    (void)state;
    session(true, false, guest, HV_ARRAY_SIZE(guest), gdb);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(traps); i++)
        assert_int_equal(model_records[i].traps, traps[i]);
}

/* What the user debugs begins later: nobody is heard before, and no breakpoint of ours remains. */
static void test_entry_later(void **state)
{
    GUEST(HITS(nop, DR6_B(1)));
    GDB("qSupported:hwbreak+ ?");
    (void)state;
    entry[0] = 0x5000, entry[1] = PC + 1;
    SESSION();
    entry[0] = 0;
    assert_int_equal(model_records[0].live_dr[0], 0x5000);
    assert_int_equal(model_records[0].live_dr[1], PC + 1);
    assert_int_equal(listens + watch_count() + count_sent("hwbreak:"), 0);
    assert_int_equal(count_sent("$T05"), 1);
}

/* What an INIT needs besides: a local APIC. */
bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, MSR_APIC_BASE);
    *value = 0xfee00000 | APIC_BASE_ENABLE;
    return true;
}

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    assert_int_equal(address & ~0xfffULL, 0xfee00000);
    assert_int_equal(size, 4);
    return 0;
}

void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    (void)value;
    model_mmio_read(address, size);
}

/*
 * WHPX-21, WHPX-23: an INIT in the middle of the step over a breakpoint. The breakpoint is planted
 * again, others may hold, and the CPU is told to wait only then.
 */
static void test_whpx23_init_meanwhile(void **state)
{
    GUEST(FREE(loop_to_pc, HV_EXIT_BREAKPOINT), ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_INIT));
    GDB("qSupported:swbreak+ Z0,1000,1 c", "c");
    uint8_t vector;

    (void)state;
    v->regs.rip = PC + 16;
    SESSION();
    assert_int_equal(*model_memory(PC), 0xcc);
    assert_true(park_claim(v));
    assert_true(ipi_waits(0));
    assert_int_equal(v->regs.rip, 0xfff0);
    assert_int_equal(count_sent("$T05"), 1);
    ipi_note_startup(v, 0);
    assert_int_equal(ipi_take(v, &vector), AP_START);
}

/* HAXM-4, HAXM-6, WHPX-3: what gdb sets is every CPU's, to be loaded at its next entry. */
static void test_haxm4_every_cpu(void **state)
{
    enum { CPUS = 3 };

    (void)state;
    vcpu_set_count(CPUS);
    for (unsigned i = 0; i < CPUS; i++)
        vcpu_get(i)->dr_dirty = false;
    assert_int_equal(watch_insert(GDB_BREAK_HARD, 0x5000, 1), HV_OK);
    debug_update_traps();
    for (unsigned i = 0; i < CPUS; i++) {
        assert_true(vcpu_get(i)->dr_dirty);
        assert_int_equal(vcpu_get(i)->live_dr[0], 0x5000);
        assert_true(vcpu_get(i)->live_dr7 & 3);
        assert_int_equal(vcpu_get(i)->traps, TRAP_DEBUG | TRAP_DR_READS);
    }
    debug_remove_all();
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(vcpu_get(i)->live_dr7 & 0xff, 0);
        assert_int_equal(vcpu_get(i)->traps, 0);
    }
    vcpu_set_count(1);
}

static const char *thread_info(void)
{
    static char text[80];

    text[debug_target.thread_info(1, text, sizeof(text) - 1)] = '\0';
    return text;
}

/* What `info threads` says of a CPU that INIT has stopped, before it has seen that itself, too. */
static void test_waiting_thread(void **state)
{
    enum ap_action action;
    uint8_t vector;

    (void)state;
    assert_string_equal(thread_info(), "CPU 0, 64-bit mode, ring 0");
    ipi_note_init(v);
    assert_string_equal(thread_info(), "CPU 0, waits for its start-up interrupt");
    ipi_note_startup(v, 0x9a);
    assert_string_equal(thread_info(),
                        "CPU 0, waits for its start-up interrupt, vector 9a has come");
    while ((action = ipi_take(v, &vector)) != AP_NOTHING)
        assert_true(action == AP_RESET || action == AP_START);
    assert_string_equal(thread_info(), "CPU 0, 64-bit mode, ring 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_user3_break_in, setup),
        cmocka_unit_test_setup(test_waiting_thread, setup),
        cmocka_unit_test_setup(test_whpx23_init_meanwhile, setup),
        cmocka_unit_test_setup(test_haxm4_every_cpu, setup),
        cmocka_unit_test_setup(test_late_byte, setup),
        cmocka_unit_test_setup(test_haxm21_at_once, setup),
        cmocka_unit_test_setup(test_nmi_of_the_guest, setup),
        cmocka_unit_test_setup(test_whpx1_not_attached, setup),
        cmocka_unit_test_setup(test_haxm19_continue_from, setup),
        cmocka_unit_test_setup(test_whpx21_break_in_meanwhile, setup),
        cmocka_unit_test_setup(test_bp3_guest_int3, setup),
        cmocka_unit_test_setup(test_haxm19_hardware, setup),
        cmocka_unit_test_setup(test_read_watchpoint, setup),
        cmocka_unit_test_setup(test_gen2_both_owners, setup),
        cmocka_unit_test_setup(test_gen3_icebp, setup),
        cmocka_unit_test_setup(test_step, setup),
        cmocka_unit_test_setup(test_gen5_only_there, setup),
        cmocka_unit_test_setup(test_whpx18_where_it_is, setup),
        cmocka_unit_test_setup(test_user4_triple_fault, setup),
        cmocka_unit_test_setup(test_bp23_detach_and_kill, setup),
        cmocka_unit_test_setup(test_user8_repeated_detach, setup),
        cmocka_unit_test_setup(test_bp23_vanished, setup),
        cmocka_unit_test_setup(test_whpx2_comes_and_goes, setup),
        cmocka_unit_test_setup(test_entry_later, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
