/* lib/hex.c: what the remote protocol reads and writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/hex.h"

static void test_every_character_as_a_digit(void **state)
{
    static const char digits[] = "0123456789abcdef";

    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *at = c != 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

        assert_int_equal(hex_value((char)c), at != NULL ? (int)(at - digits) : -1);
    }
}

static void test_encode_and_decode_every_byte(void **state)
{
    uint8_t bytes[256], back[256];
    char text[513], wanted[513];

    (void)state;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
        (void)snprintf(wanted + (ptrdiff_t)2 * i, 3, "%02x", i);
    }
    text[512] = '!';
    assert_int_equal(hex_encode(text, bytes, 256), 512);
    assert_memory_equal(text, wanted, 512);
    assert_int_equal(text[512], '!');
    assert_true(hex_decode(back, text, 256));
    assert_memory_equal(back, bytes, 256);
    assert_true(hex_decode(back, "DeadBEEF", 4));
    assert_memory_equal(back, "\xde\xad\xbe\xef", 4);
    assert_int_equal(hex_encode(text, bytes, 0), 0);
    assert_true(hex_decode(back, "", 0));
}

static void test_decode_refuses_what_is_not_a_digit(void **state)
{
    uint8_t bytes[2];

    (void)state;
    assert_false(hex_decode(bytes, "0g00", 2));
    assert_false(hex_decode(bytes, "g000", 2));
    assert_false(hex_decode(bytes, "000 ", 2));
    assert_false(hex_decode(bytes, "-100", 2));
    assert_false(hex_decode(bytes, "0x00", 2));
}

/* Reads text as a number; *used says how far. */
static bool number(const char *text, uint64_t *value, size_t *used)
{
    const char *p = text;
    bool ok = hex_number(&p, text + strlen(text), value);

    *used = (size_t)(p - text);
    return ok;
}

static void test_numbers(void **state)
{
    uint64_t value = 0;
    size_t used;

    (void)state;
    assert_true(number("7c00,4", &value, &used));
    assert_int_equal(value, 0x7c00);
    assert_int_equal(used, 4);
    assert_true(number("ffffFFFFffffFFFF", &value, &used));
    assert_true(value == UINT64_MAX);
    assert_true(number("00000000000000000000001f;", &value, &used));
    assert_int_equal(value, 0x1f);
    assert_int_equal(used, 24);
    assert_true(number("0", &value, &used));
    assert_int_equal(value, 0);
}

static void test_bad_numbers_leave_everything(void **state)
{
    static const char *const bad[] = {"",
                                      ",4",
                                      "x1",
                                      "-1",
                                      " 1",
                                      "10000000000000000",
                                      "ffffffffffffffff0",
                                      "000ffffffffffffffff0"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 42;
        size_t used;

        assert_false(number(bad[i], &value, &used));
        assert_int_equal(used, 0);
        assert_int_equal(value, 42);
    }
}

static void test_number_stops_at_the_end(void **state)
{
    char *exact = malloc(2);
    const char *p = exact;
    uint64_t value;

    (void)state;
    assert_non_null(exact);
    memcpy(exact, "12", 2);
    assert_true(hex_number(&p, exact + 2, &value));
    assert_int_equal(value, 0x12);
    assert_ptr_equal(p, exact + 2);
    assert_false(hex_number(&p, exact + 2, &value));
    free(exact);
}

static void test_put_has_no_leading_zeros(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t value = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        char ours[17], theirs[17];
        size_t length;

        value = i == 0 ? 0 : i == 1 ? UINT64_MAX : value >> rand() % 64;
        length = hex_put(ours, value);
        assert_in_range(length, 1, 16);
        ours[length] = '\0';
        (void)snprintf(theirs, sizeof(theirs), "%lx", value);
        assert_string_equal(ours, theirs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character_as_a_digit),
        cmocka_unit_test(test_encode_and_decode_every_byte),
        cmocka_unit_test(test_decode_refuses_what_is_not_a_digit),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bad_numbers_leave_everything),
        cmocka_unit_test(test_number_stops_at_the_end),
        cmocka_unit_test(test_put_has_no_leading_zeros),
    };

    srand(3);
    return cmocka_run_group_tests_name("lib/hex", tests, NULL, NULL);
}
