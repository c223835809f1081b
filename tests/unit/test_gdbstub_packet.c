/* The stub's line: framing, checksums, acknowledgment, repetition, run-length encoding. */
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

static void feed(const char *text)
{
    line_feed(text, strlen(text));
}

static void good_packet_is_acknowledged_and_answered(void **state)
{
    (void)state;
    line_clear();
    feed("$qC#b4");
    assert_int_equal(line_take(), '+');
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "QC1");
    assert_int_equal(line_take(), 0);
}

static void checksum_digits_of_either_case(void **state)
{
    (void)state;
    line_clear();
    feed("$z0,1000,1#F4");
    assert_int_equal(line_take(), '+');
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "OK");
}

static void bp26_bad_checksum_gets_minus_and_nothing_happens(void **state)
{
    (void)state;
    const char *const bad[] = {"$c#64", "$M2000,1:ff#00", "$c#gg", "$c#6g", "$c#6-", "$#01"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        line_clear();
        feed(bad[i]);
        assert_int_equal(line_take(), '-');
        assert_int_equal(line_take(), 0);
        assert_int_equal(stub.stats.bad_checksums, i + 1);
    }
    assert_int_equal(fake.resumes, 0);
    assert_int_equal(fake.memory[FAKE_COUNTER], 0);
    assert_string_equal(ask("qC"), "QC1");
}

static void bp26_minus_repeats_the_last_reply_exactly(void **state)
{
    char first[8192];
    size_t len;

    (void)state;
    line_clear();
    feed("$g#67");
    len = line.len - 1; /* without '+' */
    memcpy(first, line.bytes + 1, len);
    for (unsigned i = 1; i <= 3; i++) {
        line_clear();
        feed("-");
        assert_int_equal(line.len, len);
        assert_memory_equal(line.bytes, first, len);
        assert_int_equal(stub.stats.retransmissions, i);
    }
    line_clear();
    feed("+-");
    assert_int_equal(line.len, 0); /* once acknowledged it is gone */
    assert_int_equal(stub.stats.retransmissions, 3);
}

/* USER-8 */
static void user8_storm_of_minus_does_not_flood_the_line(void **state)
{
    (void)state;
    line_clear();
    feed("$qC#b4");
    line_clear();
    for (int i = 0; i < 100000; i++)
        feed("-");
    assert_in_range(line.len, 1, 200);
    assert_string_equal(ask("qC"), "QC1");
    line_clear();
    feed("$qC#b4-");
    assert_int_equal(stub.stats.retransmissions, 17); /* the next reply can be repeated again */
}

static void bp26_new_packet_discards_the_old_reply(void **state)
{
    (void)state;
    line_clear();
    feed("$m4000,4#8f"); /* never acknowledged */
    line_clear();
    feed("$-");
    assert_int_equal(line.len, 0); /* the '-' belongs to the packet */
    feed("$T1#85");
    assert_int_equal(line_take(), '+');
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "OK");
    line_clear();
    feed("-");
    assert_int_equal(line_take(), '$');
    assert_string_equal(reply.text, "OK"); /* the new one */

    /* Nor does it come back when the new packet was broken, or has no reply yet. */
    line_feed("$T1#85$c#00", 11);
    line_clear();
    feed("-");
    assert_int_equal(line.len, 0);
    feed("$T1#85$c#63");
    line_clear();
    feed("-");
    assert_int_equal(line.len, 0);
}

static void bp26_dollar_inside_a_packet_begins_it_anew(void **state)
{
    const char *const starts[] = {"$", "$m1000", "$m1000,4#", "$m1000,4#8", "$$$$$"};

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        line_clear();
        feed(starts[i]);
        feed("$qC#b4");
        assert_int_equal(line_take(), '+');
        assert_int_equal(line_take(), '$');
        assert_string_equal(reply.text, "QC1");
        assert_int_equal(line_take(), 0);
    }
}

