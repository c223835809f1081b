/* debug/guest_console.c: the guest's UART on gdb's line, with a gdb, without, and in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "core/io_policy.h"
#include "debug/guest_console.h"
#include "debug/line.h"
#include "debug/state.h"
#include "tests/model/backend.h"
#include "tests/unit/ask_monitor.h"

enum { PORT = 0x3f8, THR = 0, LSR = 5, SECOND = 2000000000 };

static char sent[1 << 17];
static size_t sent_length;
static char coming[4096]; /* on the line */
static size_t coming_at;
static uint64_t now, character; /* what one takes on the line */

uint64_t model_read_register(const char *name)
{
    assert_string_equal(name, "tsc");
    return now += 1000;
}

static void link_put(const char *bytes, size_t size)
{
    assert_true(sent_length + size < sizeof(sent));
    memcpy(sent + sent_length, bytes, size);
    sent[sent_length += size] = 0;
    now += size * character;
}

static int link_get(void)
{
    return coming[coming_at] ? (uint8_t)coming[coming_at++] : LINK_EMPTY;
}

static void link_poll(void)
{
}

static const struct debug_link fake_link = {.get = link_get, .put = link_put, .poll = link_poll};
static const struct debug_config config = {.link = &fake_link};

static void arrives(const char *text)
{
    coming_at = 0;
    strcpy(coming, text);
    line_feed_stub();
}

static uint8_t in(unsigned reg)
{
    uint32_t value = 0;

    io_policy_access((uint16_t)(PORT + reg), 1, true, &value);
    return (uint8_t)value;
}

/* Sends as drivers do; true when the console wants to be flushed behind the last character. */
static bool says(const char *text)
{
    bool noticed = false;

    for (; *text; text++) {
        uint32_t value = (uint8_t)*text;
        in(LSR);
        noticed = io_policy_access(PORT + THR, 1, false, &value);
    }
    return noticed;
}

/* All that waits for the guest. */
static const char *heard(void)
{
    static char text[2048];
    size_t n = 0;

    while (in(LSR)&1)
        text[n++] = (char)in(THR);
    text[n] = 0;
    return text;
}

static bool opened;

static int setup(void **state)
{
    static const struct gdb_stop stop = {.signal = GDB_SIGTRAP, .thread = 1};

    (void)state;
    model_backend_reset();
    if (opened) { /* nothing is left of the last test */
        debug.stub.running = true;
        debug.stub.attached = debug.stub.kept = false;
        debug.stub.acks_due = 0;
        says("\n");
        guest_console_drain();
        arrives("\r");
        heard();
    }
    memset(&debug, 0, sizeof(debug));
    debug.config = &config;
    baud_init(&debug.baud, 115200);
    gdbstub_init(&debug.stub, &debug_target, link_put, &stop);
    debug.stub.running = true;
    guest_console_stamp(false);
    if (!opened)
        assert_int_equal(guest_console_open(PORT), HV_OK);
    opened = true;
    now += SECOND;
    sent_length = sent[0] = 0;
    return 0;
}

/* A gdb that has resumed the guest. */
static void attach(void)
{
    debug.stub.attached = debug.stub.stop_due = true;
}

static void hex(char *to, const char *text)
{
    to += sprintf(to, "$O");
    for (; *text; text++)
        to += sprintf(to, "%02x", (uint8_t)*text);
}

static bool was_sent(const char *text)
{
    char packet[512];

    hex(packet, text);
    return strstr(sent, packet);
}

static void test_user7_clear(void **state)
{
    (void)state;
    assert_false(says("Hello"));
    guest_console_turn();
    assert_string_equal(sent, ""); /* its line goes on */
    assert_true(says(", world\r\n"));
    guest_console_turn();
    assert_string_equal(sent, "Hello, world\r\n");
    says("login: ");
    for (unsigned i = 0; i < 4; i++)
        in(LSR); /* it waits */
    assert_true(guest_console_due());
    guest_console_turn();
    assert_string_equal(sent, "Hello, world\r\nlogin: ");
    arrives("root\r");
    assert_string_equal(heard(), "root\r");
    arrives("$a\3+b\r"); /* Ctrl-C is the guest's */
    assert_string_equal(heard(), "$a\3+b\r");
    assert_false(debug.interrupt_asked);
}

static void test_user7_gdb(void **state)
{
    (void)state;
    attach();
    assert_true(says("one\n"));
    guest_console_turn();
    assert_true(was_sent("one\n"));
    assert_false(says("two\nth")); /* gdb has not acknowledged the first */
    guest_console_turn();
    assert_false(was_sent("two\n"));
    arrives("+");
    assert_true(guest_console_due());
    guest_console_turn();
    assert_true(was_sent("two\n"));
    arrives("+");
    says("ree\n");
    guest_console_turn();
    assert_true(was_sent("three\n"));
    arrives("-"); /* it got that broken */
    assert_int_equal(debug.stub.stats.retransmissions, 1);
    arrives("\3");
    assert_true(debug.interrupt_asked);
    assert_string_equal(heard(), "");
}

