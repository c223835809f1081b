/* The stub's vCont, c, C, s, S, its stop replies and Ctrl-C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_line.h"

static int attach(void **state)
{
    (void)state;
    start_session(1);
    return 0;
}

static int attach_four(void **state)
{
    (void)state;
    start_session(4);
    return 0;
}

static const char step_reply[] =
    "T0510:0110000000000000;7:0071000000000000;6:0000000000000000;thread:1;";

static void step_has_one_stop_reply(void **state)
{
    const char *const steps[] = {"s",     "S05",      "vCont;s",    "vCont;s:1", "vCont;S05:1;c",
                                 "s1000", "S05;1000", "vCont;s:-1", "vCont;s:0"};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        start_session(1);
        assert_null(ask(steps[i])); /* '+' and nothing else yet */
        assert_true(gdbstub_is_running(&stub));
        assert_int_equal(fake.resumes, 1);
        assert_int_equal(fake.actions[1], GDB_STEP);
        assert_string_equal(run(10), step_reply);
        assert_false(gdbstub_is_running(&stub));
        /* A second stop that nobody asked for stays unsaid. */
        line_clear();
        gdbstub_stopped(&stub, &fake.stop);
        assert_int_equal(line.len, 0);
    }
}

static void continue_runs_until_a_breakpoint(void **state)
{
    const char *const resumes[] = {"c",       "C05",       "C00;1000",     "c1000",
                                   "vCont;c", "vCont;c:1", "vCont;C0b:-1", "vCont;c:1;s"};

    (void)state;
    for (size_t i = 0; i < sizeof(resumes) / sizeof(resumes[0]); i++) {
        start_session(1);
        assert_string_equal(ask("Z0,1010,1"), "OK");
        assert_null(ask(resumes[i]));
        assert_int_equal(fake.actions[1], GDB_CONTINUE);
        assert_string_equal(run(100), "T05swbreak:;10:1010000000000000;7:0071000000000000;"
                                      "6:0000000000000000;thread:1;");
        assert_int_equal(fake_get(1, FAKE_RIP), 0x1010);
    }
}

static void resume_at_an_address(void **state)
{
    (void)state;
    assert_null(ask("s1010"));
    assert_non_null(strstr(run(1), "10:1110000000000000;"));
    assert_int_equal(fake.pc_sets, 1);
    assert_null(ask("S05;1011"));
    assert_non_null(strstr(run(1), "10:0010000000000000;"));
    assert_null(ask("s"));
    run(1);
    assert_int_equal(fake.pc_sets, 2);
}

static void malformed_resumes_do_not_resume(void **state)
{
    const char *const bad[] = {"cx",
                               "c1000,",
                               "c-1",
                               "c10000000000000000",
                               "C",
                               "C0",
                               "C0g",
                               "C055",
                               "C05,1000",
                               "C05;x",
                               "s ",
                               "S",
                               "S5",
                               "S05;1000;",
                               "vCont",
                               "vCont;",
                               "vCont:c",
                               "vCont;x",
                               "vCont;t",
                               "vCont;C",
                               "vCont;Cx5",
                               "vCont;c;",
                               "vCont;c:",
                               "vCont;c:g",
                               "vCont;cs",
                               "vCont;s:1,c",
                               "vCont;s:-2",
                               "vCont,c",
                               "vCont;s:p1.1",
                               "vCont;r",
                               "vCont;r1000",
                               "vCont;r1000,",
                               "vCont;r2000,1000:1",
                               "vCont;r1000,2000;",
                               "C05;1000x",
                               "vCont;s:1;;",
                               "vCont;c:1x",
                               "vCont;s:1;q"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *answer = ask(bad[i]);

        assert_non_null(answer);
        assert_string_equal(answer, "E22");
    }
    assert_string_equal(ask("vCont;s:2"), "E03");
    assert_string_equal(ask("vCont;c;s:2"), "E03");
    assert_int_equal(fake.resumes, 0);
    assert_int_equal(fake.pc_sets, 0);
    assert_false(gdbstub_is_running(&stub));
}

static void c_with_an_empty_address_after_the_signal(void **state)
{
    (void)state;
    assert_null(ask("C05;"));
    assert_int_equal(fake.pc_sets, 0);
    assert_int_equal(fake.resumes, 1);
}

static void vcont_question(void **state)
{
    (void)state;
    assert_string_equal(ask("vCont?"), "vCont;c;C;s;S;r");
}