static void bp26_garbage_between_packets_is_skipped_and_counted(void **state)
{
    uint64_t junk = stub.stats.junk;

    (void)state;
    line_clear();
    feed("abc#00\x7f\xff\x03");
    assert_int_equal(line.len, 0);
    assert_int_equal(stub.stats.junk, junk + 9);
    assert_int_equal(fake.interrupts, 0); /* 0x03 means nothing while the target is stopped */
    feed("++++");
    assert_int_equal(stub.stats.junk, junk + 9);
    assert_string_equal(ask("qC"), "QC1");
}

static void bp26_sequence_ids_are_rejected(void **state)
{
    (void)state;
    assert_string_equal(ask("00:c"), "E22");
    assert_string_equal(ask("c0:c"), "E22");
    assert_string_equal(ask("fF:qC"), "E22");
    assert_int_equal(fake.resumes, 0);
}

static void longest_packet_is_taken_longer_ones_get_an_error(void **state)
{
    static char body[3 * GDBSTUB_PACKET_SIZE];
    size_t head;

    (void)state;
    memset(body, '7', sizeof(body));
    head = (size_t)sprintf(body, "M04000,%x:", (GDBSTUB_PACKET_SIZE - 12) / 2);
    body[head] = '7';
    assert_int_equal(head, 12);
    assert_string_equal(ask_bytes(body, GDBSTUB_PACKET_SIZE), "OK");
    assert_int_equal(fake.memory[0x4000 + (GDBSTUB_PACKET_SIZE - 12) / 2 - 1], 0x77);
    assert_int_equal(stub.stats.oversized, 0);

    assert_string_equal(ask_bytes(body, GDBSTUB_PACKET_SIZE + 1), "E90");
    assert_string_equal(ask_bytes(body, sizeof(body)), "E90");
    assert_int_equal(stub.stats.oversized, 2);
    assert_string_equal(ask("qC"), "QC1");

    /* One that never ends, and then a gdb that begins anew. */
    for (int i = 0; i < 100000; i++)
        feed("m");
    assert_string_equal(ask("qC"), "QC1");
}

static void oversized_with_bad_checksum_is_asked_for_again(void **state)
{
    (void)state;
    line_clear();
    feed("$");
    for (int i = 0; i < GDBSTUB_PACKET_SIZE + 10; i++)
        feed("a");
    feed("#00");
    assert_int_equal(line_take(), '-');
    assert_int_equal(line_take(), 0);
}

static void escapes_are_undone_one_at_the_end_is_malformed(void **state)
{
    (void)state;
    assert_string_equal(ask_bytes("X2000,4:}\x03}\x04}\x5d}\x0a", 16), "OK");
    assert_memory_equal(fake.memory + 0x2000, "#$}*", 4);
    assert_string_equal(ask_bytes("X2000,1:}", 9), "E22");
    assert_string_equal(ask_bytes("}", 1), "E22");
    assert_string_equal(ask_bytes("m2000,1}", 8), "E22");
    assert_memory_equal(fake.memory + 0x2000, "#$}*", 4);
    /* '}' before what looks like the end: the checksum is looked for there nevertheless. */
    line_clear();
    feed("$X2000,1:}#");
    feed("00");
    assert_int_equal(line_take(), '-');
}

static void empty_and_unknown_packets_get_the_empty_reply(void **state)
{
    const char *const unknown[] = {"",
                                   "!",
                                   "vMustReplyEmpty",
                                   "QStartNoAckMode",
                                   "qTx",
                                   "vFoo",
                                   "vCtrlC",
                                   "a",
                                   "b",
                                   "B1000,S",
                                   "e",
                                   "i",
                                   "I",
                                   "L",
                                   "Q",
                                   "q",
                                   "r",
                                   "t1000:0,0",
                                   "y",
                                   "vAttach;1",
                                   "vRun",
                                   "qOffsets",
                                   "v",
                                   "\xff\x01",
                                   "qCRCx",
                                   "vFileX",
                                   "qSearchX",
                                   "gx",
                                   "kk",
                                   "??",
                                   "vContX",
                                   "QNonStop:1",
                                   "qSupportedX"};

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        const char *answer = ask(unknown[i]);

        assert_non_null(answer);
        assert_string_equal(answer, "");
    }
    assert_string_equal(ask_bytes("\0", 1), "");
    assert_true(stub.attached);
}

