/* lib/ring.c: a byte queue against a plain model of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ring.h"

static void test_first_in_first_out(void **state)
{
    uint8_t data[4];
    struct ring r;

    (void)state;
    ring_init(&r, data, 4);
    assert_int_equal(ring_used(&r), 0);
    assert_int_equal(ring_get(&r), -1);
    assert_true(ring_put(&r, 0xff));
    assert_true(ring_put(&r, 0));
    assert_int_equal(ring_used(&r), 2);
    assert_int_equal(ring_get(&r), 0xff);
    assert_int_equal(ring_get(&r), 0);
    assert_int_equal(ring_get(&r), -1);
}

static void test_full_refuses_and_push_drops_the_oldest(void **state)
{
    uint8_t data[4];
    struct ring r;

    (void)state;
    ring_init(&r, data, 4);
    for (uint8_t i = 0; i < 4; i++)
        assert_true(ring_put(&r, i));
    assert_false(ring_put(&r, 9));
    assert_int_equal(ring_used(&r), 4);
    ring_push(&r, 4);
    ring_push(&r, 5);
    assert_int_equal(ring_used(&r), 4);
    for (int i = 2; i < 6; i++)
        assert_int_equal(ring_get(&r), i);
    assert_int_equal(ring_get(&r), -1);
}

static void test_size_one(void **state)
{
    uint8_t data[1];
    struct ring r;

    (void)state;
    ring_init(&r, data, 1);
    assert_true(ring_put(&r, 1));
    assert_false(ring_put(&r, 2));
    ring_push(&r, 3);
    assert_int_equal(ring_get(&r), 3);
    assert_int_equal(ring_get(&r), -1);
}

/* The counters run over 2^32 in the middle of it. */
static void test_random_against_a_model_over_the_wrap(void **state)
{
    uint8_t data[8], model[8];
    size_t used = 0;
    struct ring r;

    (void)state;
    ring_init(&r, data, 8);
    r.head = r.tail = UINT32_MAX - 5000;
    for (int i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)rand();

        switch (rand() % 3) {
        case 0:
            assert_int_equal(ring_put(&r, byte), used < 8);
            if (used < 8)
                model[used++] = byte;
            break;
        case 1:
            if (rand() % 4)
                break;
            ring_push(&r, byte);
            if (used == 8)
                memmove(model, model + 1, --used);
            model[used++] = byte;
            break;
        case 2:
            assert_int_equal(ring_get(&r), used > 0 ? model[0] : -1);
            if (used > 0)
                memmove(model, model + 1, --used);
            break;
        }
        assert_int_equal(ring_used(&r), used);
    }
    assert_true(r.head < 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_full_refuses_and_push_drops_the_oldest),
        cmocka_unit_test(test_size_one),
        cmocka_unit_test(test_random_against_a_model_over_the_wrap),
    };

    srand(4);
    return cmocka_run_group_tests_name("lib/ring", tests, NULL, NULL);
}