/* One stop reply for all the steps of a range; what else stops the thread ends them. */
static void vcont_range(void **state)
{
    (void)state;
    assert_null(ask("vCont;r1000,1010:1"));
    assert_non_null(strstr(run(100), "10:1010000000000000;"));
    assert_null(ask("vCont;r1000,1013:1"));
    assert_null(run(100)); /* the whole loop */
    line_feed("\3", 1);
    assert_memory_equal(run(1), "T02", 3);
    fake_set(1, FAKE_RIP, FAKE_CODE);
    assert_string_equal(ask("Z0,1009,1"), "OK");
    assert_null(ask("vCont;r1000,1013:1;c"));
    assert_memory_equal(run(100), "T05swbreak:;10:0910", 19);
    assert_string_equal(ask("z0,1009,1"), "OK");
    /* An empty one is a step, and so is one that the pc is not in afterwards. */
    assert_null(ask("vCont;r1010,1010:1"));
    assert_non_null(strstr(run(100), "10:1010000000000000;"));
    assert_null(ask("vCont;r2000,3000:1"));
    assert_non_null(strstr(run(100), "10:1110000000000000;"));
    /* The range is forgotten. */
    assert_null(ask("vCont;s:1"));
    assert_non_null(strstr(run(100), "10:0010000000000000;"));
}

static void vcont_range_is_optional(void **state)
{
    void (*range)(unsigned, gva_t, gva_t) = fake_target.resume_range;

    (void)state;
    fake_target.resume_range = NULL;
    assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
    assert_string_equal(ask("vCont;r1000,1010:1"), "E22");
    fake_target.resume_range = range;
}

