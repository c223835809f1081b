/* debug/console_filter.c: typing is told from a gdb that comes, and no character is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "debug/console_filter.h"

static struct console_filter f;
static char guest[8192], gdb[8192];

/* What each gets of a text. */
static void type(const char *text)
{
    memset(&f, 0, sizeof(f));
    memset(guest, 0, sizeof(guest));
    memset(gdb, 0, sizeof(gdb));
    for (const char *p = text; *p; p++) {
        size_t count = 0;
        enum console_verdict verdict = console_filter(&f, *p, &count);

        assert_true(f.count <= sizeof(f.held));
        if (verdict == CONSOLE_HELD)
            continue;
        assert_true(count > 0 && count <= f.count);
        strncat(verdict == CONSOLE_PACKET ? gdb : guest, f.held, count);
        console_filter_drop(&f, count);
    }
}

static void test_typing(void **state)
{
    static const char *const lines[] = {
        "root\r",         "echo $HOME\r", "a+b\r", "++ \r",
        "$ # $\r",        "cost: $5#zz",  "$#0\r", "$g#66x", /* g's sum is 67 */
        "\3\4\x1b[A\x7f",                                    /* no packet holds these */
        "$\xc3\xa9\r",    "$$$$\r",       "+$\r",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        type(lines[i]);
        assert_string_equal(guest, lines[i]);
        assert_string_equal(gdb, "");
        assert_int_equal(f.count, 0);
    }
}

static void test_gdb_comes(void **state)
{
    (void)state;
    type("+$qSupported:swbreak+;hwbreak+#dc");
    assert_string_equal(gdb, "");
    type("ls\r+$g#67");
    assert_string_equal(guest, "ls\r");
    assert_string_equal(gdb, "+$g#67");
    type("$?#3F");
    assert_string_equal(gdb, "$?#3F");
    type("$noise$?#3f"); /* the '$' of noise, or of a person */
    assert_string_equal(guest, "$noise");
    assert_string_equal(gdb, "$?#3f");
    type("++$?#3f");
    assert_string_equal(guest, "+");
    assert_string_equal(gdb, "+$?#3f");
    type("$g#6$?#3f"); /* it died amid its packet, the next one comes */
    assert_string_equal(guest, "$g#6");
    assert_string_equal(gdb, "$?#3f");
}

static void test_held(void **state)
{
    (void)state;
    type("+");
    assert_string_equal(guest, "");
    assert_int_equal(f.count, 1);
    type("pay $5");
    assert_string_equal(guest, "pay ");
    assert_int_equal(f.count, 2);
}

static void test_too_long(void **state)
{
    static char line[3 * CONSOLE_FILTER_SIZE];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    for (unsigned at = 0; at < 2; at++) {
        line[at] = '$';
        type(line);
        assert_string_equal(guest, line);
        line[at] = '+';
    }
    memset(line, 'x', sizeof(line) - 1);
    line[0] = '$';
    line[CONSOLE_FILTER_SIZE - 1] = '$'; /* at the very end of what is held */
    strcpy(line + CONSOLE_FILTER_SIZE, "?#3f");
    type(line);
    assert_int_equal(strlen(guest), CONSOLE_FILTER_SIZE - 1);
    assert_string_equal(gdb, "$?#3f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typing),
        cmocka_unit_test(test_gdb_comes),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
