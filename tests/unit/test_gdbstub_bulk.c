/* The stub's x, qCRC, qSearch:memory and vFile: much memory with few bytes on the line. */
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

/* Takes the escapes out of the reply from `at` on; how many bytes that are. */
static size_t unescape_reply(size_t at, uint8_t *bytes)
{
    size_t count = 0;

    for (size_t i = at; i < reply.len; i++) {
        uint8_t c = (uint8_t)reply.text[i];

        bytes[count++] = c == '}' ? (uint8_t)reply.text[++i] ^ 0x20 : c;
    }
    return count;
}

static void x_reads_in_binary(void **state)
{
    static uint8_t bytes[GDBSTUB_PACKET_SIZE];

    (void)state;
    memcpy(fake.memory + 0x2000, "a#$}*\0\xff", 7);
    ask("x2000,7");
    assert_int_equal(reply.len, 1 + 7 + 4);
    assert_memory_equal(reply.text, "ba}\x03}\x04}]}\n\0\xff", 12);
    ask("x4000,1000");
    assert_int_equal(reply.text[0], 'b');
    assert_int_equal(unescape_reply(1, bytes), 0x1000);
    assert_memory_equal(bytes, fake.memory + 0x4000, 0x1000);
    /* gdb asks whether there is an x */
    assert_string_equal(ask("x0,0"), "b");
}

static void x_is_answered_short_or_not_at_all(void **state)
{
    static uint8_t bytes[GDBSTUB_PACKET_SIZE];

    (void)state;
    memset(fake.memory, '#', FAKE_HOLE);
    ask("x0,8000");
    assert_true(reply.len <= GDBSTUB_PACKET_SIZE);
    assert_int_equal(unescape_reply(1, bytes), (GDBSTUB_PACKET_SIZE - 1) / 2);
    ask("x9fff,10");
    assert_int_equal(unescape_reply(1, bytes), 1);
    memset(fake.memory + FAKE_TOP + 0xff0, 'z', 16);
    assert_string_equal(ask("xfffffffffffffffe,10"), "bzz");
    assert_string_equal(ask("xa000,1"), "E14");
    assert_string_equal(ask("x1000"), "E22");
    assert_string_equal(ask("x1000,1,"), "E22");
    assert_string_equal(ask("x,1"), "E22");
}

static void qcrc(void **state)
{
    (void)state;
    memcpy(fake.memory + 0x2000, "123456789", 9);
    assert_string_equal(ask("qCRC:2000,9"), "C376e6e7"); /* CRC-32/MPEG-2's check value */
    assert_string_equal(ask("qCRC:2000,0"), "Cffffffff");
    assert_string_equal(ask("qCRC:3000,1000"), ask("qCRC:ffffffff80003000,1000"));
    assert_string_equal(ask("qCRC:9fff,2"), "E14");
    assert_string_equal(ask("qCRC:ffffffffffffffff,2"), "E14");
    assert_string_equal(ask("qCRC"), "E22");
    assert_string_equal(ask("qCRC:2000"), "E22");
    assert_string_equal(ask("qCRC:2000,9;"), "E22");
}

static void search(void **state)
{
    (void)state;
    memcpy(fake.memory + 0x2400, "needle", 6); /* over the border of two pieces */
    memcpy(fake.memory + 0x27fd, "Needle", 6);
    assert_string_equal(ask("qSearch:memory:2000;8000;needle"), "1,2400");
    assert_string_equal(ask("qSearch:memory:2000;8000;Needle"), "1,27fd");
    assert_string_equal(ask("qSearch:memory:2000;406;needle"), "1,2400");
    assert_string_equal(ask("qSearch:memory:2000;405;needle"), "0");
    assert_string_equal(ask("qSearch:memory:2401;1000;needle"), "0");
    assert_string_equal(ask("qSearch:memory:ffffffff80002000;1000;n"), "1,ffffffff80002400");
    assert_string_equal(ask("qSearch:memory:2000;0;n"), "0");
    assert_string_equal(ask("qSearch:memory:2000;3;needle"), "0");
    memcpy(fake.memory + 0x2500, "aaaaaab;\3", 9);
    assert_string_equal(ask("qSearch:memory:2000;1000;aab;\3"), "1,2504");
}