/* USER-8: one acknowledgment that was lost does not make every packet behind it wait. */
static void test_user8_lost_ack(void **state)
{
    (void)state;
    attach();
    says("one\n");
    guest_console_turn();
    now += SECOND;
    says("two\n");
    guest_console_turn();
    assert_true(was_sent("two\n"));
    assert_int_equal(debug.stub.acks_due, 1);
    arrives("+");
    says("three\n");
    assert_true(guest_console_due());
}

/* What the guest said before a stop is there before the stop; what waits then is not lost. */
static void test_user7_stop(void **state)
{
    const struct gdb_stop stop = {.signal = GDB_SIGINT, .thread = 1};
    (void)state;
    attach();
    says("before the stop\nprompt> ");
    coming_at = 0;
    strcpy(coming, "+");
    guest_console_drain();
    assert_true(was_sent("before the stop\n"));
    assert_true(was_sent("prompt> "));
    now += SECOND;
    gdbstub_stopped(&debug.stub, &stop);
    assert_true(strstr(sent, "$T02") > strstr(sent, "$O"));
    sent_length = 0;
    says("meanwhile\n"); /* another CPU on its way to stand */
    guest_console_turn();
    guest_console_drain();
    assert_int_equal(sent_length, 0);
    debug.stub.running = debug.stub.stop_due = true;
    debug.stub.acks_due = 0;
    assert_true(guest_console_due());
    guest_console_turn();
    assert_true(was_sent("meanwhile\n"));
}

/* USER-8: a report's line goes behind the guest's, and is waited for. */
static void test_user8_say(void **state)
{
    (void)state;
    attach();
    says("the guest\n");
    uint64_t before = now;
    coming_at = 0;
    strcpy(coming, "+");
    guest_console_say("report\n", 7);
    assert_true(was_sent("the guest\n"));
    assert_true(was_sent("report\n"));
    assert_true(now - before >= SECOND / 4); /* the second one was never acknowledged */
    before = now;
    coming_at = 0;
    strcpy(coming, "+");
    guest_console_say("more\n", 5);
    assert_true(now - before < SECOND / 8);
    assert_int_equal(debug.stub.acks_due, 0);
    debug.stub.stop_due = false;
    sent_length = 0;
    guest_console_say("nobody\n", 7);
    assert_int_equal(sent_length, 0);
}

/* USER-8: the same on a slow line: the time that the packet itself takes does not count. */
static void test_user8_say_slowly(void **state)
{
    char text[200];

    (void)state;
    attach();
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 20);
    coming_at = coming[0] = 0;
    character = SECOND / 960;
    uint64_t before = now;
    guest_console_say(text, sizeof(text));
    uint64_t line_time = sent_length * character;
    character = 0;
    assert_true(now - before >= line_time + SECOND / 4);
}

/* BP-24: a gdb that comes: its packet is the stub's, and from then on nothing is in the clear. */
static void test_bp24_gdb_comes(void **state)
{
    (void)state;
    says("a line\n");
    guest_console_turn();
    arrives("ls\r+$?#3f");
    assert_string_equal(heard(), "ls\r");
    assert_true(debug.interrupt_asked);
    assert_true(debug.stub.kept);
    assert_string_equal(sent, "a line\n+");
    says("$not a packet\n");
    guest_console_turn();
    guest_console_drain();
    assert_string_equal(sent, "a line\n+");
}

/* USER-8: gdb vanished while the guest ran: the console comes back in the clear, without loss. */
static void test_user8_gdb_vanishes(void **state)
{
    char wanted[16];

    (void)state;
    attach();
    for (unsigned i = 0; i < 20; i++) {
        snprintf(wanted, sizeof(wanted), "line %u\n", i);
        says(wanted);
        now += SECOND / 2;
        guest_console_turn();
        assert_true(i < 9 ? was_sent(wanted) : strstr(sent, wanted) != NULL);
    }
    arrives("+"); /* it was only slow */
    says("again\n");
    guest_console_turn();
    assert_true(was_sent("again\n"));
}

/* Nobody takes it: the guest is told to wait, and what it says all the same is counted. */
static void test_full(void **state)
{
    struct guest_console_report before = guest_console_report();

    (void)state;
    debug.stub.running = false;
    for (unsigned i = 0; i < 32768 / 8; i++)
        says("1234567\n");
    assert_int_equal(in(LSR)&0x20, 0);
    assert_int_equal(guest_console_report().dropped, before.dropped);
    says("x");
    assert_int_equal(guest_console_report().dropped, before.dropped + 1);
    assert_int_equal(guest_console_report().waiting, 32768);
    debug.stub.running = true;
    guest_console_turn();
    assert_int_equal(sent_length, 32768);
    assert_int_equal(in(LSR)&0x20, 0x20);
}

