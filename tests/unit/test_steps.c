/* debug/steps.c and `monitor step`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "debug/steps.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/unit/ask_monitor.h"

static struct debug_steps *steps = &debug.cpus[0].steps;

static int setup(void **state)
{
    static const struct debug_config config;

    (void)state;
    model_backend_reset();
    debug.config = &config;
    debug_target.attached();
    return 0;
}

/* A line of the answer. */
static void said(const char *line)
{
    if (!strstr(out, line))
        fail_msg("not '%s' but:\n%s", line, out);
}

static void test_count(void **state)
{
    static const gva_t path[] = {0x1000, 0x1002, 0x1002, 0x1002, 0xffffffff81000000};

    (void)state;
    steps_begin(steps, 0);
    assert_false(steps_count(steps, 1));
    assert_int_equal(steps->done, 0);
    steps_begin(steps, HV_ARRAY_SIZE(path));
    for (unsigned i = 0; i < HV_ARRAY_SIZE(path); i++)
        assert_int_equal(steps_count(steps, path[i]), i + 1 < HV_ARRAY_SIZE(path));
    assert_int_equal(steps->done, 5);
    assert_int_equal(steps->places, 3); /* a REP in its place counts once */
    assert_int_equal(steps->hash, 0xff883a207e8f9aa0);
    assert_false(steps_count(steps, 0x5555)); /* that was all */
    assert_int_equal(steps->done, 5);
    /* Another order is another hash. */
    steps_begin(steps, 2);
    steps_count(steps, 0x1002);
    steps_count(steps, 0x1000);
    assert_int_equal(steps->hash, 0xef48357765542ae7);
}

static void test_monitor(void **state)
{
    (void)state;
    assert_string_equal(ask("step"), "device interrupts in a step: held\n");
    ask("step interrupts deliver");
    said("device interrupts in a step: delivered\n");
    assert_int_equal(debug_target.step_flags(), STEP_ENABLE | STEP_NO_TIMERS);
    ask("step interrupts hold");
    said("held");
    debug_target.set_step_flags(1);
    assert_string_equal(ask("step"), "device interrupts in a step: delivered\n");
    ask("step count 0x14");
    said("the next step is 20 instructions\n");
    for (unsigned i = 0; i < 20; i++)
        steps_count(steps, 0x100 + i);
    ask("step");
    said("20 steps to 20 places, hash ");
    assert_null(strstr(out, "  103\n"));
    said("last of them:\n  104\n  105\n");
    said("  112\n  113\n");
    /* What it does not take changes nothing. */
    static const char *const wrong[] = {
        "step x",          "step count",         "step count x",          "step count 1 2",
        "step interrupts", "step interrupts on", "step interrupts hold x"};
    for (unsigned i = 0; i < HV_ARRAY_SIZE(wrong); i++) {
        ask(wrong[i]);
        said("usage: monitor step [interrupts hold|deliver | count N]");
        assert_int_equal(debug_target.step_flags(), 1);
        assert_int_equal(steps->done, 20);
    }
    /* The next gdb finds the defaults. */
    debug_target.attached();
    assert_string_equal(ask("step"), "device interrupts in a step: held\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_count, setup),
        cmocka_unit_test_setup(test_monitor, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