/* Through `m`, memory of every length of run; the decoder in fake_line.h checks the encoding. */
static void runs_of_every_length_survive_encoding(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 300; len++) {
        char packet[32];
        const char *answer;

        memset(fake.memory + 0x4000, 0x5a, 1024);
        memset(fake.memory + 0x4001, 0, len);
        sprintf(packet, "m4000,%zx", len + 2);
        answer = ask(packet);
        assert_int_equal(reply.len, 2 * (len + 2));
        assert_memory_equal(answer, "5a", 2);
        for (size_t i = 0; i < 2 * len; i++)
            assert_int_equal(answer[2 + i], '0');
        assert_memory_equal(answer + 2 + 2 * len, "5a", 2);
        if (len >= 4)
            assert_true(reply.wire_len < reply.len + 4);
    }
}

static void random_data_survives_encoding(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        const char *answer;

        for (size_t i = 0; i < 256; i++) {
            seed = seed * 1664525 + 1013904223;
            /* Few values, so that there are runs. */
            fake.memory[0x4000 + i] = (uint8_t)((seed >> 30) * (round % 3 == 0 ? 0x11 : 0x55));
        }
        answer = ask("m4000,100");
        assert_int_equal(reply.len, 512);
        for (size_t i = 0; i < 256; i++) {
            unsigned value;

            sscanf(answer + 2 * i, "%2x", &value);
            assert_int_equal(value, fake.memory[0x4000 + i]);
        }
    }
}

/* A stop reply of real addresses, as an engineer would write it down by hand. */
static void encoding_of_a_stop_reply(void **state)
{
    (void)state;
    fake_set(1, FAKE_RIP, 0xffffffff8011723bull);
    fake_set(1, FAKE_RSP, 0xffffffff80116fc0ull);
    fake_set(1, FAKE_RBP, 0xffffffff80116fd0ull);
    line_clear();
    feed("$?#3f");
    assert_int_equal(line.len, 1 + strlen("$T0210:3b721180f*\"ff;7:c06f1180f*\"ff;6:d06f1180f*"
                                          "\"ff;thread:1;#36"));
    assert_memory_equal(line.bytes,
                        "+$T0210:3b721180f*\"ff;7:c06f1180f*\"ff;6:d06f1180f*\"ff;thread:1;#36",
                        line.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_packet_is_acknowledged_and_answered, attach),
        cmocka_unit_test_setup(checksum_digits_of_either_case, attach),
        cmocka_unit_test_setup(bp26_bad_checksum_gets_minus_and_nothing_happens, attach),
        cmocka_unit_test_setup(bp26_minus_repeats_the_last_reply_exactly, attach),
        cmocka_unit_test_setup(user8_storm_of_minus_does_not_flood_the_line, attach),
        cmocka_unit_test_setup(bp26_new_packet_discards_the_old_reply, attach),
        cmocka_unit_test_setup(bp26_dollar_inside_a_packet_begins_it_anew, attach),
        cmocka_unit_test_setup(bp26_garbage_between_packets_is_skipped_and_counted, attach),
        cmocka_unit_test_setup(bp26_sequence_ids_are_rejected, attach),
        cmocka_unit_test_setup(longest_packet_is_taken_longer_ones_get_an_error, attach),
        cmocka_unit_test_setup(oversized_with_bad_checksum_is_asked_for_again, attach),
        cmocka_unit_test_setup(escapes_are_undone_one_at_the_end_is_malformed, attach),
        cmocka_unit_test_setup(empty_and_unknown_packets_get_the_empty_reply, attach),
        cmocka_unit_test_setup(runs_of_every_length_survive_encoding, attach),
        cmocka_unit_test_setup(random_data_survives_encoding, attach),
        cmocka_unit_test_setup(encoding_of_a_stop_reply, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
