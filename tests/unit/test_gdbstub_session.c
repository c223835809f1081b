/* The stub's sessions: attaching, detaching, gdbs that vanish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_line.h"

static int begin(void **state)
{
    (void)state;
    start(1);
    return 0;
}

static int attach(void **state)
{
    (void)state;
    start_session(2);
    return 0;
}

/* A whole packet while the target runs, then the stop it causes; the reply, or NULL. */
static const char *ask_running(const char *body)
{
    line_clear();
    line_send(body, strlen(body));
    LINE_CHECK(line_take() == '+');
    LINE_CHECK(line_take() == 0); /* not before the target has stopped */
    return run(10);
}

static void bp16_stub_that_was_never_initialised_ignores_all(void **state)
{
    static const struct gdb_stop stop = {.signal = GDB_SIGTRAP, .thread = 1};

    (void)state;
    memset(&stub, 0, sizeof(stub));
    for (int byte = 0; byte < 256; byte++)
        gdbstub_receive(&stub, (uint8_t)byte);
    line_feed("$qSupported#37\x03", 15);
    gdbstub_stopped(&stub, &stop);
    gdbstub_console(&stub, "text", 4);
    assert_false(gdbstub_is_running(&stub));
    assert_false(stub.attached);
}

static void first_packet_begins_a_session(void **state)
{
    (void)state;
    assert_int_equal(fake.attached, 0);
    line_feed("+\x03garbage$c#00", 13);
    assert_int_equal(fake.attached, 0); /* nothing good yet */
    assert_string_equal(ask("qC"), "QC1");
    assert_int_equal(fake.attached, 1);
    assert_non_null(ask("qSupported"));
    assert_int_equal(fake.attached, 2);
    assert_non_null(ask("?"));
    assert_int_equal(fake.attached, 2);
}

static void malformed_packet_begins_no_session(void **state)
{
    (void)state;
    assert_string_equal(ask("}"), "E22");
    assert_string_equal(ask("00:c"), "E22");
    assert_int_equal(fake.attached, 0);
    assert_false(stub.attached);
}

static void bp24_attach_stops_a_running_target(void **state)
{
    (void)state;
    assert_string_equal(ask("D"), "OK");
    assert_true(fake.running);
    assert_string_equal(ask_running("qSupported:swbreak+"),
                        "PacketSize=4000;swbreak+;hwbreak+;vContSupported+;qXfer:features:read+;"
                        "binary-upload+;ConditionalBreakpoints+;BreakpointCommands+;"
                        "ConditionalTracepoints+;tracenz+;QTBuffer:size+;TracepointSource+;"
                        "EnableDisableTracepoints+;qXfer:traceframe-info:read+");
    assert_int_equal(fake.interrupts, 1);
    assert_false(fake.running);
    assert_memory_equal(ask("?"), "T0210:", 6);
}

/* The gdb before was killed while the target stood at its breakpoint. */
static void bp24_first_stop_is_not_attributed_to_a_breakpoint(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_null(ask("vCont;c"));
    assert_non_null(strstr(run(100), "swbreak:;"));
    assert_non_null(ask("qSupported:swbreak+;hwbreak+"));
    assert_memory_equal(ask("?"), "T0510:", 6);
}

/* A client that says nothing of its features gets none of its predecessor's. */
static void session_without_qsupported(void **state)
{
    (void)state;
    assert_true(stub.swbreak && stub.hwbreak);
    assert_string_equal(ask("D"), "OK");
    assert_memory_equal(ask_running("?"), "T0210:", 6);
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_null(ask("c"));
    assert_memory_equal(run(100), "T0510:", 6);
    assert_string_equal(ask("Z1,1011,1"), "OK");
    assert_string_equal(ask("z0,1010,1"), "OK");
    assert_null(ask("c"));
    assert_memory_equal(run(100), "T0510:", 6);
}

static void detach_answers_first_then_lets_go(void **state)
{
    const char *const ways[] = {"D", "D;1", "vKill;1", "vKill;a410"};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        start_session(1);
        assert_string_equal(ask(ways[i]), "OK");
        assert_int_equal(fake.detached, i < 2);
        assert_int_equal(fake.killed, i >= 2);
        assert_true(fake.running);
        assert_true(gdbstub_is_running(&stub));
        assert_false(stub.attached);
    }
}

static void malformed_detach_does_not_detach(void **state)
{
    (void)state;
    assert_string_equal(ask("D;"), "E22");
    assert_string_equal(ask("D:1"), "E22");
    assert_string_equal(ask("D;g"), "E22");
    assert_string_equal(ask("Dx"), "");
    assert_string_equal(ask("vKill"), "E22");
    assert_string_equal(ask("vKill;"), "E22");
    assert_string_equal(ask("k;"), "");
    assert_int_equal(fake.detached + fake.killed, 0);
}