static void search_at_the_ends_of_memory(void **state)
{
    (void)state;
    fake.memory[FAKE_TOP + 0xfff] = 'q';
    assert_string_equal(ask("qSearch:memory:fffffffffffff000;ffffffffffffffff;q"),
                        "1,ffffffffffffffff");
    fake.memory[0x9fff] = 'w';
    assert_string_equal(ask("qSearch:memory:9f00;200;w"), "1,9fff"); /* in front of a hole */
    assert_string_equal(ask("qSearch:memory:9f00;200;W"), "E14");
    assert_string_equal(ask("qSearch:memory:a000;200;w"), "E14");
}

static void malformed_searches(void **state)
{
    (void)state;
    assert_string_equal(ask("qSearch:memory:2000;10;"), "E22");
    assert_string_equal(ask("qSearch:memory:2000;10"), "E22");
    assert_string_equal(ask("qSearch:memory:2000,10;a"), "E22");
    assert_string_equal(ask("qSearch:memory:;10;a"), "E22");
    assert_string_equal(ask("qSearch:registers:2000;10;a"), "");
    assert_string_equal(ask("qSearch"), "");
}

/* A pattern as long as a packet can carry. */
static void search_for_much(void **state)
{
    enum { LENGTH = 0x3f00 };
    static char body[GDBSTUB_PACKET_SIZE];
    int head = sprintf(body, "qSearch:memory:1;9fff;");

    (void)state;
    memset(fake.memory, 'a', FAKE_HOLE);
    memset(body + head, 'a', LENGTH);
    body[head + LENGTH - 1] = 'b';
    assert_string_equal(ask_bytes(body, (size_t)head + LENGTH), "0");
    fake.memory[0x9abc] = 'b';
    ask_bytes(body, (size_t)head + LENGTH);
    sprintf(body, "1,%x", 0x9abd - LENGTH);
    assert_string_equal(reply.text, body);
}

/* gdb gives up waiting, and says so: the answer must not take for ever. */
static void what_takes_long_can_be_called_off(void **state)
{
    (void)state;
    fake.patience = 3;
    assert_string_equal(ask("qSearch:memory:1000;8000;nowhere"), "E04");
    fake.patience = 3;
    assert_string_equal(ask("qCRC:1000,8000"), "E04");
    fake.patience = 1;
    assert_non_null(ask("qCRC:1000,400"));
    assert_int_equal(reply.text[0], 'C'); /* done in one piece: nobody looked */
    fake_target.line_waits = NULL;
    assert_string_equal(ask("qSearch:memory:1000;8000;nowhere"), "0");
}

#define OPEN_MEM "vFile:open:6d656d2f" /* mem/ */

static void memory_is_a_file(void **state)
{
    static uint8_t bytes[GDBSTUB_PACKET_SIZE];

    (void)state;
    /* mem/4000,1000 */
    assert_string_equal(ask(OPEN_MEM "343030302c31303030,0,0"), "F1");
    ask("vFile:pread:1,10,0");
    assert_memory_equal(reply.text, "F10;", 4);
    assert_int_equal(unescape_reply(4, bytes), 16);
    assert_memory_equal(bytes, fake.memory + 0x4000, 16);
    ask("vFile:pread:1,10,ffc");
    assert_memory_equal(reply.text, "F4;", 3);
    assert_int_equal(unescape_reply(3, bytes), 4);
    assert_memory_equal(bytes, fake.memory + 0x4ffc, 4);
    assert_string_equal(ask("vFile:pread:1,10,1000"), "F0;");
    assert_string_equal(ask("vFile:pread:1,10,ffffffffffffffff"), "F0;");
    assert_string_equal(ask("vFile:pread:1,0,0"), "F0;");
    ask("vFile:fstat:1");
    assert_memory_equal(reply.text, "F40;", 4);
    assert_int_equal(unescape_reply(4, bytes), 64);
    assert_memory_equal(bytes + 8, "\0\0\x81\x24", 4);        /* a file, r--r--r-- */
    assert_memory_equal(bytes + 28, "\0\0\0\0\0\0\x10\0", 8); /* its size */
    assert_string_equal(ask("vFile:close:1"), "F0");
    assert_string_equal(ask("vFile:close:1"), "F-1,9");
    assert_string_equal(ask("vFile:pread:1,10,0"), "F-1,9");
    assert_string_equal(ask("vFile:fstat:1"), "F-1,9");
}

