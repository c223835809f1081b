/* The console on a linear framebuffer, on an array; and its font. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/vga/font.h"
#include "drivers/vga/framebuffer.h"

enum { SCREEN_SIZE = 2000 * 80 * 4, MARGIN = 64, JUNK = 0x5a };

static uint8_t memory[SCREEN_SIZE + 2 * MARGIN] __attribute__((aligned(8)));
static uint8_t *const screen = memory + MARGIN;
static struct framebuffer_mode mode;

static const struct framebuffer_field red = {16, 8}, green = {8, 8}, blue = {0, 8};

static void start(uint32_t width, uint32_t height, uint32_t pitch, uint8_t bits)
{
    memset(memory, JUNK, sizeof(memory));
    assert_true((uint64_t)height * pitch <= SCREEN_SIZE);
    mode = (struct framebuffer_mode){width, height, pitch, bits, red, green, blue};
    if (bits == 16) {
        mode.red = (struct framebuffer_field){11, 5};
        mode.green = (struct framebuffer_field){5, 6};
        mode.blue = (struct framebuffer_field){0, 5};
    } else if (bits == 15) {
        mode.red = (struct framebuffer_field){10, 5};
        mode.green = (struct framebuffer_field){5, 5};
        mode.blue = (struct framebuffer_field){0, 5};
    }
    assert_int_equal(framebuffer_init(screen, &mode), HV_OK);
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
    unsigned bytes = (mode.bits_per_pixel + 7u) / 8;
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)screen[(size_t)y * mode.pitch + x * bytes + i] << 8 * i;
    return value;
}

/* What is not a pixel of the screen is untouched: around it, and between the rows. */
static void assert_margins(void)
{
    size_t row = (size_t)mode.width * ((mode.bits_per_pixel + 7u) / 8);

    for (size_t i = 0; i < MARGIN; i++)
        assert_int_equal(memory[i], JUNK);
    for (size_t y = 0; y < mode.height; y++) {
        for (size_t x = row; x < mode.pitch; x++)
            assert_int_equal(screen[y * mode.pitch + x], JUNK);
    }
    for (size_t i = (size_t)mode.height * mode.pitch; i < SCREEN_SIZE + MARGIN; i++)
        assert_int_equal(screen[i], JUNK);
}

static void assert_glyph(unsigned column, unsigned row, char c, unsigned scale, uint32_t ink)
{
    for (unsigned y = 0; y < FONT_HEIGHT * scale; y++) {
        for (unsigned x = 0; x < FONT_WIDTH * scale; x++) {
            bool lit = font_glyphs[c - FONT_FIRST][y / scale] & 0x80 >> x / scale;

            assert_int_equal(pixel(column * FONT_WIDTH * scale + x, row * FONT_HEIGHT * scale + y),
                             lit ? ink : 0);
        }
    }
}

static void test_init_clears(void **state)
{
    (void)state;
    start(100, 40, 416, 32);
    for (unsigned y = 0; y < 40; y++) {
        for (unsigned x = 0; x < 100; x++)
            assert_int_equal(pixel(x, y), 0);
    }
    assert_margins();
}