static void kill_and_restart_have_no_reply(void **state)
{
    void (*saved)(void) = fake_target.kill;

    (void)state;
    assert_null(ask("R00"));
    assert_int_equal(fake.restarted, 1);
    assert_null(ask("R"));
    assert_int_equal(fake.restarted, 2);
    assert_string_equal(ask("Rxx"), "");
    assert_string_equal(ask("R001"), "");
    assert_int_equal(fake.restarted, 2);

    assert_null(ask("k"));
    assert_int_equal(fake.killed, 1);
    assert_true(gdbstub_is_running(&stub));

    start_session(1);
    fake_target.kill = NULL;
    assert_null(ask("k"));
    fake_target.kill = saved;
    assert_int_equal(fake.detached, 1);
}

static void targets_that_cannot_restart(void **state)
{
    void (*saved)(void) = fake_target.restart;

    (void)state;
    fake_target.restart = NULL;
    assert_string_equal(ask("R00"), "");
    fake_target.restart = saved;
}

/* USER-8: after a detach the line may bring anything; a lone machine is not stopped by noise. */
static void user8_noise_does_not_stop_a_target_without_gdb(void **state)
{
    uint32_t seed = 7;

    (void)state;
    assert_string_equal(ask("D"), "OK");
    line_feed("\x03$\x03$$m1000,4#00\x03$#", 19);
    for (int i = 0; i < 20000; i++) {
        uint8_t byte = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);

        gdbstub_receive(&stub, byte == '#' ? '$' : byte);
    }
    assert_int_equal(fake.interrupts, 0);
    assert_null(run(100));
    assert_true(fake.running);
    assert_non_null(ask_running("qSupported"));
}

static void stop_without_gdb_says_nothing_and_waits(void **state)
{
    (void)state;
    assert_string_equal(ask("D"), "OK");
    line_clear();
    gdbstub_console(&stub, "nobody hears", 12);
    fake_set(1, FAKE_RIP, FAKE_HOLE);
    assert_null(run(10));
    assert_int_equal(line.len, 0);
    assert_false(gdbstub_is_running(&stub));
    assert_non_null(ask("qSupported"));
    assert_memory_equal(ask("?"), "T0b10:00a0", 10); /* the evidence is there */
    assert_int_equal(fake.interrupts, 0);
}

/* BP-23, USER-8: gdb vanished while the target ran under it, a new one comes. */
static void user8_new_gdb_while_the_old_one_waits_for_a_stop(void **state)
{
    (void)state;
    assert_string_equal(ask("Hg2"), "OK");
    assert_string_equal(ask("Hc2"), "OK");
    assert_string_equal(ask("Z0,1001,1"), "OK");
    assert_null(ask("vCont;c:2"));
    assert_null(run(50));
    line_feed("+", 1); /* gdb begins with it */
    assert_memory_equal(ask_running("qSupported:hwbreak+"), "PacketSize=4000;", 16);
    assert_int_equal(fake.attached, 2);
    assert_int_equal(fake_break_count(), 0);
    assert_string_equal(ask("qC"), "QC1"); /* no trace of Hg2 ... */
    assert_null(ask("c"));
    assert_int_equal(fake.actions[1], GDB_CONTINUE); /* ... nor of Hc2 */
}

/* A new gdb's packet, broken at first, repeated after gdb's timeout. */
static void user8_new_gdb_on_a_bad_line(void **state)
{
    (void)state;
    assert_null(ask("c"));
    line_clear();
    line_feed("$qSupported#00", 14);
    assert_int_equal(line_take(), '-');
    assert_int_equal(fake.interrupts, 0);
    line_feed("$qSup", 5); /* cut off */
    line_send("qSupported", 10);
    assert_int_equal(line_take(), '+');
    line_send("qSupported", 10); /* gdb did not see our '+' */
    assert_int_equal(line_take(), '+');
    assert_int_equal(line_take(), 0);
    assert_memory_equal(run(1), "PacketSize", 10); /* one reply */
}

/* The packet that stopped the target is overwritten by half of another: nothing is answered. */
static void user8_kept_packet_is_discarded_by_a_new_one(void **state)
{
    (void)state;
    assert_null(ask("c"));
    line_clear();
    line_send("qSupported", 10);
    line_feed("$?", 2);
    assert_null(run(1));
    assert_false(gdbstub_is_running(&stub));
    assert_non_null(ask("qSupported"));
}

