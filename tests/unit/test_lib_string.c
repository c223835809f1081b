/* lib/string.c under other names, against the C library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

/* The declarations of lib/string.h stay the C library's; only the definitions are renamed. */
#include "lib/string.h"

void *our_memcpy(void *restrict dst, const void *restrict src, size_t size);
void *our_memmove(void *dst, const void *src, size_t size);
void *our_memset(void *dst, int byte, size_t size);
int our_memcmp(const void *a, const void *b, size_t size);
void *our_memchr(const void *s, int byte, size_t size);
size_t our_strlen(const char *s);
size_t our_strnlen(const char *s, size_t max);
int our_strcmp(const char *a, const char *b);
int our_strncmp(const char *a, const char *b, size_t max);
char *our_strchr(const char *s, int c);

#undef memcpy
#undef memset
#undef memcmp
#define memcpy  our_memcpy
#define memmove our_memmove
#define memset  our_memset
#define memcmp  our_memcmp
#define memchr  our_memchr
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#include "lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

enum { AREA = 96 };

static void fill(uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)rand();
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_memcpy_every_offset_and_size(void **state)
{
    uint8_t src[AREA], ours[AREA], theirs[AREA];

    (void)state;
    fill(src, AREA);
    for (size_t to = 0; to < 9; to++) {
        for (size_t from = 0; from < 9; from++) {
            for (size_t size = 0; size <= AREA - 9; size++) {
                memset(ours, 0xaa, AREA);
                memset(theirs, 0xaa, AREA);
                assert_ptr_equal(our_memcpy(ours + to, src + from, size), ours + to);
                memcpy(theirs + to, src + from, size);
                assert_memory_equal(ours, theirs, AREA);
            }
        }
    }
}

static void test_memmove_overlapping_both_ways(void **state)
{
    uint8_t start[AREA], ours[AREA], theirs[AREA];

    (void)state;
    fill(start, AREA);
    for (size_t to = 0; to < 24; to++) {
        for (size_t from = 0; from < 24; from++) {
            for (size_t size = 0; size <= AREA - 24; size++) {
                memcpy(ours, start, AREA);
                memcpy(theirs, start, AREA);
                assert_ptr_equal(our_memmove(ours + to, ours + from, size), ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, AREA);
            }
        }
    }
}

static void test_memset_uses_the_low_byte(void **state)
{
    static const int bytes[] = {0, 1, 0x7f, 0x80, 0xff, 0x1234, -1};
    uint8_t ours[AREA], theirs[AREA];

    (void)state;
    for (size_t b = 0; b < sizeof(bytes) / sizeof(bytes[0]); b++) {
        for (size_t at = 0; at < 9; at++) {
            for (size_t size = 0; size <= AREA - 9; size++) {
                fill(ours, AREA);
                memcpy(theirs, ours, AREA);
                assert_ptr_equal(our_memset(ours + at, bytes[b], size), ours + at);
                memset(theirs + at, bytes[b], size);
                assert_memory_equal(ours, theirs, AREA);
            }
        }
    }
}

static void test_memcmp_orders_as_unsigned(void **state)
{
    (void)state;
    assert_int_equal(our_memcmp("abc", "abd", 2), 0);
    assert_true(our_memcmp("abc", "abd", 3) < 0);
    assert_true(our_memcmp("\x80", "\x7f", 1) > 0);
    assert_int_equal(our_memcmp("x", "y", 0), 0);
    for (int i = 0; i < 20000; i++) {
        uint8_t a[16], b[16];
        size_t size = (size_t)rand() % 17;

        fill(a, sizeof(a));
        memcpy(b, a, sizeof(b));
        b[rand() % 16] = (uint8_t)rand();
        assert_int_equal(sign(our_memcmp(a, b, size)), sign(memcmp(a, b, size)));
    }
}

