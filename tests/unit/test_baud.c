/* debug/baud.c: a new speed, tried and kept or given up. Time is in milliseconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "debug/baud.h"

static struct baud b;
static struct baud_signs s;

static int setup(void **state)
{
    (void)state;
    s = (struct baud_signs){.time = 5000, .second = 1000, .good = 100, .errors = 3};
    baud_init(&b, 115200);
    return 0;
}

static uint32_t after(unsigned milliseconds)
{
    s.time += milliseconds;
    return baud_look(&b, &s);
}

/* Asked for, answered, acknowledged: the new speed is set, and on trial. */
static void switched(uint32_t speed)
{
    baud_ask(&b, speed, &s);
    assert_int_equal(after(10), 0);
    s.good++;
    assert_int_equal(after(1), 0); /* gdb's last '+' is still on its way */
    assert_int_equal(after(124), 0);
    assert_int_equal(after(1), speed);
    assert_int_equal(b.phase, BAUD_TRIAL);
    assert_int_equal(after(10), 0);
}

static void test_works(void **state)
{
    (void)state;
    switched(921600);
    s.errors += 2; /* what plugging and opening do */
    assert_int_equal(after(5000), 0);
    s.good++;
    assert_int_equal(after(1), 0);
    assert_int_equal(b.phase, BAUD_STEADY);
    assert_int_equal(b.proved, 921600);
    assert_int_equal(after(3600000), 0); /* and stays */
}

static void test_nobody_comes(void **state)
{
    (void)state;
    switched(921600);
    assert_int_equal(after(19980), 0);
    assert_int_equal(after(10), 115200);
    assert_int_equal(b.phase, BAUD_STEADY);
    assert_int_equal(after(60000), 0);
}

/* The other end is still, or again, at the old speed: all that comes is broken. */
static void test_errors_in_trial(void **state)
{
    (void)state;
    switched(921600);
    s.errors += BAUD_ERRORS - 1;
    assert_int_equal(after(1), 0);
    s.errors++;
    assert_int_equal(after(1), 115200);
    assert_int_equal(b.now, 115200);
}

/* From one that works to one that does not: back to that one, not to the first. */
static void test_back_to_the_last(void **state)
{
    (void)state;
    switched(460800);
    s.good++;
    assert_int_equal(after(1), 0);
    switched(921600);
    assert_int_equal(after(20000), 460800);
    assert_int_equal(b.now, 460800);
}

/* USER-8: gdb vanished; a new one begins at the first speed. */
static void test_user8_first_again(void **state)
{
    (void)state;
    switched(921600);
    s.good++;
    after(1);
    for (unsigned i = 0; i < 100; i++) { /* a bad line, but one that works */
        s.errors += BAUD_ERRORS - 1;
        assert_int_equal(after(1), 0);
        s.good++;
        assert_int_equal(after(1), 0);
    }
    s.errors += BAUD_ERRORS;
    assert_int_equal(after(1), 115200);
    s.errors += 1000; /* at the first speed errors change nothing */
    assert_int_equal(after(1), 0);
    assert_int_equal(b.now, 115200);
}

/* The answer never arrived: gdb knows nothing of a new speed. */
static void test_answer_lost(void **state)
{
    (void)state;
    baud_ask(&b, 921600, &s);
    assert_int_equal(after(1999), 0);
    assert_int_equal(after(1), 0);
    assert_int_equal(b.phase, BAUD_STEADY);
    s.good++;
    assert_int_equal(after(1000), 0);
    assert_int_equal(b.now, 115200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_works, setup),
        cmocka_unit_test_setup(test_nobody_comes, setup),
        cmocka_unit_test_setup(test_errors_in_trial, setup),
        cmocka_unit_test_setup(test_back_to_the_last, setup),
        cmocka_unit_test_setup(test_user8_first_again, setup),
        cmocka_unit_test_setup(test_answer_lost, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
