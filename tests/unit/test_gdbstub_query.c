/* The stub's q packets: features, threads, description, monitor commands. */
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

static void qsupported_offers_what_is_there_and_no_more(void **state)
{
    (void)state;
    assert_string_equal(ask("qSupported"),
                        "PacketSize=4000;swbreak+;hwbreak+;vContSupported+;qXfer:features:read+;"
                        "binary-upload+;ConditionalBreakpoints+;BreakpointCommands+;"
                        "ConditionalTracepoints+;tracenz+;QTBuffer:size+;TracepointSource+;"
                        "EnableDisableTracepoints+;qXfer:traceframe-info:read+");
    assert_non_null(ask("qSupported:"));
    assert_non_null(ask("qSupported:;;;"));
    assert_false(stub.swbreak);
    assert_non_null(ask("qSupported:xswbreak+;swbreak+x;swbreak-;hwbreak"));
    assert_false(stub.swbreak);
    assert_false(stub.hwbreak);
    assert_non_null(ask("qSupported:a;hwbreak+;"));
    assert_false(stub.swbreak);
    assert_true(stub.hwbreak);
    assert_non_null(ask("qSupported:swbreak+"));
    assert_true(stub.swbreak);
    assert_false(stub.hwbreak);
}

static void small_questions(void **state)
{
    (void)state;
    assert_string_equal(ask("qAttached"), "1");
    assert_string_equal(ask("qAttached:1"), "1");
    assert_string_equal(ask("qC"), "QC1");
    assert_string_equal(ask("qC:"), "");
    assert_string_equal(ask("qSymbol::"), "OK");
    assert_string_equal(ask("qSymbol:8000:6d61696e"), "OK");
    assert_string_equal(ask("qSymbol"), "E22");
}

/* One CPU: the empty list at once, which saves a round trip at every stop. */
static void one_thread_is_not_listed(void **state)
{
    (void)state;
    assert_string_equal(ask("qfThreadInfo"), "l");
    assert_string_equal(ask("qsThreadInfo"), "l");
    assert_string_equal(ask("qfThreadInfo:"), "");
}

static void more_threads_are_listed(void **state)
{
    (void)state;
    assert_string_equal(ask("qfThreadInfo"), "m1,2,3,4");
    assert_string_equal(ask("qsThreadInfo"), "l");
}

static void extra_info_is_never_empty(void **state)
{
    (void)state;
    assert_string_equal(ask("qThreadExtraInfo,2"), "6c6f6e67206d6f64652c207468726561642032");
    assert_string_equal(ask("qThreadExtraInfo,3"), "4350552032"); /* CPU 2 */
    assert_string_equal(ask("qThreadExtraInfo,5"), "E03");
    assert_string_equal(ask("qThreadExtraInfo,0"), "E03");
    assert_string_equal(ask("qThreadExtraInfo,"), "E22");
    assert_string_equal(ask("qThreadExtraInfo"), "E22");
    assert_string_equal(ask("qThreadExtraInfo,1,"), "E22");
}

/* The whole description in parts of this size, unescaped as gdb does. */
static void read_description(size_t part)
{
    const char *xml = fake_target.description();
    size_t offset = 0;
    char last;

    do {
        char packet[64];
        const char *answer;

        sprintf(packet, "qXfer:features:read:target.xml:%zx,%zx", offset, part);
        answer = ask(packet);
        last = answer[0];
        assert_true(last == 'm' || last == 'l');
        assert_true(last == 'l' || reply.len > 1);
        for (size_t i = 1; i < reply.len; i++) {
            char c = answer[i];

            assert_true(c != '#' && c != '$' && c != '*');
            if (c == '}')
                c = answer[++i] ^ 0x20;
            assert_int_equal(c, xml[offset]);
            offset++;
        }
    } while (last == 'm');
    assert_int_equal(offset, strlen(xml));
}

static void description_arrives_whole_in_parts_of_any_size(void **state)
{
    const size_t parts[] = {1, 2, 7, 100, 4095, 4096, 100000, strlen(fake_target.description())};

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        read_description(parts[i]);
}

static const char *stars(void)
{
    static char xml[10001];

    memset(xml, '*', sizeof(xml) - 1);
    return xml;
}

/* Twice the size when escaped: must not run over the reply. */
static void description_of_nothing_but_escapes(void **state)
{
    const char *(*saved)(void) = fake_target.description;

    (void)state;
    fake_target.description = stars;
    read_description(0x1000);
    fake_target.description = saved;
}