static void vcont_leftmost_action_counts_and_unnamed_threads_hold(void **state)
{
    static const struct {
        const char *packet;
        enum gdb_action actions[FAKE_THREADS];
    } rows[] = {
        {"vCont;s:2", {GDB_HOLD, GDB_STEP, GDB_HOLD, GDB_HOLD}},
        {"vCont;s:2;c", {GDB_CONTINUE, GDB_STEP, GDB_CONTINUE, GDB_CONTINUE}},
        {"vCont;s:2;c:-1", {GDB_CONTINUE, GDB_STEP, GDB_CONTINUE, GDB_CONTINUE}},
        {"vCont;c;s:2", {GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE}},
        {"vCont;c:3;s:3;s", {GDB_STEP, GDB_STEP, GDB_CONTINUE, GDB_STEP}},
        {"vCont;s:4;c:1", {GDB_CONTINUE, GDB_HOLD, GDB_HOLD, GDB_STEP}},
        {"vCont;c;s;c:1", {GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE}},
        {"vCont;S05:1;C06:2", {GDB_STEP, GDB_CONTINUE, GDB_HOLD, GDB_HOLD}},
        {"vCont;s:0", {GDB_STEP, GDB_HOLD, GDB_HOLD, GDB_HOLD}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start_session(4);
        assert_null(ask(rows[i].packet));
        for (unsigned t = 0; t < FAKE_THREADS; t++)
            assert_int_equal(fake.actions[t + 1], rows[i].actions[t]);
    }
}

static void hc_chooses_who_moves(void **state)
{
    (void)state;
    assert_string_equal(ask("Hc2"), "OK");
    assert_null(ask("c"));
    assert_int_equal(fake.actions[1], GDB_HOLD);
    assert_int_equal(fake.actions[2], GDB_CONTINUE);
    line_feed("\x03", 1);
    assert_non_null(run(10));
    assert_null(ask("s"));
    assert_int_equal(fake.actions[1], GDB_HOLD);
    assert_int_equal(fake.actions[2], GDB_STEP);
    assert_non_null(strstr(run(1), "thread:2;"));

    /* Any thread: all go, and s steps the one that Hg chose. */
    assert_string_equal(ask("Hc0"), "OK");
    assert_string_equal(ask("Hg3"), "OK");
    assert_null(ask("s"));
    assert_int_equal(fake.actions[1], GDB_CONTINUE);
    assert_int_equal(fake.actions[2], GDB_CONTINUE);
    assert_int_equal(fake.actions[3], GDB_STEP);
    assert_non_null(strstr(run(1), "thread:3;"));
    assert_string_equal(ask("Hc-1"), "OK");
    assert_null(ask("c"));
    assert_int_equal(fake.actions[4], GDB_CONTINUE);
}

static void bp11_stop_selects_its_thread_and_why_does_not(void **state)
{
    (void)state;
    assert_null(ask("vCont;s:3;c"));
    assert_non_null(strstr(run(1), "thread:3;"));
    assert_string_equal(ask("qC"), "QC3");
    assert_string_equal(ask("p10"), "0030000000000000");
    assert_string_equal(ask("Hg2"), "OK");
    /* '?' shows thread 3 and its registers, and leaves thread 2 chosen. */
    assert_string_equal(ask("?"), "T0510:0030000000000000;7:0073000000000000;"
                                  "6:0000000000000000;thread:3;");
    assert_string_equal(ask("qC"), "QC2");
    assert_string_equal(ask("p7"), "0072000000000000");
}

/* BP-10: what was reported is done with when gdb resumes. */
static void bp10_reported_stop_is_not_reported_again(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_null(ask("c"));
    assert_non_null(strstr(run(100), "T05swbreak:;"));
    assert_string_equal(ask("z0,1010,1"), "OK");
    assert_null(ask("s"));
    assert_string_equal(run(100), "T0510:1110000000000000;7:0071000000000000;"
                                  "6:0000000000000000;thread:1;");
    assert_null(strstr(ask("?"), "swbreak"));
}

static void stop_reasons_as_gdb_announced_to_know_them(void **state)
{
    (void)state;
    assert_string_equal(ask("Z1,1010,1"), "OK");
    assert_null(ask("c"));
    assert_non_null(strstr(run(100), "T05hwbreak:;10:"));

    assert_non_null(ask("qSupported:hwbreak-;xmlRegisters=i386;swbreak+"));
    assert_string_equal(ask("Z1,1001,1"), "OK");
    assert_null(ask("c"));
    assert_non_null(strstr(run(100), "T0510:"));

    assert_non_null(ask("qSupported:hwbreak+;swbreak"));
    assert_string_equal(ask("Z0,1001,1"), "OK");
    assert_null(ask("c1000"));
    assert_non_null(strstr(run(100), "T0510:"));
}

static void watchpoints_tell_the_address(void **state)
{
    (void)state;
    assert_string_equal(ask("Z2,2004,4"), "OK");
    assert_null(ask("c"));
    assert_non_null(strstr(run(100), "T05watch:2004;10:0910000000000000;"));
    assert_string_equal(ask("z2,2004,4"), "OK");
    assert_string_equal(ask("Z3,2008,8"), "OK");
    assert_null(ask("c"));
    assert_non_null(strstr(run(100), "T05rwatch:2008;10:1010000000000000;"));
    assert_string_equal(ask("z3,2008,8"), "OK");
    assert_string_equal(ask("Z4,2000,1"), "OK");
    assert_null(ask("c"));
    assert_non_null(strstr(run(100), "T05awatch:2000;"));
    assert_string_equal(ask("?"), reply.text);
}

static void signals_of_the_target_are_told(void **state)
{
    (void)state;
    fake_set(1, FAKE_RIP, FAKE_HOLE);
    assert_null(ask("c"));
    assert_memory_equal(run(10), "T0b10:00a0", 10);
    fake_set(1, FAKE_RIP, 0x5000);
    fake.memory[0x5000] = 0x06;
    assert_null(ask("s"));
    assert_memory_equal(run(10), "T0410:0050", 10);
}

static void expedited_register_that_cannot_be_read_is_left_out(void **state)
{
    static const unsigned expedited[] = {FAKE_RIP, FAKE_GHOST, FAKE_CR3};
    const unsigned *saved = fake_target.expedited;

    (void)state;
    fake_target.expedited = expedited;
    assert_string_equal(ask("?"), "T0210:0010000000000000;29:0090000000000000;thread:1;");
    fake_target.expedited = saved;
}

static void haxm21_ctrl_c_always_works_and_registers_are_current(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 5; round++) {
        assert_null(ask("c"));
        assert_null(run(60));
        line_feed("\x03", 1);
        assert_int_equal(fake.interrupts, round);
        assert_memory_equal(run(60), "T02", 3);
        assert_int_equal(fake_get(1, FAKE_RIP), 0x1000);
        assert_string_equal(ask("p10"), "0010000000000000");
        ask("m2000,1");
        assert_int_equal(strtoul(reply.text, NULL, 16), 10 * round);
    }
}

/* HAXM-21: not even a '$' of noise before it, or half a packet, swallows the Ctrl-C. */
static void haxm21_ctrl_c_after_noise(void **state)
{
    const char *const noise[] = {"$", "$qSupp", "$c#", "$c#6", "#12", "+-+-", "\xff\xfe"};

    (void)state;
    for (unsigned i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
        assert_null(ask("c"));
        line_feed(noise[i], strlen(noise[i]));
        assert_null(run(10));
        line_feed("\x03", 1);
        assert_memory_equal(run(10), "T02", 3);
    }
}

static void ctrl_c_twice_has_one_stop_reply(void **state)
{
    (void)state;
    assert_null(ask("c"));
    line_feed("\x03\x03\x03", 3);
    assert_memory_equal(run(10), "T02", 3);
    line_clear();
    line_feed("\x03", 1);
    assert_int_equal(line.len, 0);
    assert_string_equal(ask("qC"), "QC1");
}