static void a_read_fills_a_packet_and_no_more(void **state)
{
    static uint8_t bytes[GDBSTUB_PACKET_SIZE];
    unsigned said;

    (void)state;
    for (size_t i = 0; i < FAKE_HOLE; i++)
        fake.memory[i] = (uint8_t)(i % 3 == 0 ? '}' : i);
    assert_string_equal(ask(OPEN_MEM "302c66303030,0,0"), "F1"); /* mem/0,f000 */
    ask("vFile:pread:1,8000,0");
    assert_in_range(reply.len, GDBSTUB_PACKET_SIZE - 16, GDBSTUB_PACKET_SIZE);
    assert_int_equal(sscanf(reply.text, "F%x;", &said), 1);
    assert_int_equal(unescape_reply(6, bytes), said);
    assert_memory_equal(bytes, fake.memory, said);
    /* into the hole, and of the hole */
    ask("vFile:pread:1,10,9ffe");
    assert_memory_equal(reply.text, "F2;", 3);
    assert_string_equal(ask("vFile:pread:1,10,a000"), "F-1,e");
}

static void no_other_files(void **state)
{
    (void)state;
    assert_string_equal(ask("vFile:open:2f6574632f706173737764,0,0"), "F-1,2");
    assert_string_equal(ask(OPEN_MEM "302c31,1,0"), "F-1,2");   /* to write */
    assert_string_equal(ask(OPEN_MEM "302c3178,0,0"), "F-1,2"); /* mem/0,1x */
    assert_string_equal(ask(OPEN_MEM "30,0,0"), "F-1,2");
    assert_string_equal(ask(OPEN_MEM "302c31,0"), "F-1,16");
    assert_string_equal(ask(OPEN_MEM "3,0,0"), "F-1,16");
    assert_string_equal(ask("vFile:open:zz,0,0"), "F-1,16");
    assert_string_equal(ask("vFile:open:"), "F-1,16");
    assert_string_equal(ask("vFile:pread:1,1,0"), "F-1,9");
    assert_string_equal(ask("vFile:pwrite:1,0,a"), "");
    assert_string_equal(ask("vFile:setfs:0"), "");
    assert_string_equal(ask("vFile"), "");
    assert_string_equal(ask(OPEN_MEM "302c31,0,0"), "F1");
    assert_string_equal(ask("vFile:pread:2,1,0"), "F-1,9");
    assert_string_equal(ask("vFile:pread:1,1"), "F-1,16");
    assert_string_equal(ask("vFile:close:1,"), "F-1,9");
    /* A gdb that comes anew has nothing open. */
    assert_non_null(ask("qSupported"));
    assert_string_equal(ask("vFile:pread:1,1,0"), "F-1,9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(x_reads_in_binary, attach),
        cmocka_unit_test_setup(x_is_answered_short_or_not_at_all, attach),
        cmocka_unit_test_setup(qcrc, attach),
        cmocka_unit_test_setup(search, attach),
        cmocka_unit_test_setup(search_at_the_ends_of_memory, attach),
        cmocka_unit_test_setup(malformed_searches, attach),
        cmocka_unit_test_setup(search_for_much, attach),
        cmocka_unit_test_setup(memory_is_a_file, attach),
        cmocka_unit_test_setup(a_read_fills_a_packet_and_no_more, attach),
        cmocka_unit_test_setup(no_other_files, attach),
        cmocka_unit_test_setup(what_takes_long_can_be_called_off, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
