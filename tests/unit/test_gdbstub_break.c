/* The stub's Z and z: breakpoints and watchpoints. */
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

static void each_type_reaches_the_target(void **state)
{
    const char *const packets[] = {"Z0,1010,1", "Z1,1011,1", "Z2,2000,8", "Z3,2008,4", "Z4,2010,2"};
    const gva_t addresses[] = {0x1010, 0x1011, 0x2000, 0x2008, 0x2010};

    (void)state;
    for (unsigned type = 0; type < 5; type++) {
        char remove[16];

        assert_string_equal(ask(packets[type]), "OK");
        assert_int_equal(fake_break_count(), 1);
        assert_true(fake_has_break((enum gdb_break_type)type, addresses[type]));
        sprintf(remove, "z%s", packets[type] + 1);
        assert_string_equal(ask(remove), "OK");
        assert_int_equal(fake_break_count(), 0);
    }
}

/* BP-17, what the stub has to do with it: repetitions pass, and the answer is OK. */
static void bp17_insert_and_remove_are_idempotent(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_int_equal(fake_break_count(), 1);
    assert_string_equal(ask("m1010,1"), "90");
    assert_string_equal(ask("z0,1010,1"), "OK");
    assert_string_equal(ask("z0,1010,1"), "OK");
    assert_int_equal(fake_break_count(), 0);
    assert_string_equal(ask("z2,2000,4"), "OK"); /* never set */
}

