/* lib/fmt.c against the C library's snprintf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fmt.h"

/* Formats are built at run time and some are wrong on purpose. */
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

/* Both printers, on the same arguments, whole and cut to each shorter size. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        size_t length = (size_t)snprintf(theirs, sizeof(theirs), __VA_ARGS__);                     \
        assert_int_equal(fmt_print(ours, sizeof(ours), __VA_ARGS__), length);                      \
        assert_string_equal(ours, theirs);                                                         \
        for (size_t size = 0; size <= length + 1 && size < sizeof(ours); size++) {                 \
            memset(ours, '#', sizeof(ours));                                                       \
            memset(theirs, '#', sizeof(theirs));                                                   \
            (void)snprintf(theirs, size, __VA_ARGS__);                                             \
            assert_int_equal(fmt_print(ours, size, __VA_ARGS__), length);                          \
            assert_memory_equal(ours, theirs, sizeof(ours));                                       \
        }                                                                                          \
    } while (0)

static void test_text(void **state)
{
    (void)state;
    SAME("%s", "");
    SAME("plain text, 100%%");
    SAME("[%s] [%8s] [%-8s] [%2s]", "abc", "abc", "abc", "abc");
    SAME("[%.2s] [%6.2s] [%-6.2s] [%.0s] [%.s] [%.9s]", "abc", "abc", "abc", "abc", "abc", "abc");
    SAME("[%.*s] [%.*s] [%.*s]", 2, "abc", 0, "abc", -1, "abc");
    SAME("[%c%c%c] [%3c] [%-3c]", 'a', 0x80, '%', 'x', 'x');
    SAME("a%cb", '\0');
}

static void test_precision_reads_no_further(void **state)
{
    char buf[8];
    char *exact = malloc(3);

    (void)state;
    assert_non_null(exact);
    memcpy(exact, "xyz", 3);
    assert_int_equal(fmt_print(buf, sizeof(buf), "%.3s", exact), 3);
    assert_string_equal(buf, "xyz");
    free(exact);
}

static void test_numbers_at_their_limits(void **state)
{
    (void)state;
    SAME("%d %d %d %i", 0, INT32_MIN, INT32_MAX, -1);
    SAME("%u %x %X", UINT32_MAX, UINT32_MAX, UINT32_MAX);
    SAME("%ld %lld %zd", (long)INT64_MIN, (long long)INT64_MAX, (ssize_t)-1);
    SAME("%lu %llx %zX %zu", UINT64_MAX, (unsigned long long)UINT64_MAX, (size_t)UINT64_MAX,
         (size_t)0);
    SAME("%hhd %hhu %hhx", 0x180, 0x180, 0x1ff);
    SAME("%hd %hu %hx", 0x18000, 0x18000, 0x1ffff);
    SAME("[%20lx] [%-20lx] [%020lx] [%2x]", 0xabcdefUL, 0xabcdefUL, 0xabcdefUL, 0x12345U);
    SAME("[%05d] [%5d] [%-5d] [%-05d] [%0-5d]", -12, -12, -12, -12, -12);
    SAME("%p [%20p] [%-20p]", (void *)0xdeadbeefUL, (void *)0x10UL, (void *)0x10UL);
}

static void test_null_pointers(void **state)
{
    char buf[8];

    *state = NULL; /* hidden from the compiler, which would warn */
    fmt_print(buf, sizeof(buf), "%p", (void *)NULL);
    assert_string_equal(buf, "0x0");
    fmt_print(buf, sizeof(buf), "%s", (char *)*state);
    assert_string_equal(buf, "(null)");
}

static void test_unknown_conversions_stand(void **state)
{
    char buf[32];

    (void)state;
    assert_int_equal(fmt_print(buf, sizeof(buf), "%q|%5.3f|%-08lk|%d", 7), 17);
    assert_string_equal(buf, "%q|%5.3f|%-08lk|7");
}

static void test_percent_at_the_end(void **state)
{
    static const char *const formats[] = {"x%", "x%-", "x%5", "x%.", "x%l", "x%hh", "x%z"};
    char buf[16];

    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        assert_int_equal(fmt_print(buf, sizeof(buf), formats[i]), strlen(formats[i]));
        assert_string_equal(buf, formats[i]);
    }
}

static void test_random_integers_as_snprintf(void **state)
{
    static const char *const lengths[] = {"hh", "h", "", "l", "ll", "z"};
    static const char letters[] = "diuxX";
    static const char *const flags[] = {"", "-", "0", "-0", "0-"};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t value = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        const char *length = lengths[rand() % 6];
        char format[32], ours[64], theirs[64];
        char width[8] = "";
        int wanted, got;

        value >>= rand() % 64;
        if (rand() % 2)
            value = -value;
        if (rand() % 2)
            (void)snprintf(width, sizeof(width), "%d", rand() % 30 + 1);
        (void)snprintf(format, sizeof(format), "<%%%s%s%s%c>", flags[rand() % 5], width, length,
                       letters[rand() % 5]);
        if (*length == 'l' || *length == 'z') {
            wanted = snprintf(theirs, sizeof(theirs), format, value);
            got = (int)fmt_print(ours, sizeof(ours), format, value);
        } else {
            wanted = snprintf(theirs, sizeof(theirs), format, (unsigned)value);
            got = (int)fmt_print(ours, sizeof(ours), format, (unsigned)value);
        }
        if (wanted != got || strcmp(ours, theirs) != 0)
            fail_msg("format %s: %s, the C library says %s", format, ours, theirs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_precision_reads_no_further),
        cmocka_unit_test(test_numbers_at_their_limits),
        cmocka_unit_test(test_null_pointers),
        cmocka_unit_test(test_unknown_conversions_stand),
        cmocka_unit_test(test_percent_at_the_end),
        cmocka_unit_test(test_random_integers_as_snprintf),
    };

    srand(2);
    return cmocka_run_group_tests_name("lib/fmt", tests, NULL, NULL);
}