static void test_memchr(void **state)
{
    static const char text[] = "a\0b\xffz";

    (void)state;
    for (int c = -2; c < 300; c++) {
        for (size_t size = 0; size <= sizeof(text); size++)
            assert_ptr_equal(our_memchr(text, c, size), memchr(text, c, size));
    }
}

static void test_strlen_and_strnlen(void **state)
{
    char text[AREA];

    (void)state;
    for (size_t len = 0; len < AREA; len++) {
        memset(text, 'x', AREA);
        text[len] = '\0';
        assert_int_equal(our_strlen(text), len);
        for (size_t max = 0; max < AREA; max++)
            assert_int_equal(our_strnlen(text, max), strnlen(text, max));
    }
    /* Without a terminator nothing behind max is read; the sanitizer watches. */
    char *exact = malloc(4);

    assert_non_null(exact);
    memcpy(exact, "four", 4);
    assert_int_equal(our_strnlen(exact, 4), 4);
    free(exact);
}

static void test_string_comparisons(void **state)
{
    static const char *const texts[] = {"", "a", "ab", "abc", "abd", "b", "\x80", "\xff", "a\x80"};
    size_t count = sizeof(texts) / sizeof(texts[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(sign(our_strcmp(texts[i], texts[j])),
                             sign(strcmp(texts[i], texts[j])));
            for (size_t max = 0; max < 6; max++)
                assert_int_equal(sign(our_strncmp(texts[i], texts[j], max)),
                                 sign(strncmp(texts[i], texts[j], max)));
        }
    }
}

static void test_strchr_finds_the_terminator_too(void **state)
{
    static const char text[] = "com1,115200\xff";

    (void)state;
    for (int c = -2; c < 300; c++)
        assert_ptr_equal(our_strchr(text, c), strchr(text, c));
    assert_ptr_equal(our_strchr(text, 0), text + sizeof(text) - 1);
}

static void test_str_copy_cuts_and_terminates(void **state)
{
    char dst[8];

    (void)state;
    memset(dst, 'x', sizeof(dst));
    assert_int_equal(str_copy(dst, 4, "gdbvisor"), 8);
    assert_string_equal(dst, "gdb");
    assert_int_equal(dst[4], 'x');
    assert_int_equal(str_copy(dst, 8, "1234567"), 7);
    assert_string_equal(dst, "1234567");
    assert_int_equal(str_copy(dst, 8, "12345678"), 8);
    assert_string_equal(dst, "1234567");
    assert_int_equal(str_copy(dst, 1, "z"), 1);
    assert_string_equal(dst, "");
    assert_int_equal(str_copy(dst, 8, ""), 0);
    assert_string_equal(dst, "");
}

static void test_str_prefix(void **state)
{
    static const char s[] = "mmio:fe000000";
    const char *rest = NULL;

    (void)state;
    assert_true(str_prefix(s, "mmio:", &rest));
    assert_ptr_equal(rest, s + 5);
    assert_true(str_prefix(s, "", &rest));
    assert_ptr_equal(rest, s);
    rest = NULL;
    assert_false(str_prefix(s, "mmio;", &rest));
    assert_false(str_prefix("mm", "mmio:", &rest));
    assert_null(rest);
    assert_true(str_prefix(s, s, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy_every_offset_and_size),
        cmocka_unit_test(test_memmove_overlapping_both_ways),
        cmocka_unit_test(test_memset_uses_the_low_byte),
        cmocka_unit_test(test_memcmp_orders_as_unsigned),
        cmocka_unit_test(test_memchr),
        cmocka_unit_test(test_strlen_and_strnlen),
        cmocka_unit_test(test_string_comparisons),
        cmocka_unit_test(test_strchr_finds_the_terminator_too),
        cmocka_unit_test(test_str_copy_cuts_and_terminates),
        cmocka_unit_test(test_str_prefix),
    };

    srand(1);
    return cmocka_run_group_tests_name("lib/string", tests, NULL, NULL);
}
