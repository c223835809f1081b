/* The stub's m, M and X: memory. */
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

static void m_reads(void **state)
{
    (void)state;
    assert_string_equal(ask("m1000,4"), "909048ff");
    assert_string_equal(ask("mffffffff80001000,4"), "909048ff");
    assert_string_equal(ask("m001000,0002"), "9090");
}

/* As QEMU has it: is it known, which is it, change it. */
static void physical_memory_mode(void **state)
{
    (void)state;
    assert_string_equal(ask("qqemu.Supported"), "PhyMemMode");
    assert_string_equal(ask("qqemu.PhyMemMode"), "0");
    assert_string_equal(ask("Qqemu.PhyMemMode:1"), "OK");
    assert_true(fake.physical);
    assert_string_equal(ask("qqemu.PhyMemMode"), "1");
    assert_string_equal(ask("Qqemu.PhyMemMode:2"), "E22");
    assert_string_equal(ask("Qqemu.PhyMemMode"), "E22");
    assert_string_equal(ask("Qqemu.PhyMemMode:0"), "OK");
    assert_false(fake.physical);
    fake_target.set_physical = NULL;
    assert_string_equal(ask("qqemu.Supported"), "");
    assert_string_equal(ask("Qqemu.PhyMemMode:1"), "");
}

static void m_longer_than_a_reply_is_answered_short(void **state)
{
    (void)state;
    ask("m4000,2000");
    assert_int_equal(reply.len, GDBSTUB_PACKET_SIZE);
    ask("m4000,2001");
    assert_int_equal(reply.len, GDBSTUB_PACKET_SIZE);
    ask("m4000,ffffffffffffffff");
    assert_int_equal(reply.len, GDBSTUB_PACKET_SIZE);
    for (size_t i = 0; i < GDBSTUB_PACKET_SIZE / 2; i++) {
        unsigned value;

        sscanf(reply.text + 2 * i, "%2x", &value);
        assert_int_equal(value, fake.memory[0x4000 + i]);
    }
}

static void m_that_runs_into_a_hole_is_answered_short(void **state)
{
    (void)state;
    memcpy(fake.memory + FAKE_HOLE - 3, "\1\2\3", 3);
    assert_string_equal(ask("m9ffd,40"), "010203");
    assert_string_equal(ask("m9fff,2"), "03");
}

static void m_of_nothing_mapped_is_an_error(void **state)
{
    (void)state;
    assert_string_equal(ask("ma000,1"), "E14");
    assert_string_equal(ask("ma000,800"), "E14");
    assert_string_equal(ask("m10000,4"), "E14");
    assert_string_equal(ask("m7fffffffffffffff,4"), "E14");
}

static void nothing_wraps_around_the_end_of_memory(void **state)
{
    (void)state;
    memset(fake.memory + FAKE_TOP + 0xffc, 0xab, 4);
    assert_string_equal(ask("mfffffffffffffffc,4"), "abababab");
    assert_string_equal(ask("mfffffffffffffffc,8"), "abababab");
    assert_string_equal(ask("Mffffffffffffffff,1:cd"), "OK");
    assert_string_equal(ask("Mffffffffffffffff,2:0102"), "E14");
    assert_int_equal(fake.memory[FAKE_TOP + 0xfff], 0xcd);
    assert_int_equal(fake.memory[0], 0);
    assert_string_equal(ask("m0,1"), "00");
}

static void m_malformed(void **state)
{
    const char *const bad[] = {"m",
                               "m1000",
                               "m1000,",
                               "m,4",
                               "m1000,0",
                               "m1000,4,",
                               "m1000;4",
                               "m1000,4 ",
                               "mg,4",
                               "m-1,4",
                               "m10000000000000000,4",
                               "m1000,10000000000000000",
                               "m1000,x"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
}

static void capital_m_and_x_write(void **state)
{
    (void)state;
    assert_string_equal(ask("M2000,4:01fEa0B0"), "OK");
    assert_memory_equal(fake.memory + 0x2000, "\x01\xfe\xa0\xb0", 4);
    assert_string_equal(ask("M2000,0:"), "OK");
    assert_string_equal(ask_bytes("X2000,3:\0\x03\xff", 11), "OK");
    assert_memory_equal(fake.memory + 0x2000, "\x00\x03\xff\xb0", 4);
    assert_string_equal(ask("X0,0:"), "OK"); /* gdb asks whether there is an X */
    assert_string_equal(ask("Xa000,0:"), "OK");
    assert_string_equal(ask("X2000,3::;,"), "OK");
    assert_memory_equal(fake.memory + 0x2000, ":;,\xb0", 4);
}

static void writes_to_nothing_are_errors(void **state)
{
    (void)state;
    assert_string_equal(ask("Ma000,1:00"), "E14");
    assert_string_equal(ask("Xa000,1:a"), "E14");
    assert_string_equal(ask("M9fff,2:0102"), "E14"); /* half of it is not mapped */
    assert_string_equal(ask("X9fff,2:ab"), "E14");
}

static void malformed_writes_change_nothing(void **state)
{
    const char *const bad[] = {"M",
                               "M2000",
                               "M2000,1",
                               "M2000,1:",
                               "M2000,1:0",
                               "M2000,1:0102",
                               "M2000,2:01",
                               "M2000,1:0g",
                               "M2000,1;01",
                               "M2000,:01",
                               "M2000,8000000000000001:0102",
                               "X",
                               "X2000",
                               "X2000,1",
                               "X2000,1:",
                               "X2000,1:ab",
                               "X2000,2:a",
                               "X2000,1,a",
                               "Xz,1:a",
                               "X2000,10000000000000001:a"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_memory_equal(fake.memory + 0x2000, "\0\0\0\0", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(m_reads, attach),
        cmocka_unit_test_setup(physical_memory_mode, attach),
        cmocka_unit_test_setup(m_longer_than_a_reply_is_answered_short, attach),
        cmocka_unit_test_setup(m_that_runs_into_a_hole_is_answered_short, attach),
        cmocka_unit_test_setup(m_of_nothing_mapped_is_an_error, attach),
        cmocka_unit_test_setup(nothing_wraps_around_the_end_of_memory, attach),
        cmocka_unit_test_setup(m_malformed, attach),
        cmocka_unit_test_setup(capital_m_and_x_write, attach),
        cmocka_unit_test_setup(writes_to_nothing_are_errors, attach),
        cmocka_unit_test_setup(malformed_writes_change_nothing, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
