/* debug/fpu.c. SDM vol. 1, "FXSAVE Area", "x87 FPU Tag Word". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "debug/fpu.h"
#include "tests/unit/fake_fpu.h"

enum { FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP };
enum {
    AT_FSW = 2,
    AT_FTW = 4,
    AT_MXCSR = 24,
    AT_MASK = 28,
    AT_ST = 32,
    AT_XMM = 160,
    AT_YMM = 576
};

static int setup(void **state)
{
    (void)state;
    fpu_flush(0);
    memset(&fpu, 0, sizeof(fpu));
    return 0;
}

static void put(size_t at, const void *bytes, size_t size)
{
    memcpy(fpu.bytes + at, bytes, size);
    fpu_flush(0);
}

/* Loaded when somebody looks, written back when somebody wrote, and only then. */
static void test_lazy(void **state)
{
    uint8_t value[16];

    (void)state;
    fpu_flush(0);
    assert_int_equal(fpu.saves + fpu.restores, 0);
    fpu_read_xmm(3, value);
    fpu_read_st(0, value);
    fpu_read_mxcsr();
    assert_int_equal(fpu.saves, 1);
    fpu_flush(0);
    assert_int_equal(fpu.restores, 0);
    memset(value, 0x5c, sizeof(value));
    fpu_write_xmm(3, value);
    assert_int_equal(fpu.bytes[AT_XMM + 48], 0); /* not yet */
    fpu_flush(0);
    assert_int_equal(fpu.restores, 1);
    assert_memory_equal(fpu.bytes + AT_XMM + 48, value, 16);
    assert_int_equal(fpu.bytes[AT_XMM + 47], 0);
    assert_int_equal(fpu.bytes[AT_XMM + 64], 0);
    fpu_flush(0);
    assert_int_equal(fpu.restores, 1);
}

static void test_st(void **state)
{
    uint8_t value[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, back[11];

    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        value[0] = (uint8_t)(0x80 + n);
        fpu_write_st(n, value);
    }
    fpu_flush(0);
    for (unsigned n = 0; n < 8; n++) {
        assert_int_equal(fpu.bytes[AT_ST + 16 * n], 0x80 + n);
        assert_int_equal(fpu.bytes[AT_ST + 16 * n + 9], 10);
        assert_int_equal(fpu.bytes[AT_ST + 16 * n + 10], 0);
    }
    back[10] = 0xee;
    fpu_read_st(7, back);
    assert_memory_equal(back, value, 10);
    assert_int_equal(back[10], 0xee);
}

static void test_controls(void **state)
{
    static const uint32_t written[] = {0x1037f,    0x13800, 0,          0x10010,
                                       0x12345678, 0x2bcde, 0x9abcdef0, 0xffff};
    static const uint32_t want[] = {0x037f,     0x3800, 0,          0x0010,
                                    0x12345678, 0xbcde, 0x9abcdef0, 0x07ff};

    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        if (n != FTAG)
            fpu_write_control(n, written[n]);
    }
    fpu_flush(0);
    for (unsigned n = 0; n < 8; n++) {
        if (n != FTAG)
            assert_int_equal(fpu_read_control(n), want[n]);
    }
    assert_int_equal(fpu_read_control(8), 0);
    assert_memory_equal(fpu.bytes, "\x7f\x03\x00\x38", 4);
    assert_memory_equal(fpu.bytes + 8, "\x78\x56\x34\x12\x10\x00", 6);
    assert_memory_equal(fpu.bytes + 16, "\xf0\xde\xbc\x9a\xde\xbc", 6);
}

/* The full tag word, made from the short one and what the registers hold. */
static void test_tags_by_contents(void **state)
{
    static const struct {
        uint8_t bytes[10];
        unsigned tag; /* 0 valid, 1 zero, 2 special */
    } cases[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f}, 0}, /* 1.0 */
        {{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xbf}, 0}, /* -1.0 */
        {{0}, 1},                                     /* 0.0 */
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80}, 1},       /* -0.0 */
        {{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f}, 2}, /* infinity */
        {{1, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0x7f}, 2}, /* a NaN */
        {{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2},          /* denormal */
        {{1, 0, 0, 0, 0, 0, 0, 0x40, 0xff, 0x3f}, 2}, /* unnormal */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup(NULL);
        put(AT_ST, cases[i].bytes, 10);
        put(AT_FTW, "\x01", 1);
        assert_int_equal(fpu_read_control(FTAG), 0xfffc | cases[i].tag);
    }
}

