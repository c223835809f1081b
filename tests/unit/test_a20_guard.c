/* core/a20_guard.c: the gate stays open, by whichever port it is moved (USER-11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "core/a20_guard.h"
#include "core/io_policy.h"

static uint8_t out[8];
static unsigned outs;

void model_outb(uint16_t port, uint8_t value)
{
    (void)port;
    assert_true(outs < sizeof(out));
    out[outs++] = value;
}

/* What arrives at the port when the guest writes value there. */
static uint8_t written(uint16_t port, uint8_t value)
{
    uint32_t word = value;

    outs = 0;
    io_policy_access(port, 1, false, &word);
    assert_int_equal(outs, 1);
    return out[0];
}

static void off_at_first(void **state)
{
    (void)state;
    assert_false(a20_guard_wants(0x92));
    assert_int_equal(written(0x92, 0), 0);
    assert_int_equal(written(0x64, 0xdd), 0xdd);
}

static void port_a(void **state)
{
    const uint8_t *map = io_policy_map(POLICY_OWN);

    (void)state;
    a20_guard_init();
    io_policy_build();
    for (unsigned port = 0; port < 0x10000; port++)
        assert_int_equal(map[port / 8] >> port % 8 & 1,
                         port == 0x92 || port == 0x60 || port == 0x64);
    assert_int_equal(written(0x92, 0x00), 0x02);
    assert_int_equal(written(0x92, 0xfd), 0xff); /* its other bits are the guest's */
    assert_int_equal(written(0x93, 0x00), 0x00);
}

static void keyboard_controller(void **state)
{
    (void)state;
    a20_guard_init();
    assert_int_equal(written(0x64, 0xdd), 0xdf);
    assert_int_equal(written(0x64, 0xdf), 0xdf);
    assert_int_equal(written(0x64, 0xd1), 0xd1);
    assert_int_equal(written(0x60, 0xdd), 0xdf); /* the output port */
    assert_int_equal(written(0x60, 0xdd), 0xdd); /* data again */
    assert_int_equal(written(0x64, 0xd1), 0xd1);
    assert_int_equal(written(0x64, 0xaa), 0xaa); /* another command in between */
    assert_int_equal(written(0x60, 0x00), 0x00);
    assert_int_equal(written(0x64, 0xfe), 0xfe); /* the reset line is not ours */
}

/* A wide write is looked at byte by byte. */
static void wide_write(void **state)
{
    uint32_t word = 0;

    (void)state;
    a20_guard_init();
    outs = 0;
    io_policy_access(0x91, 2, false, &word);
    assert_int_equal(outs, 2);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_at_first),
        cmocka_unit_test(port_a),
        cmocka_unit_test(keyboard_controller),
        cmocka_unit_test(wide_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