static void test_type(void **state)
{
    static char much[2000];

    (void)state;
    memset(much, 'y', sizeof(much));
    assert_int_equal(guest_console_type("abc", 3), 3);
    assert_string_equal(heard(), "abc");
    assert_in_range(guest_console_type(much, sizeof(much)), 1024, 1040);
    assert_in_range(strlen(heard()), 1024, 1040);
}

/* monitor type and monitor console, with every escape and every mistake. */
static void test_monitor(void **state)
{
    static char command[400] = "type ";

    (void)state;
    assert_non_null(strstr(ask("type ls  -l\\r"), "7 characters typed\n"));
    assert_string_equal(heard(), "ls  -l\r");
    ask("type  \\n\\t\\e[A\\\\\\x03\\x41");
    assert_string_equal(heard(), " \n\t\x1b[A\\\3A");
    static const char *const bad[] = {"type",      "type ",     "type \\",
                                      "type a\\q", "type \\x3", "type \\xg0"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(strstr(ask(bad[i]), "usage: monitor type TEXT"));
    memset(command + 5, 'z', 257);
    assert_non_null(strstr(ask(command), "too long: at most 256"));
    command[5 + 256] = 0;
    assert_non_null(strstr(ask(command), "256 characters typed\n"));
    for (unsigned i = 0; i < 3; i++)
        ask(command);
    assert_non_null(strstr(ask(command), "the guest has not read"));
    assert_in_range(strlen(heard()), 1024, 1040);
    assert_non_null(strstr(ask("console"), "timestamp off, port80 off"));
    assert_non_null(strstr(ask("console timestamp on"), "timestamp on, port80 off"));
    assert_true(guest_console_report().stamps);
    assert_non_null(strstr(ask("console timestamp"), "usage: monitor console"));
    assert_non_null(strstr(ask("console timestamp on off"), "usage: monitor console"));
    assert_non_null(strstr(ask("console colour"), "usage: monitor console"));
    assert_true(guest_console_report().stamps);
}

/* Without console=guest: said, and nothing is done. */
static void test_not_open(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("type x"), "boot with console=guest"));
    assert_non_null(strstr(ask("console timestamp on"), "boot with console=guest"));
    assert_false(guest_console_due());
    guest_console_drain();
    assert_false(guest_console_take('x'));
}

static void writes(uint16_t port, uint8_t byte)
{
    uint32_t value = byte;

    io_policy_access(port, 1, false, &value);
}

static unsigned port_writes;

/* Only the ports that are not the virtual UART's. */
void model_outb(uint16_t port, uint8_t value)
{
    (void)port;
    (void)value;
    port_writes++;
}

/* Other output on request: only then, whole, between the lines of the console's. */
static void test_user7_taps(void **state)
{
    (void)state;
    attach();
    port_writes = 0;
    writes(0x80, 0x11);
    writes(0xe9, 'x');
    assert_non_null(strstr(ask("console port80 on"), "port80 on, debug (ports e9 and 402) off"));
    assert_non_null(strstr(ask("console debug on"), "timestamp off, port80 on, debug"));
    writes(0x80, 0x5a);
    guest_console_turn();
    assert_true(was_sent("[port 80: 5a]\n"));
    arrives("+");
    says("amid a");
    writes(0x80, 0);
    guest_console_turn();
    assert_true(was_sent("amid a\n[port 80: 00]\n"));
    arrives("+");
    writes(0x402, 'o');
    writes(0xe9, 'k');
    writes(0x402, '\n');
    guest_console_turn();
    assert_true(was_sent("ok\n"));
    arrives("+");
    debug_remove_all(); /* gdb goes */
    sent_length = sent[0] = 0;
    writes(0x80, 1);
    writes(0x402, '\n');
    guest_console_turn();
    assert_string_equal(sent, "");
    assert_int_equal(port_writes, 9);
}

static void test_stamps(void **state)
{
    (void)state;
    guest_console_stamp(true);
    now = 12345ULL * SECOND + SECOND / 2;
    says("at noon\r\n\r\nlater\n");
    guest_console_turn();
    assert_string_equal(sent, "[12345.500] at noon\r\n\r\n[12345.500] later\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_open), /* before it is opened */
        cmocka_unit_test_setup(test_user7_clear, setup),
        cmocka_unit_test_setup(test_user7_gdb, setup),
        cmocka_unit_test_setup(test_user8_lost_ack, setup),
        cmocka_unit_test_setup(test_user7_stop, setup),
        cmocka_unit_test_setup(test_user8_say, setup),
        cmocka_unit_test_setup(test_user8_say_slowly, setup),
        cmocka_unit_test_setup(test_bp24_gdb_comes, setup),
        cmocka_unit_test_setup(test_user8_gdb_vanishes, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_type, setup),
        cmocka_unit_test_setup(test_monitor, setup),
        cmocka_unit_test_setup(test_user7_taps, setup),
        cmocka_unit_test_setup(test_stamps, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