static void test_pixel_formats(void **state)
{
    static const struct {
        uint8_t bits;
        uint32_t pitch;
        uint32_t ink;
    } rows[] = {
        {15, 82, 24 << 10 | 24 << 5 | 24},
        {16, 82, 24 << 11 | 48 << 5 | 24},
        {24, 121, 0xc0c0c0},
        {32, 164, 0xc0c0c0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(40, 32, rows[i].pitch, rows[i].bits);
        framebuffer_write("Ag\nz", 4);
        assert_glyph(0, 0, 'A', 1, rows[i].ink);
        assert_glyph(1, 0, 'g', 1, rows[i].ink);
        assert_glyph(0, 1, 'z', 1, rows[i].ink);
        assert_glyph(4, 1, ' ', 1, rows[i].ink);
        assert_margins();
    }
}

/* Colours in another order and of other sizes: ten bits each, blue at the top. */
static void test_colour_fields(void **state)
{
    (void)state;
    start(16, 16, 64, 32);
    mode.red = (struct framebuffer_field){0, 10};
    mode.green = (struct framebuffer_field){10, 10};
    mode.blue = (struct framebuffer_field){22, 10};
    assert_int_equal(framebuffer_init(screen, &mode), HV_OK);
    framebuffer_write("M", 1);
    assert_glyph(0, 0, 'M', 1, 0x300u | 0x300u << 10 | 0x300u << 22);
}

/* Above 1600 pixels of width characters are twice as large; at 1600 they are not. */
static void test_double_size(void **state)
{
    (void)state;
    start(1601, 64, 6404, 32);
    framebuffer_write("Q\nq", 3);
    assert_glyph(0, 0, 'Q', 2, 0xc0c0c0);
    assert_glyph(0, 1, 'q', 2, 0xc0c0c0);
    assert_margins();
    start(1600, 64, 6400, 32);
    framebuffer_write("Q\nq", 3);
    assert_glyph(0, 0, 'Q', 1, 0xc0c0c0);
    assert_glyph(0, 1, 'q', 1, 0xc0c0c0);
    start(1700, 31, 6800, 32); /* no room for one twice as large */
    framebuffer_write("Q", 1);
    assert_glyph(0, 0, 'Q', 1, 0xc0c0c0);
}

static void test_wrap_and_scroll(void **state)
{
    (void)state;
    start(44, 50, 176, 32); /* 5 characters by 3, some pixels over */
    framebuffer_write("abcdefg\n", 8);
    assert_glyph(4, 0, 'e', 1, 0xc0c0c0);
    assert_glyph(0, 1, 'f', 1, 0xc0c0c0);
    framebuffer_write("hi\nj", 4);
    assert_glyph(0, 0, 'f', 1, 0xc0c0c0);
    assert_glyph(1, 0, 'g', 1, 0xc0c0c0);
    assert_glyph(4, 0, ' ', 1, 0xc0c0c0); /* the e is gone */
    assert_glyph(1, 1, 'i', 1, 0xc0c0c0);
    assert_glyph(0, 2, 'j', 1, 0xc0c0c0);
    assert_glyph(1, 2, ' ', 1, 0xc0c0c0);
    assert_margins();
}

/* What cannot be shown is a question mark: no byte reads beyond the font. */
static void test_unprintable(void **state)
{
    static char all[256];

    (void)state;
    start(80, 32, 320, 32);
    framebuffer_write("\x01\x7f\x80\xff", 4);
    for (unsigned i = 0; i < 4; i++)
        assert_glyph(i, 0, '?', 1, 0xc0c0c0);
    for (unsigned i = 0; i < 256; i++)
        all[i] = (char)i;
    framebuffer_write(all, sizeof(all));
    assert_margins();
}

/* A screen larger than the grid: the rest stays black. */
static void test_larger_than_grid(void **state)
{
    char line[FRAMEBUFFER_MAX_COLUMNS + 1];

    (void)state;
    start(32, 100 * FONT_HEIGHT, 128, 32);
    for (unsigned i = 0; i < FRAMEBUFFER_MAX_ROWS + 2; i++)
        framebuffer_write("x\n", 2);
    assert_glyph(0, FRAMEBUFFER_MAX_ROWS - 2, 'x', 1, 0xc0c0c0);
    assert_glyph(0, FRAMEBUFFER_MAX_ROWS - 1, ' ', 1, 0xc0c0c0);
    assert_glyph(0, FRAMEBUFFER_MAX_ROWS, ' ', 1, 0xc0c0c0);

    memset(line, 'y', sizeof(line));
    start(257 * 16, 64, 257 * 32, 16);
    framebuffer_write(line, sizeof(line));
    assert_glyph(255, 0, 'y', 2, 24 << 11 | 48 << 5 | 24);
    assert_glyph(256, 0, ' ', 2, 0);
    assert_glyph(0, 1, 'y', 2, 24 << 11 | 48 << 5 | 24);
    assert_margins();
}

static void assert_refused(enum hv_status status, uint8_t *pixels, struct framebuffer_mode bad)
{
    memset(memory, JUNK, sizeof(memory));
    assert_int_equal(framebuffer_init(pixels, &bad), status);
    for (size_t i = 0; i < sizeof(memory); i++)
        assert_int_equal(memory[i], JUNK);
}

static void test_refused_modes(void **state)
{
    static const struct framebuffer_field low = {0, 5}, beyond = {12, 5}, none = {0, 0};
    static const struct framebuffer_field wide = {0, 17};

    (void)state;
    assert_refused(HV_ENOTSUP, screen, (struct framebuffer_mode){64, 32, 64, 8, red, green, blue});
    assert_refused(HV_ENOTSUP, screen, (struct framebuffer_mode){64, 32, 64, 0, red, green, blue});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){7, 32, 64, 32, red, green, blue});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){64, 15, 256, 32, red, green, blue});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){64, 32, 252, 32, red, green, blue});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){64, 32, 258, 32, red, green, blue});
    assert_refused(HV_EINVAL, screen + 2,
                   (struct framebuffer_mode){64, 32, 256, 32, red, green, blue});
    assert_refused(HV_EINVAL, screen,
                   (struct framebuffer_mode){0x40000000, 32, 256, 32, red, green, blue});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){64, 32, 128, 16, beyond, low, low});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){64, 32, 256, 32, red, none, blue});
    assert_refused(HV_EINVAL, screen, (struct framebuffer_mode){64, 32, 256, 32, red, green, wide});
}

static void test_before_init(void **state)
{
    (void)state;
    framebuffer_write("nobody listens", 14); /* must not crash */
}

static unsigned lit_rows(unsigned n, unsigned first, unsigned last)
{
    unsigned count = 0;

    for (unsigned row = first; row <= last; row++)
        count += font_glyphs[n][row] != 0;
    return count;
}

/* Every character but the space shows something, no two are alike, none touches its neighbours. */
static void test_font(void **state)
{
    enum { COUNT = FONT_LAST - FONT_FIRST + 1 };

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(lit_rows(i, 0, FONT_HEIGHT - 1) == 0, i == 0);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(font_glyphs[i], font_glyphs[j], FONT_HEIGHT);
        for (unsigned row = 0; row < FONT_HEIGHT; row++)
            assert_int_equal(font_glyphs[i][row] & 1, 0);
        assert_int_equal(font_glyphs[i][0], 0);
        assert_int_equal(font_glyphs[i][FONT_HEIGHT - 1], 0);
    }
    for (char c = 'A'; c <= 'Z'; c++) { /* capitals stand on the base line, ten rows high */
        assert_int_equal(lit_rows((unsigned)(c - FONT_FIRST), 2, 11), 10);
        assert_int_equal(lit_rows((unsigned)(c - FONT_FIRST), 12, 15), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_init), /* first */
        cmocka_unit_test(test_init_clears),
        cmocka_unit_test(test_pixel_formats),
        cmocka_unit_test(test_colour_fields),
        cmocka_unit_test(test_double_size),
        cmocka_unit_test(test_wrap_and_scroll),
        cmocka_unit_test(test_unprintable),
        cmocka_unit_test(test_larger_than_grid),
        cmocka_unit_test(test_refused_modes),
        cmocka_unit_test(test_font),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
