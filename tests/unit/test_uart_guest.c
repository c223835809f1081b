/* What a guest sees of the hidden UART (USER-11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/serial/uart_guest.h"

enum { BASE = 0x2f8 };

static void test_inside(void **state)
{
    (void)state;
    for (uint16_t port = 0x2f8; port <= 0x2ff; port++)
        assert_int_equal(uart_guest_hits(BASE, port, 1), 0x1);
    assert_int_equal(uart_guest_hits(BASE, 0x2f8, 2), 0x3);
    assert_int_equal(uart_guest_hits(BASE, 0x2fe, 2), 0x3);
    assert_int_equal(uart_guest_hits(BASE, 0x2fc, 4), 0xf);
}

static void test_outside(void **state)
{
    (void)state;
    assert_int_equal(uart_guest_hits(BASE, 0x2f7, 1), 0);
    assert_int_equal(uart_guest_hits(BASE, 0x300, 1), 0);
    assert_int_equal(uart_guest_hits(BASE, 0x2f6, 2), 0);
    assert_int_equal(uart_guest_hits(BASE, 0x2f4, 4), 0);
    assert_int_equal(uart_guest_hits(BASE, 0x300, 4), 0);
    assert_int_equal(uart_guest_hits(BASE, 0x3f8, 4), 0);
    assert_int_equal(uart_guest_hits(BASE, 0, 4), 0);
    assert_int_equal(uart_guest_hits(BASE, 0xffff, 4), 0);
}

static void test_straddling(void **state)
{
    (void)state;
    assert_int_equal(uart_guest_hits(BASE, 0x2f7, 2), 0x2);
    assert_int_equal(uart_guest_hits(BASE, 0x2ff, 2), 0x1);
    assert_int_equal(uart_guest_hits(BASE, 0x2f5, 4), 0x8);
    assert_int_equal(uart_guest_hits(BASE, 0x2f6, 4), 0xc);
    assert_int_equal(uart_guest_hits(BASE, 0x2f7, 4), 0xe);
    assert_int_equal(uart_guest_hits(BASE, 0x2fd, 4), 0x7);
    assert_int_equal(uart_guest_hits(BASE, 0x2fe, 4), 0x3);
    assert_int_equal(uart_guest_hits(BASE, 0x2ff, 4), 0x1);
}

/* No wrap: an access beyond the last port does not come out at port 0, nor a UART there. */
static void test_end_of_port_space(void **state)
{
    (void)state;
    assert_int_equal(uart_guest_hits(0, 0xffff, 2), 0);
    assert_int_equal(uart_guest_hits(0, 0xfffd, 4), 0);
    assert_int_equal(uart_guest_hits(0xfff8, 0xffff, 1), 0x1);
    assert_int_equal(uart_guest_hits(0xfff8, 0xffff, 4), 0x1);
    assert_int_equal(uart_guest_hits(0xfff8, 0, 4), 0);
}

static void test_not_an_access(void **state)
{
    (void)state;
    assert_int_equal(uart_guest_hits(BASE, BASE, 0), 0);
    assert_int_equal(uart_guest_hits(BASE, BASE, 3), 0);
    assert_int_equal(uart_guest_hits(BASE, BASE, 8), 0);
    assert_int_equal(uart_guest_hits(BASE, BASE, 0xffffffff), 0);
    assert_int_equal(uart_guest_read(0xf, 3, 0x12345678), 0);
    assert_int_equal(uart_guest_read(0xf, 64, 0x12345678), 0);
    assert_false(uart_guest_write_passes(0, 3, 0));
    assert_false(uart_guest_write_passes(0, 64, 40));
}

static void test_reads_all_ones_of_its_size(void **state)
{
    (void)state;
    assert_int_equal(uart_guest_read(0x1, 1, 0x5a), 0xff);
    assert_int_equal(uart_guest_read(0x3, 2, 0), 0xffff);
    assert_int_equal(uart_guest_read(0xf, 4, 0), 0xffffffff);
}

static void test_reads_of_others_pass(void **state)
{
    (void)state;
    assert_int_equal(uart_guest_read(0, 1, 0xabcd), 0xcd);
    assert_int_equal(uart_guest_read(0, 2, 0x1234abcd), 0xabcd);
    assert_int_equal(uart_guest_read(0, 4, 0x1234abcd), 0x1234abcd);
    assert_int_equal(uart_guest_read(0x2, 2, 0x1234), 0xff34);
    assert_int_equal(uart_guest_read(0x7, 4, 0x12345678), 0x12ffffff);
    assert_int_equal(uart_guest_read(0xe, 4, 0x12345678), 0xffffff78);
}

static void test_writes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_false(uart_guest_write_passes(0xf, 4, i));
        assert_true(uart_guest_write_passes(0, 4, i));
        assert_int_equal(uart_guest_write_passes(0x7, 4, i), i == 3);
        assert_int_equal(uart_guest_write_passes(0, 2, i), i < 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_straddling),
        cmocka_unit_test(test_end_of_port_space),
        cmocka_unit_test(test_not_an_access),
        cmocka_unit_test(test_reads_all_ones_of_its_size),
        cmocka_unit_test(test_reads_of_others_pass),
        cmocka_unit_test(test_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