static void qxfer_malformed_or_unknown(void **state)
{
    const char *const bad[] = {
        "qXfer:features:read:target.xml:",      "qXfer:features:read:target.xml:0",
        "qXfer:features:read:target.xml:0,",    "qXfer:features:read:target.xml:g,10",
        "qXfer:features:read:target.xml:0,10,", "qXfer:features:read:target.xml:100000,10"};
    char packet[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_string_equal(ask("qXfer:features:read:other.xml:0,10"), "E00");
    assert_string_equal(ask("qXfer:features:read::0,10"), "E00");
    assert_string_equal(ask("qXfer:memory-map:read::0,10"), "");
    assert_string_equal(ask("qXfer:features:write:target.xml:0:x"), "");
    assert_string_equal(ask("qXfer"), "");
    sprintf(packet, "qXfer:features:read:target.xml:%zx,10", strlen(fake_target.description()));
    assert_string_equal(ask(packet), "l");
}

/* Sends a monitor command; the text of all O packets. The last packet is in `reply`. */
static const char *monitor(const char *command)
{
    static char text[1 << 16];
    char packet[512] = "qRcmd,";
    size_t len = 0;

    for (size_t i = 0; command[i] != '\0'; i++)
        sprintf(packet + 6 + 2 * i, "%02x", (unsigned char)command[i]);
    line_clear();
    line_send(packet, strlen(packet));
    assert_int_equal(line_take(), '+');
    while (line_take() == '$' && reply.text[0] == 'O' && reply.text[1] != 'K') {
        assert_int_equal(reply.len % 2, 1);
        assert_true(reply.len > 1);
        for (size_t i = 1; i < reply.len; i += 2) {
            unsigned c;

            assert_int_equal(sscanf(reply.text + i, "%2x", &c), 1);
            text[len++] = (char)c;
        }
    }
    assert_int_equal(line_take(), 0);
    line_feed("+", 1);
    text[len] = '\0';
    return text;
}

static void monitor_prints_and_says_ok(void **state)
{
    (void)state;
    assert_string_equal(monitor("help"), "help, echo TEXT, big, refuse, quiet\n");
    assert_string_equal(reply.text, "OK");
    assert_string_equal(monitor("echo } # $ * \xc3\xa4"), "} # $ * \xc3\xa4\n");
    assert_string_equal(reply.text, "OK");
    assert_string_equal(monitor("quiet"), "");
    assert_string_equal(reply.text, "OK");
}

static void monitor_output_of_any_length(void **state)
{
    const char *text = monitor("big");

    (void)state;
    assert_string_equal(reply.text, "OK");
    for (int i = 0; i < 1000; i++) {
        int number;
        int taken;

        assert_int_equal(sscanf(text, "line %d\n%n", &number, &taken), 1);
        assert_int_equal(number, i);
        text += taken;
    }
    assert_string_equal(text, "");
}

static void monitor_refusals_are_never_silent(void **state)
{
    (void)state;
    assert_string_equal(
        monitor("frobnicate"),
        "monitor frobnicate: there is no such command; `monitor help` lists them\n");
    assert_string_equal(reply.text, "OK");
    assert_string_equal(monitor("refuse"), "monitor refuse: not possible now\n");
    assert_string_equal(reply.text, "OK");
    assert_non_null(strstr(monitor(""), "monitor help"));
}

static void monitor_malformed_or_absent(void **state)
{
    enum hv_status (*saved)(const char *, gdb_print_fn) = fake_target.monitor;

    (void)state;
    assert_string_equal(ask("qRcmd"), "E22");
    assert_string_equal(ask("qRcmd,6"), "E22");
    assert_string_equal(ask("qRcmd,6g"), "E22");
    assert_string_equal(ask("qRcmd:68656c70"), "E22");
    fake_target.monitor = NULL;
    assert_string_equal(ask("qRcmd,68656c70"), "");
    fake_target.monitor = saved;
}

/* QEMU's packets about how to step, as its documentation and its users' editors write them. */
static void qemu_step_flags(void **state)
{
    (void)state;
    fake.step_flags = 7;
    assert_string_equal(ask("qqemu.sstepbits"), "ENABLE=1,NOIRQ=2,NOTIMER=4");
    assert_string_equal(ask("qqemu.sstep"), "0x7");
    assert_string_equal(ask("Qqemu.sstep=0x5"), "OK");
    assert_int_equal(fake.step_flags, 5);
    assert_string_equal(ask("qqemu.sstep"), "0x5");
    assert_string_equal(ask("Qqemu.sstep=0"), "OK");
    assert_string_equal(ask("qqemu.sstep"), "0x0");
    assert_string_equal(ask("Qqemu.sstep=8"), "E22");
    assert_string_equal(ask("Qqemu.sstep="), "E22");
    assert_string_equal(ask("Qqemu.sstep=0x"), "E22");
    assert_string_equal(ask("Qqemu.sstep=1;"), "E22");
    assert_string_equal(ask("Qqemu.sstep=10000000000000001"), "E22");
    assert_string_equal(ask("Qqemu.sstep"), "");
    assert_string_equal(ask("qqemu.sstepx"), "");
    assert_int_equal(fake.step_flags, 0);
    fake_target.step_flags = NULL;
    fake_target.set_step_flags = NULL;
    assert_string_equal(ask("qqemu.sstepbits"), "");
    assert_string_equal(ask("qqemu.sstep"), "");
    assert_string_equal(ask("Qqemu.sstep=1"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(qsupported_offers_what_is_there_and_no_more, attach),
        cmocka_unit_test_setup(small_questions, attach),
        cmocka_unit_test_setup(qemu_step_flags, attach),
        cmocka_unit_test_setup(one_thread_is_not_listed, attach),
        cmocka_unit_test_setup(more_threads_are_listed, attach_four),
        cmocka_unit_test_setup(extra_info_is_never_empty, attach_four),
        cmocka_unit_test_setup(description_arrives_whole_in_parts_of_any_size, attach),
        cmocka_unit_test_setup(description_of_nothing_but_escapes, attach),
        cmocka_unit_test_setup(qxfer_malformed_or_unknown, attach),
        cmocka_unit_test_setup(monitor_prints_and_says_ok, attach),
        cmocka_unit_test_setup(monitor_output_of_any_length, attach),
        cmocka_unit_test_setup(monitor_refusals_are_never_silent, attach),
        cmocka_unit_test_setup(monitor_malformed_or_absent, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
