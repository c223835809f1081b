/* lib/cmdline.c: the option line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cmdline.h"

/* The words of a line as text: name, name=value, each between < and >. */
static const char *words(const char *line)
{
    static char text[512];
    struct cmdline_word w;
    size_t used = 0;

    text[0] = '\0';
    while (cmdline_next(&line, &w)) {
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "<%.*s", (int)w.name_len, w.name);
        if (w.value != NULL)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "=%.*s", (int)w.value_len,
                                     w.value);
        else
            assert_int_equal(w.value_len, 0);
        used += (size_t)snprintf(text + used, sizeof(text) - used, ">");
        assert_true(used < sizeof(text));
    }
    assert_int_equal(*line, '\0');
    assert_false(cmdline_next(&line, &w));
    return text;
}

static void test_plain_lines(void **state)
{
    (void)state;
    assert_string_equal(words(""), "");
    assert_string_equal(words(" \t "), "");
    assert_string_equal(words("keep-going"), "<keep-going>");
    assert_string_equal(words("gdb=com2,9600 guest=disk:0"), "<gdb=com2,9600><guest=disk:0>");
    assert_string_equal(words("  gdb=com1\t\tstop=none \r\n"), "<gdb=com1><stop=none>");
    assert_string_equal(words("a= =b = a=b=c"), "<a=><=b><=><a=b=c>");
    assert_string_equal(words("gdb=mmio:0xfe000000:4"), "<gdb=mmio:0xfe000000:4>");
}

static void test_quotes(void **state)
{
    (void)state;
    assert_string_equal(words("guest=\"efi:\\My Disk\\x.efi\" stop=none"),
                        "<guest=efi:\\My Disk\\x.efi><stop=none>");
    assert_string_equal(words("a=\"\" b"), "<a=><b>");
    assert_string_equal(words("a=\"x=y\""), "<a=x=y>");
    /* GRUB puts the whole word in quotes. */
    assert_string_equal(words("\"guest=efi:\\My Disk\" b"), "<guest=efi:\\My Disk><b>");
    assert_string_equal(words("\"flag with space\""), "<flag with space>");
}

static void test_unbalanced_quotes_stay_in_the_text(void **state)
{
    (void)state;
    assert_string_equal(words("a=\"b c"), "<a=\"b><c>");
    assert_string_equal(words("a=\"b\"c d"), "<a=\"b\"c><d>");
    assert_string_equal(words("\""), "<\">");
    assert_string_equal(words("a=b\" c"), "<a=b\"><c>");
    assert_string_equal(words("x\"y z\""), "<x\"y><z\">");
}

static void test_random_lines_come_to_an_end(void **state)
{
    static const char letters[] = "ab= \t\"\\";

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char *line = malloc(12);
        size_t length = (size_t)rand() % 12;

        assert_non_null(line);
        for (size_t j = 0; j < length; j++)
            line[j] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        line[length] = '\0';
        (void)words(line);
        free(line);
    }
}

static void test_equal_takes_the_whole_text(void **state)
{
    (void)state;
    assert_true(cmdline_equal("vga,", 3, "vga"));
    assert_false(cmdline_equal("vga", 2, "vga"));
    assert_false(cmdline_equal("vgaX", 4, "vga"));
    assert_false(cmdline_equal("VGA", 3, "vga"));
    assert_true(cmdline_equal("", 0, ""));
}

static void test_good_numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"115200", 115200},
        {"007", 7},
        {"0x3F8", 0x3f8},
        {"0XfedC", 0xfedc},
        {"18446744073709551615", UINT64_MAX},
        {"0xffffffffffffffff", UINT64_MAX},
        {"0x00000000000000000001", 1},
    };
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(cmdline_number(good[i].text, strlen(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    assert_true(cmdline_number("123", 2, &value));
    assert_int_equal(value, 12);
}

static void test_bad_numbers(void **state)
{
    static const char *const bad[] = {"",
                                      "0x",
                                      "x1",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "12k",
                                      "0x1g",
                                      "1.5",
                                      "3f8",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "0x10000000000000000"};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(cmdline_number(bad[i], strlen(bad[i]), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_lines),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_unbalanced_quotes_stay_in_the_text),
        cmocka_unit_test(test_random_lines_come_to_an_end),
        cmocka_unit_test(test_equal_takes_the_whole_text),
        cmocka_unit_test(test_good_numbers),
        cmocka_unit_test(test_bad_numbers),
    };

    srand(5);
    return cmocka_run_group_tests_name("lib/cmdline", tests, NULL, NULL);
}