static void bp19_wrong_kind_is_an_error(void **state)
{
    const char *const bad[] = {"Z0,1010,0", "Z0,1010,2", "Z0,1010,4", "Z0,1010,100000001",
                               "Z1,1010,0", "Z1,1010,3", "Z2,2000,0", "Z3,2000,0",
                               "Z4,2000,0", "z0,1010,2"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_int_equal(fake.break_calls, 0);
}

static void bp19_malformed_is_an_error(void **state)
{
    const char *const bad[] = {"Z",          "Z0",
                               "Z0,",        "Z0,1010",
                               "Z0,1010,",   "Z0,,1",
                               "Z,1010,1",   "Z0,1010,1,",
                               "Z0,1010,1:", "Z0,1010,1:X1,0",
                               "Z0,1010,1 ", "Z0;1010;1",
                               "Z0,g,1",     "Z0,10000000000000000,1",
                               "Zx,1010,1"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_string_equal(ask(bad[i]), "E22");
    }
    assert_int_equal(fake.break_calls, 0);
}

static void unknown_types_are_not_supported(void **state)
{
    (void)state;
    assert_string_equal(ask("Z5,1010,1"), "");
    assert_string_equal(ask("z9,1010,1"), "");
    assert_string_equal(ask("Zffffffff00000000,1010,1"), "");
    assert_int_equal(fake.break_calls, 0);
}

static const struct fake_break *the_break(void)
{
    const struct fake_break *found = NULL;

    assert_int_equal(fake_break_count(), 1);
    for (size_t i = 0; i < FAKE_BREAKS; i++) {
        if (fake.breaks[i].used)
            found = &fake.breaks[i];
    }
    return found;
}

static void bp20_conditions_and_commands_come_with_the_breakpoint(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,1010,1;X3,220127"), "OK");
    assert_int_equal(the_break()->conditions_size, 5);
    assert_memory_equal(the_break()->conditions, "\3\0\x22\1\x27", 5);
    assert_int_equal(the_break()->commands_size, 0);
    /* gdb sends changed ones without a z in between. */
    assert_string_equal(ask("Z0,1010,1;X1,27X3,220227;cmds:1,X2,aabbX1,cC"), "OK");
    assert_int_equal(the_break()->conditions_size, 8);
    assert_memory_equal(the_break()->conditions, "\1\0\x27\3\0\x22\2\x27", 8);
    assert_int_equal(the_break()->commands_size, 7);
    assert_memory_equal(the_break()->commands, "\2\0\xaa\xbb\1\0\xcc", 7);
    assert_string_equal(ask("Z0,1010,1;cmds:0,X1,27"), "OK");
    assert_int_equal(the_break()->conditions_size, 0);
    assert_int_equal(the_break()->commands_size, 3);
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_int_equal(the_break()->commands_size, 0);
    assert_string_equal(ask("z0,1010,1"), "OK");
    assert_string_equal(ask("Z1,1010,1;X3,220127"), "OK");
    assert_int_equal(the_break()->conditions_size, 5);
}

static void bp20_what_cannot_be_done_with_its_condition_is_not_done(void **state)
{
    const char *const bad[] = {"Z0,1010,1;",
                               "Z0,1010,1;X",
                               "Z0,1010,1;X3",
                               "Z0,1010,1;X3,",
                               "Z0,1010,1;X3,2201",
                               "Z0,1010,1;X3,22012",
                               "Z0,1010,1;X2,220127",
                               "Z0,1010,1;X3,2201zz",
                               "Z0,1010,1;X0,",
                               "Z0,1010,1;X,22",
                               "Z0,1010,1;X1,27;",
                               "Z0,1010,1;X1,27;X1,27",
                               "Z0,1010,1;Y1,27",
                               "Z0,1010,1;X1,27,X1,27",
                               "Z0,1010,1;cmds:",
                               "Z0,1010,1;cmds:0",
                               "Z0,1010,1;cmds:0,",
                               "Z0,1010,1;cmds:0,X1",
                               "Z0,1010,1;cmds:,X1,27",
                               "Z0,1010,1;cmds:0,X1,27;X1,27",
                               "Z0,1010,1;X1,27;cmds:0,X1,27;",
                               "Z0,1010,1;cmd:0,X1,27",
                               "Z0,1010,1:X3,220127",
                               "Z0,1010,1;X8000000000000003,220127",
                               "Z0,1010,1;X10000000000000003,220127",
                               "z0,1010,1;X3,220127"};
    enum hv_status (*agent)(enum gdb_break_type, gva_t, const struct gdb_break_agent *);
    char big[700] = "Z0,1010,1;X101,";

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_string_equal(ask(bad[i]), "E22");
    assert_int_equal(fake.break_calls, 0);
    assert_string_equal(ask("Z2,2000,8;X3,220127"), ""); /* gdb does not send that */
    /* No room for it: the breakpoint is not left without it. */
    memset(big + strlen(big), '2', 2 * 0x101);
    assert_string_equal(ask(big), "E28");
    assert_int_equal(fake_break_count(), 0);
    agent = fake_target.break_agent;
    fake_target.break_agent = NULL;
    assert_string_equal(ask("Z0,1010,1;X3,220127"), "");
    assert_string_equal(ask("Z0,1010,1;cmds:0,X3,220127"), "");
    assert_null(strstr(ask("qSupported"), "ConditionalBreakpoints"));
    fake_target.break_agent = agent;
    assert_int_equal(fake_break_count(), 0);
}

static void bp21_unmapped_address_is_an_error(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,a000,1"), "E14");
    assert_string_equal(ask("Z1,123456789,1"), "E14");
    assert_int_equal(fake_break_count(), 0);
}

static void no_slot_left_is_an_error_not_unsupported(void **state)
{
    (void)state;
    assert_string_equal(ask("Z1,1000,1"), "OK");
    assert_string_equal(ask("Z2,2000,8"), "OK");
    assert_string_equal(ask("Z3,2008,8"), "OK");
    assert_string_equal(ask("Z4,2010,8"), "OK");
    assert_string_equal(ask("Z1,1001,1"), "E28");
    assert_string_equal(ask("z1,1000,1"), "OK");
    assert_string_equal(ask("Z1,1001,1"), "OK");
}

static enum hv_status not_supported(enum gdb_break_type type, gva_t address, uint64_t size)
{
    (void)type;
    (void)address;
    (void)size;
    return HV_ENOTSUP;
}

static enum hv_status busy(enum gdb_break_type type, gva_t address, uint64_t size)
{
    (void)type;
    (void)address;
    (void)size;
    return HV_EBUSY;
}

static void what_the_target_cannot_do(void **state)
{
    struct gdb_target saved = fake_target;

    (void)state;
    fake_target.break_insert = not_supported;
    assert_string_equal(ask("Z1,1010,1"), "");
    fake_target.break_insert = busy;
    assert_string_equal(ask("Z1,1010,1"), "E16");
    fake_target = saved;
}

/* BP-23, what the stub has to do with it. */
static void bp23_nothing_is_left_when_gdb_goes(void **state)
{
    const char *const ways[] = {"D", "D;1", "k", "vKill;1"};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        start_session(1);
        assert_string_equal(ask("Z0,1010,1"), "OK");
        assert_string_equal(ask("Z2,2000,8"), "OK");
        ask(ways[i]);
        assert_int_equal(fake_break_count(), 0);
        assert_true(fake.running);
        assert_true(gdbstub_is_running(&stub));
        assert_null(run(1000)); /* no breakpoint is hit, nothing is said */
        assert_true(fake.running);
    }
}

/* A gdb that vanished without a word: its breakpoints go when the next one comes. */
static void bp23_nothing_is_left_for_the_next_gdb(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,1010,1"), "OK");
    assert_non_null(ask("qSupported:swbreak+"));
    assert_int_equal(fake_break_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_type_reaches_the_target, attach),
        cmocka_unit_test_setup(bp17_insert_and_remove_are_idempotent, attach),
        cmocka_unit_test_setup(bp19_wrong_kind_is_an_error, attach),
        cmocka_unit_test_setup(bp19_malformed_is_an_error, attach),
        cmocka_unit_test_setup(unknown_types_are_not_supported, attach),
        cmocka_unit_test_setup(bp20_conditions_and_commands_come_with_the_breakpoint, attach),
        cmocka_unit_test_setup(bp20_what_cannot_be_done_with_its_condition_is_not_done, attach),
        cmocka_unit_test_setup(bp21_unmapped_address_is_an_error, attach),
        cmocka_unit_test_setup(no_slot_left_is_an_error_not_unsupported, attach),
        cmocka_unit_test_setup(what_the_target_cannot_do, attach),
        cmocka_unit_test_setup(bp23_nothing_is_left_when_gdb_goes, attach),
        cmocka_unit_test_setup(bp23_nothing_is_left_for_the_next_gdb, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