/* Tags go by physical register, the registers by place in the stack: TOP tells them apart. */
static void test_tags_and_top(void **state)
{
    static const uint8_t one[] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f};

    (void)state;
    for (unsigned top = 0; top < 8; top++) {
        const uint8_t fsw[] = {0, (uint8_t)(top << 3)},
                      ftw = (uint8_t)(1 << top | 1 << (top + 1) % 8);

        setup(NULL);
        put(AT_ST, one, 10); /* ST0 is 1.0, ST1 is 0.0, the others empty */
        put(AT_FSW, fsw, 2);
        put(AT_FTW, &ftw, 1);
        uint32_t want = 0xffff & ~(3U << 2 * top) & ~(2U << 2 * ((top + 1) % 8));
        assert_int_equal(fpu_read_control(FTAG), want);
    }
}

/* Written, only empty or not is kept; what is not empty is told by its contents again. */
static void test_tags_written(void **state)
{
    (void)state;
    fpu_write_control(FTAG, 0xffff);
    fpu_flush(0);
    assert_int_equal(fpu.bytes[AT_FTW], 0);
    assert_int_equal(fpu_read_control(FTAG), 0xffff);
    fpu_write_control(FTAG, 0x3ff8); /* 7: valid, 1: special, 0: valid; the rest empty */
    fpu_flush(0);
    assert_int_equal(fpu.bytes[AT_FTW], 0x83);
    assert_int_equal(fpu_read_control(FTAG), 0x7ff5);
    fpu_write_control(FTAG, 0);
    assert_int_equal(fpu_read_control(FTAG), 0x5555);
}

/* What would fault on restoring is refused. */
static void test_mxcsr(void **state)
{
    (void)state;
    assert_true(fpu_write_mxcsr(0x1f80));
    fpu_flush(0);
    assert_memory_equal(fpu.bytes + AT_MXCSR, "\x80\x1f\0\0", 4);
    assert_false(fpu_write_mxcsr(0x10000));
    assert_false(fpu_write_mxcsr(0x0040)); /* DAZ, where MXCSR_MASK is not told */
    assert_int_equal(fpu_read_mxcsr(), 0x1f80);
    put(AT_MASK, "\xff\xff\x02\0", 4);
    assert_true(fpu_write_mxcsr(0x21fc0));
    assert_false(fpu_write_mxcsr(0x40000));
    assert_int_equal(fpu_read_mxcsr(), 0x21fc0);
}

static void test_avx(void **state)
{
    uint8_t value[16];

    (void)state;
    assert_false(fpu_has_avx());
    assert_false(fpu_read_ymm_high(0, value));
    assert_false(fpu_write_ymm_high(0, value));
    setup(NULL);
    fpu.avx = true; /* there, but the guest has not enabled it */
    fpu.xcr0 = 3;
    assert_true(fpu_has_avx());
    assert_false(fpu_read_ymm_high(0, value));
    assert_false(fpu_write_ymm_high(0, value));
    fpu_flush(0);
    fpu.xcr0 = 7;
    put(AT_YMM + 16, "\x77\x66", 2);
    assert_true(fpu_read_ymm_high(1, value));
    assert_memory_equal(value, "\x77\x66\0\0", 4);
    memset(value, 0x3c, sizeof(value));
    assert_true(fpu_write_ymm_high(15, value));
    fpu_flush(0);
    assert_memory_equal(fpu.bytes + AT_YMM + 240, value, 16);
    assert_int_equal(fpu.bytes[AT_YMM + 16], 0x77);
    /* A lower half alone leaves the upper ones. */
    fpu_write_xmm(1, value);
    fpu_flush(0);
    assert_int_equal(fpu.bytes[AT_YMM + 16], 0x77);
    assert_memory_equal(fpu.bytes + AT_XMM + 16, value, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lazy, setup),
        cmocka_unit_test_setup(test_st, setup),
        cmocka_unit_test_setup(test_controls, setup),
        cmocka_unit_test_setup(test_tags_by_contents, setup),
        cmocka_unit_test_setup(test_tags_and_top, setup),
        cmocka_unit_test_setup(test_tags_written, setup),
        cmocka_unit_test_setup(test_mxcsr, setup),
        cmocka_unit_test_setup(test_avx, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
