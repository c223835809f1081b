/* The stub's g, G, p, P and H: registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_line.h"

static int attach(void **state)
{
    (void)state;
    start_session(2);
    return 0;
}

static void g_has_the_first_registers_only(void **state)
{
    const char *answer;

    (void)state;
    fake_set(1, FAKE_RAX, 0x1122334455667788ull);
    fake_set(1, 23, 0xabcd);
    answer = ask("g");
    assert_int_equal(reply.len, 2 * (17 * 8 + 7 * 4));
    assert_memory_equal(answer, "8877665544332211", 16);
    assert_memory_equal(answer + 2 * 16 * 8, "0010000000000000", 16); /* rip */
    assert_memory_equal(answer + reply.len - 8, "cdab0000", 8);       /* gs */
}

static void capital_g_writes_what_it_holds(void **state)
{
    char packet[2 * 8 * 3 + 2];

    (void)state;
    sprintf(packet, "G%s%s%s", "0100000000000000", "0200000000000000", "ffeeddccbbaa9988");
    assert_string_equal(ask(packet), "OK");
    assert_int_equal(fake_get(1, 0), 1);
    assert_int_equal(fake_get(1, 1), 2);
    assert_int_equal(fake_get(1, 2), 0x8899aabbccddeeffull);
    assert_int_equal(fake.writes[3], 0);
    assert_int_equal(fake.writes[2], 1);
}

/* What gdb reads with g it may write back with G; and up to g_max registers. */
static void capital_g_takes_a_g_reply_and_the_full_set(void **state)
{
    char packet[2048] = "G";
    char before[sizeof(fake.registers)];

    (void)state;
    memcpy(before, fake.registers, sizeof(before));
    strcat(packet, ask("g"));
    assert_string_equal(ask(packet), "OK");
    assert_memory_equal(before, fake.registers, sizeof(before));

    memset(packet, '1', sizeof(packet));
    packet[0] = 'G';
    packet[1 + 2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4)] = '\0';
    assert_string_equal(ask(packet), "OK");
    assert_int_equal(fake_get(1, FAKE_G_MAX - 1), 0x11111111);
    assert_int_equal(fake.writes[FAKE_CR0], 0);
    strcat(packet, "1111111111111111"); /* cr0 is beyond g_max */
    assert_string_equal(ask(packet), "E22");
    assert_int_equal(fake.writes[FAKE_CR0], 0);
}