/* The kept packet lets the target go again: `D` of a gdb whose first OK got lost. */
static void user8_repeated_detach(void **state)
{
    (void)state;
    assert_string_equal(ask("D"), "OK");
    assert_string_equal(ask_running("D"), "OK");
    assert_true(fake.running);
    assert_true(gdbstub_is_running(&stub));
    assert_false(stub.attached);
    assert_int_equal(fake.detached, 2);
    line_feed("$D#44", 5);
    assert_true(fake_run(1));
    gdbstub_stopped(&stub, &fake.stop);
    assert_true(gdbstub_is_running(&stub));
    line_clear();
    line_feed("-", 1); /* its OK can be repeated while the target runs */
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "OK");
}

static void user8_kept_packet_too_long_or_malformed(void **state)
{
    static char body[GDBSTUB_PACKET_SIZE + 100];

    (void)state;
    memset(body, 'm', sizeof(body) - 1);
    assert_null(ask("c"));
    assert_string_equal(ask_running(body), "E90");
    assert_null(ask("c"));
    assert_string_equal(ask_running("m}"), "E22");
    assert_string_equal(ask("qC"), "QC1");
}

static void bp25_second_connection_leaves_the_machine_as_it_is(void **state)
{
    struct fake before;

    (void)state;
    assert_null(ask("vCont;s:2"));
    assert_non_null(run(1));
    before = fake;
    for (int i = 0; i < 3; i++) {
        line_clear();
        line_send("qSupported", 10);
        assert_int_equal(line_take(), '+');
        assert_int_equal(line_take(), '$');
        assert_int_equal(line_take(), 0);
    }
    assert_memory_equal(before.memory, fake.memory, sizeof(before.memory));
    assert_memory_equal(before.registers, fake.registers, sizeof(before.registers));
    assert_int_equal(fake.resumes, before.resumes);
    assert_memory_equal(ask("?"), "T0510:", 6);
    assert_non_null(strstr(reply.text, "thread:2;"));
}

/* USER-8: cut off at every byte of a session, and a new gdb comes. */
static void user8_cable_pulled_anywhere(void **state)
{
    static const char whole[] = "+$qSupported:swbreak+#c3+$Hg0#df+$?#3f+$m1000,4#8c+$Z0,1010,1#ae+"
                                "$vCont;c#a8\x03+$X2000,2:ab#a6+$qRcmd,68656c70#fc+$D#44+";

    (void)state;
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        start(1);
        for (size_t i = 0; i < cut; i++) {
            gdbstub_receive(&stub, (uint8_t)whole[i]);
            if (fake_run(3))
                gdbstub_stopped(&stub, &fake.stop);
        }
        line_check_alive();
        assert_non_null(ask("qSupported"));
        assert_string_equal(ask("m1000,4"), "909048ff");
        assert_int_equal(fake_break_count(), 0);
    }
}

/* USER-8: a gdb killed amid a packet, and the next one's first two: each is answered once. */
static void user8_killed_amid_a_packet(void **state)
{
    static const char resume[] = "$vCont;c#a8";

    (void)state;
    for (size_t sent = 0; sent < sizeof(resume) - 1; sent++) {
        start_session(1);
        line_clear();
        line_feed(resume, sent);
        line_feed("+", 1);
        assert_int_equal(line_take(), 0); /* above all no '-' */
        assert_non_null(ask("qSupported"));
        assert_string_equal(ask("vMustReplyEmpty"), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bp16_stub_that_was_never_initialised_ignores_all),
        cmocka_unit_test_setup(first_packet_begins_a_session, begin),
        cmocka_unit_test_setup(malformed_packet_begins_no_session, begin),
        cmocka_unit_test_setup(bp24_attach_stops_a_running_target, begin),
        cmocka_unit_test_setup(bp24_first_stop_is_not_attributed_to_a_breakpoint, attach),
        cmocka_unit_test_setup(session_without_qsupported, attach),
        cmocka_unit_test(detach_answers_first_then_lets_go),
        cmocka_unit_test_setup(malformed_detach_does_not_detach, attach),
        cmocka_unit_test_setup(kill_and_restart_have_no_reply, attach),
        cmocka_unit_test_setup(targets_that_cannot_restart, attach),
        cmocka_unit_test_setup(user8_noise_does_not_stop_a_target_without_gdb, attach),
        cmocka_unit_test_setup(stop_without_gdb_says_nothing_and_waits, attach),
        cmocka_unit_test_setup(user8_new_gdb_while_the_old_one_waits_for_a_stop, attach),
        cmocka_unit_test_setup(user8_new_gdb_on_a_bad_line, attach),
        cmocka_unit_test_setup(user8_kept_packet_is_discarded_by_a_new_one, attach),
        cmocka_unit_test_setup(user8_repeated_detach, attach),
        cmocka_unit_test_setup(user8_kept_packet_too_long_or_malformed, attach),
        cmocka_unit_test_setup(bp25_second_connection_leaves_the_machine_as_it_is, attach),
        cmocka_unit_test(user8_cable_pulled_anywhere),
        cmocka_unit_test(user8_killed_amid_a_packet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
