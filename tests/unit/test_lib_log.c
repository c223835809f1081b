/* lib/log.c: sinks, the ring and its replay. The log has one state, so the order counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/log.h"

static char heard_text[2][65536];
static size_t heard[2];

static void hear(size_t which, const char *text, size_t size)
{
    assert_true(heard[which] + size < sizeof(heard_text[0]));
    memcpy(heard_text[which] + heard[which], text, size);
    heard[which] += size;
    heard_text[which][heard[which]] = '\0';
}

static void sink_a(const char *text, size_t size)
{
    hear(0, text, size);
}

static void sink_b(const char *text, size_t size)
{
    hear(1, text, size);
}

static void sink_c(const char *text, size_t size)
{
    (void)text;
    (void)size;
}

static int forget(void **state)
{
    (void)state;
    heard[0] = heard[1] = 0;
    heard_text[0][0] = heard_text[1][0] = '\0';
    return 0;
}

static void test_a_late_sink_hears_it_all(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(log_read(0, text, sizeof(text)), 0);
    log_print("gdbvisor %d", 1);
    assert_true(log_add_sink(sink_a));
    log_print("two");
    assert_string_equal(heard_text[0], "gdbvisor 1\ntwo\n");
    assert_true(log_add_sink(sink_b));
    assert_string_equal(heard_text[1], "gdbvisor 1\ntwo\n");
    log_print("%s", "");
    assert_string_equal(heard_text[1], "gdbvisor 1\ntwo\n\n");
    assert_string_equal(heard_text[0], heard_text[1]);
}

static void test_read_from_any_offset(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(log_read(9, text, 5), 5);
    assert_memory_equal(text, "1\ntwo", 5);
    assert_int_equal(log_read(14, text, sizeof(text)), 2);
    assert_memory_equal(text, "\n\n", 2);
    assert_int_equal(log_read(16, text, sizeof(text)), 0);
    assert_int_equal(log_read(SIZE_MAX, text, sizeof(text)), 0);
    assert_int_equal(log_read(0, text, 0), 0);
}

static void test_four_places_and_removal(void **state)
{
    (void)state;
    assert_true(log_add_sink(sink_c));
    assert_true(log_add_sink(sink_c));
    assert_false(log_add_sink(sink_c));
    log_remove_sink(sink_b);
    forget(NULL);
    log_print("only a");
    assert_string_equal(heard_text[0], "only a\n");
    assert_string_equal(heard_text[1], "");
    log_remove_sink(sink_c);
    log_remove_sink(sink_b);
    assert_true(log_add_sink(sink_b));
    log_remove_sink(sink_b);
}

static void test_lines_are_cut_at_255(void **state)
{
    char line[400];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    log_print("%s", line);
    assert_int_equal(heard[0], 256);
    assert_int_equal(heard_text[0][254], 'x');
    assert_int_equal(heard_text[0][255], '\n');
    forget(NULL);
    line[255] = '\0';
    log_print("%s", line);
    assert_int_equal(heard[0], 256);
    forget(NULL);
    line[254] = '\0';
    log_print("%s", line);
    assert_int_equal(heard[0], 255);
}

static void test_ring_keeps_the_newest_16k(void **state)
{
    static char text[20000];
    size_t length;

    (void)state;
    for (int i = 0; i < 5000; i++)
        log_print("line %04d", i);
    length = log_read(0, text, sizeof(text));
    assert_int_equal(length, 16384);
    assert_memory_equal(text + length - 10, "line 4999\n", 10);
    assert_memory_equal(text, heard_text[0] + heard[0] - length, length);
    assert_true(log_add_sink(sink_b));
    assert_int_equal(heard[1], 16384);
    assert_memory_equal(heard_text[1], text, length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_sink_hears_it_all),
        cmocka_unit_test_setup(test_read_from_any_offset, forget),
        cmocka_unit_test_setup(test_four_places_and_removal, forget),
        cmocka_unit_test_setup(test_lines_are_cut_at_255, forget),
        cmocka_unit_test_setup(test_ring_keeps_the_newest_16k, forget),
    };

    return cmocka_run_group_tests_name("lib/log", tests, NULL, NULL);
}