static void malformed_capital_g_changes_nothing(void **state)
{
    const char *const bad[] = {"G",
                               "G0",
                               "G00",
                               "G01000000000000000",
                               "G010000000000000g",
                               "G010000000000000002",
                               "Gxxxxxxxxxxxxxxxx"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_int_equal(fake.writes[FAKE_RAX], 0);
}

static void p_reads_any_register(void **state)
{
    (void)state;
    assert_string_equal(ask("p10"), "0010000000000000");
    assert_string_equal(ask("p28"), "1100008000000000"); /* cr0 */
    memcpy(fake.registers[1][FAKE_ST0], "\1\2\3\4\5\6\7\10\11\12", 10);
    assert_string_equal(ask("p18"), "0102030405060708090a");
    assert_string_equal(ask("p11"), "02000000");
}

static void p_of_a_register_that_cannot_be_read(void **state)
{
    (void)state;
    assert_string_equal(ask("p2a"), "xxxxxxxxxxxxxxxx");
    fake_target.g_count = FAKE_GHOST + 1;
    ask("g");
    assert_memory_equal(reply.text + reply.len - 16, "xxxxxxxxxxxxxxxx", 16);
    fake_target.g_count = FAKE_G_COUNT;
}

/* gdb without a description asks for orig_rax and the like: an error would fail its command. */
static void unknown_registers_are_there_but_empty(void **state)
{
    (void)state;
    assert_string_equal(ask("p2c"), "xxxxxxxxxxxxxxxx");
    assert_string_equal(ask("pffffffffffffffff"), "xxxxxxxxxxxxxxxx");
    assert_string_equal(ask("p100000010"), "xxxxxxxxxxxxxxxx"); /* not rip */
    assert_string_equal(ask("P2c=0000000000000000"), "OK");
    assert_string_equal(ask("P100000010=0000000000000000"), "OK");
    assert_int_equal(fake_get(1, FAKE_RIP), FAKE_CODE);
}

static void malformed_p(void **state)
{
    const char *const bad[] = {"p",
                               "pg",
                               "p1,",
                               "p-1",
                               "p10000000000000000",
                               "P",
                               "P1",
                               "P=00",
                               "P1=",
                               "P1=00",
                               "P1=000000000000000",
                               "P1=00000000000000000",
                               "P1=000000000000000g",
                               "P1:0000000000000000"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_int_equal(fake.writes[1], 0);
}

/* HAXM-12: no register packet touches what it does not name, breakpoints least of all. */
static void haxm12_writes_touch_only_the_register_named(void **state)
{
    (void)state;
    assert_string_equal(ask("Z1,1010,1"), "OK");
    assert_string_equal(ask("Z2,2000,8"), "OK");
    assert_string_equal(ask("P1=8877665544332211"), "OK");
    assert_int_equal(fake_get(1, 1), 0x1122334455667788ull);
    for (unsigned i = 0; i < FAKE_REGISTERS; i++)
        assert_int_equal(fake.writes[i], i == 1);
    assert_string_equal(ask("G0000000000000000"), "OK");
    assert_int_equal(fake.break_calls, 2);
    assert_true(fake_has_break(GDB_BREAK_HARD, 0x1010));
    assert_true(fake_has_break(GDB_WATCH_WRITE, 0x2000));
}

static void refused_write_is_an_error(void **state)
{
    (void)state;
    assert_string_equal(ask("P2b=0000000000000000"), "E22");
    assert_int_equal(fake_get(1, FAKE_FIXED), 0x1234);
}

static void h_chooses_whose_registers(void **state)
{
    (void)state;
    assert_string_equal(ask("Hg2"), "OK");
    assert_string_equal(ask("p10"), "0030000000000000");
    assert_string_equal(ask("qC"), "QC2");
    assert_string_equal(ask("P0=0700000000000000"), "OK");
    assert_int_equal(fake_get(2, FAKE_RAX), 7);
    assert_int_equal(fake_get(1, FAKE_RAX), 0x100);
    assert_string_equal(ask("Hg0"), "OK"); /* any: the one that stopped */
    assert_string_equal(ask("p10"), "0010000000000000");
    assert_string_equal(ask("Hg2"), "OK");
    assert_string_equal(ask("Hg-1"), "OK");
    assert_string_equal(ask("qC"), "QC1");
}

static void h_malformed_or_for_nobody(void **state)
{
    const char *const bad[] = {"H",          "Hg",   "Hc",     "Hx1",   "Hg1x",
                               "Hg-",        "Hg-2", "Hgp1.1", "Hg-11", "Hg100000000000000001",
                               "Hg100000001"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_string_equal(ask("Hg3"), "E03");
    assert_string_equal(ask("Hc3"), "E03");
    assert_string_equal(ask("Hg7fffffff"), "E03");
    assert_string_equal(ask("qC"), "QC1");
}

static void t_says_which_threads_live(void **state)
{
    (void)state;
    assert_string_equal(ask("T1"), "OK");
    assert_string_equal(ask("T2"), "OK");
    assert_string_equal(ask("T3"), "E03");
    assert_string_equal(ask("T0"), "E03");
    assert_string_equal(ask("T-1"), "E03");
    assert_string_equal(ask("T"), "E22");
    assert_string_equal(ask("T1;"), "E22");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(g_has_the_first_registers_only, attach),
        cmocka_unit_test_setup(capital_g_writes_what_it_holds, attach),
        cmocka_unit_test_setup(capital_g_takes_a_g_reply_and_the_full_set, attach),
        cmocka_unit_test_setup(malformed_capital_g_changes_nothing, attach),
        cmocka_unit_test_setup(p_reads_any_register, attach),
        cmocka_unit_test_setup(p_of_a_register_that_cannot_be_read, attach),
        cmocka_unit_test_setup(unknown_registers_are_there_but_empty, attach),
        cmocka_unit_test_setup(malformed_p, attach),
        cmocka_unit_test_setup(haxm12_writes_touch_only_the_register_named, attach),
        cmocka_unit_test_setup(refused_write_is_an_error, attach),
        cmocka_unit_test_setup(h_chooses_whose_registers, attach),
        cmocka_unit_test_setup(h_malformed_or_for_nobody, attach),
        cmocka_unit_test_setup(t_says_which_threads_live, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