/* USER-8: our '+' got lost, so gdb says it again: it goes on running, with one stop reply. */
static void user8_repeated_resume_is_one_resume(void **state)
{
    const char *const resumes[] = {"vCont;c", "c", "C05", "vCont;c:1", "vCont;s:1;c"};

    (void)state;
    for (size_t i = 0; i < sizeof(resumes) / sizeof(resumes[0]); i++) {
        start_session(1);
        assert_null(ask(resumes[i]));
        assert_null(ask(resumes[i]));
        assert_int_equal(fake.resumes, 1);
        assert_int_equal(fake.interrupts, 0);
        line_feed("\x03", 1);
        assert_memory_equal(run(10), "T02", 3);
    }
}

static void text_while_running_goes_to_the_console(void **state)
{
    static char text[5000];

    (void)state;
    line_clear();
    gdbstub_console(&stub, "early", 5);
    assert_int_equal(line.len, 0); /* stopped: gdb would take it for a reply */
    assert_null(ask("c"));
    line_clear();
    gdbstub_console(&stub, "Hi\n", 3);
    gdbstub_console(&stub, "", 0);
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "O48690a");
    assert_int_equal(line_take(), 0);
    line_clear();
    line_feed("-", 1); /* it arrived broken */
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "O48690a");

    memset(text, 'x', sizeof(text));
    line_clear();
    gdbstub_console(&stub, text, sizeof(text));
    for (size_t done = 0; done < sizeof(text); done += (reply.len - 1) / 2) {
        assert_int_equal(line_take(), '$');
        assert_memory_equal(reply.text, "O7878", 5);
    }
    assert_int_equal(line_take(), 0);
    line_feed("+\x03", 2);
    assert_memory_equal(run(10), "T02", 3);
}

/*
 * USER-8: text and a stop reply in a row: each is acknowledged, in order, and the one that arrived
 * broken may be the last.
 */
static void user8_text_and_stop_are_acknowledged_each(void **state)
{
    static const struct {
        const char *acks;
        bool again;
    } cases[] = {{"++-", true}, {"-", true}, {"+-", true}, {"+++", false}, {"+++-", false}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        line_clear();
        line_feed("+++", 3);
        assert_null(ask("c"));
        gdbstub_console(&stub, "one\n", 4);
        gdbstub_console(&stub, "two\n", 4);
        line_feed("\x03", 1);
        assert_true(fake_run(10));
        gdbstub_stopped(&stub, &fake.stop);
        line_clear();
        uint64_t before = stub.stats.retransmissions;
        line_feed(cases[i].acks, strlen(cases[i].acks));
        assert_int_equal(stub.stats.retransmissions - before, cases[i].again);
        assert_int_equal(line_take(), cases[i].again ? '$' : 0);
        if (cases[i].again)
            assert_memory_equal(reply.text, "T02", 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_has_one_stop_reply),
        cmocka_unit_test(continue_runs_until_a_breakpoint),
        cmocka_unit_test_setup(resume_at_an_address, attach),
        cmocka_unit_test_setup(malformed_resumes_do_not_resume, attach),
        cmocka_unit_test_setup(c_with_an_empty_address_after_the_signal, attach),
        cmocka_unit_test_setup(vcont_range, attach),
        cmocka_unit_test_setup(vcont_range_is_optional, attach),
        cmocka_unit_test_setup(vcont_question, attach),
        cmocka_unit_test(vcont_leftmost_action_counts_and_unnamed_threads_hold),
        cmocka_unit_test_setup(hc_chooses_who_moves, attach_four),
        cmocka_unit_test_setup(bp11_stop_selects_its_thread_and_why_does_not, attach_four),
        cmocka_unit_test_setup(bp10_reported_stop_is_not_reported_again, attach),
        cmocka_unit_test_setup(stop_reasons_as_gdb_announced_to_know_them, attach),
        cmocka_unit_test_setup(watchpoints_tell_the_address, attach),
        cmocka_unit_test_setup(signals_of_the_target_are_told, attach),
        cmocka_unit_test_setup(expedited_register_that_cannot_be_read_is_left_out, attach),
        cmocka_unit_test_setup(haxm21_ctrl_c_always_works_and_registers_are_current, attach),
        cmocka_unit_test_setup(haxm21_ctrl_c_after_noise, attach),
        cmocka_unit_test_setup(ctrl_c_twice_has_one_stop_reply, attach),
        cmocka_unit_test(user8_repeated_resume_is_one_resume),
        cmocka_unit_test_setup(text_while_running_goes_to_the_console, attach),
        cmocka_unit_test_setup(user8_text_and_stop_are_acknowledged_each, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
