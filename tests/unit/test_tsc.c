/* arch/x86/tsc.c, on a model of the timer chip and of its gate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/tsc.h"

enum { PIT_HZ = 1193182, TICKS_A_LOOK = 3000 };

static uint64_t tsc, real_hz, due; /* due: the TSC at which the channel's output rises */
static bool chip_there;
static uint8_t gate;
static uint16_t count;
static unsigned bytes, looks, taken_away;
static uint32_t top_leaf, base_mhz;

static uint64_t look(void)
{
    tsc += TICKS_A_LOOK;
    if (++looks == taken_away) /* by a host that has others to run */
        tsc += 500000000;
    return tsc;
}

uint64_t model_read_register(const char *name)
{
    assert_string_equal(name, "tsc");
    return look();
}

uint8_t model_inb(uint16_t port)
{
    assert_int_equal(port, 0x61);
    bool risen = chip_there && (gate & 1) && bytes == 2 && look() >= due;
    return (uint8_t)(gate | (risen ? 0x20 : 0));
}

void model_outb(uint16_t port, uint8_t value)
{
    if (port == 0x61) {
        gate = value & 0x1f;
    } else if (port == 0x43) {
        assert_int_equal(value, 0xb0);
        assert_int_equal(gate & 3, 1); /* counts, and the loudspeaker is still */
        bytes = 0;
    } else {
        assert_int_equal(port, 0x42);
        count = bytes++ ? (uint16_t)(count | value << 8) : value;
        due = tsc + count * real_hz / PIT_HZ;
    }
}

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    return (struct cpuid_result){.eax = leaf == 0 ? top_leaf : leaf == 0x16 ? base_mhz : 0};
}

static void measured(uint64_t expected)
{
    gate = 0x12;
    tsc_measure();
    assert_int_equal(gate, 0x12); /* as it was */
    assert_in_range(tsc_hz(), expected - expected / 500, expected + expected / 500);
}

static void test_measure(void **state)
{
    (void)state;
    assert_int_equal(tsc_hz(), 2000000000);
    chip_there = true;
    real_hz = 3000000000;
    measured(3000000000);
    real_hz = 800000000;
    measured(800000000);
    real_hz = 2600000000;
    for (unsigned i = 1; i < 10000; i += 7) {
        looks = 0;
        taken_away = i;
        measured(2600000000);
    }
    taken_away = 0;
    real_hz = 800000000;
    measured(800000000);
    chip_there = false;
    measured(800000000); /* no better answer */
    top_leaf = 0x16;
    measured(800000000); /* 0: not told */
    base_mhz = 2600;
    measured(2600000000);
}

static uint32_t flag;
static uint64_t flag_at; /* the TSC at which it is set to 7 */

void model_pause(void)
{
    if (tsc >= flag_at)
        flag = 7;
}

static void test_await(void **state)
{
    (void)state;
    chip_there = true;
    real_hz = 1000000000;
    measured(1000000000);
    uint64_t begin = tsc;
    assert_false(tsc_await(NULL, 0, 10000));
    assert_in_range(tsc - begin, 9950000, 10050000);

    begin = tsc;
    flag = 6;
    flag_at = begin + 100000;
    assert_true(tsc_await(&flag, 7, 200));
    assert_in_range(tsc - begin, 100000, 100000 + 3 * TICKS_A_LOOK);
    begin = tsc;
    assert_true(tsc_await(&flag, 7, 0)); /* it is there */
    assert_in_range(tsc - begin, 0, TICKS_A_LOOK);
    begin = tsc;
    assert_false(tsc_await(&flag, 8, 200));
    assert_in_range(tsc - begin, 199000, 201000 + 3 * TICKS_A_LOOK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_measure),
                                       cmocka_unit_test(test_await)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
