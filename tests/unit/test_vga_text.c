/* The console on a VGA text screen, on an array and a model of the CRTC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "drivers/vga/text.h"

enum { COLUMNS = 80, ROWS = 25, CELLS = COLUMNS * ROWS, GUARD = 0xdead };

static uint16_t screen[CELLS + 1];
static uint8_t crtc[256];
static uint8_t crtc_index;

void model_outb(uint16_t port, uint8_t value)
{
    if (port == 0x3d4)
        crtc_index = value;
    else if (port == 0x3d5)
        crtc[crtc_index] = value;
    else
        fail_msg("write to port %#x", port);
}

uint8_t model_inb(uint16_t port)
{
    assert_int_equal(port, 0x3d5);
    return crtc[crtc_index];
}

static void start(enum vga_text_start how)
{
    memset(crtc, 0xee, sizeof(crtc));
    screen[CELLS] = GUARD;
    assert_int_equal(vga_text_init(screen, COLUMNS, ROWS, how), HV_OK);
}

static void clear_start(void)
{
    for (unsigned i = 0; i < CELLS; i++)
        screen[i] = 0x1f41;
    start(VGA_TEXT_CLEAR);
}

static void put(const char *text)
{
    vga_text_write(text, strlen(text));
    assert_int_equal(screen[CELLS], GUARD);
}

/* The row holds exactly this text, then blanks, all in light grey on black. */
static void assert_row(unsigned row, const char *text)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        uint8_t want = i < strlen(text) ? (uint8_t)text[i] : ' ';

        assert_int_equal(screen[row * COLUMNS + i], 0x0700 | want);
    }
}

static void assert_cursor(unsigned row, unsigned column)
{
    assert_int_equal(crtc[0x0e] << 8 | crtc[0x0f], row * COLUMNS + column);
    assert_int_equal(vga_text_cursor(), row * COLUMNS + column);
}

static void test_clear(void **state)
{
    (void)state;
    clear_start();
    for (unsigned row = 0; row < ROWS; row++)
        assert_row(row, "");
    assert_cursor(0, 0);
    assert_int_equal(crtc[0x0c], 0); /* the screen begins at its memory's begin */
    assert_int_equal(crtc[0x0d], 0);
}

static void test_lines(void **state)
{
    (void)state;
    clear_start();
    put("gdbvisor\nsecond");
    assert_row(0, "gdbvisor");
    assert_row(1, "second");
    assert_cursor(1, 6);
    put(" line\n");
    assert_row(1, "second line");
    assert_cursor(2, 0);
}

static void test_control_characters(void **state)
{
    (void)state;
    clear_start();
    put("ab\rX\n");
    assert_row(0, "Xb");
    put("a\tb\t\tc\n");
    assert_row(1, "a       b               c");
    put("abc\b\bX\n");
    assert_row(2, "aXc");
    put("\b\bfirst\n");
    assert_row(3, "first");
    put("\x01\x7f\xff\x1b[m\n");
    assert_row(4, "????[m");
    vga_text_write("a\0b", 3);
    assert_row(5, "a?b");
}

/* A line as wide as the screen and its newline leave no empty row; one more character wraps. */
static void test_wrap(void **state)
{
    char wide[COLUMNS + 1];

    (void)state;
    memset(wide, 'w', COLUMNS);
    wide[COLUMNS] = '\0';
    clear_start();
    put(wide);
    assert_cursor(0, 79);
    put("\nnext\n");
    assert_row(0, wide);
    assert_row(1, "next");
    put(wide);
    put("x");
    assert_row(2, wide);
    assert_row(3, "x");
    assert_cursor(3, 1);
}

static void test_tab_at_edge(void **state)
{
    (void)state;
    clear_start();
    for (unsigned i = 0; i < 9; i++)
        put("\t");
    put("1234567\tx");
    assert_cursor(1, 1);
    assert_row(1, "x");
}

static void test_scroll(void **state)
{
    char line[] = "line A\n";

    (void)state;
    clear_start();
    for (char c = 'A'; c < 'A' + 26; c++) {
        line[5] = c;
        put(line);
    }
    /* 26 lines and the row of the cursor: two went off the top. */
    assert_row(0, "line C");
    assert_row(1, "line D");
    assert_row(23, "line Z");
    assert_row(24, "");
    assert_cursor(24, 0);
}

static void test_below_existing_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CELLS; i++)
        screen[i] = 0x0720;
    screen[3 * COLUMNS + 5] = 0x1f47; /* a G, white on blue */
    screen[3 * COLUMNS + 79] = 0x1fb3;
    screen[4 * COLUMNS] = 0x1f00;
    start(VGA_TEXT_BELOW);
    assert_cursor(4, 0);
    put("here");
    assert_row(4, "here");
    assert_int_equal(screen[3 * COLUMNS + 5] & 0xff, 'G');
    assert_int_equal(screen[3 * COLUMNS + 79] & 0xff, 0xb3);
    assert_row(0, "");
}

static void test_below_full_screen_scrolls(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CELLS; i++)
        screen[i] = (uint16_t)(0x0700 | ('A' + i / COLUMNS));
    start(VGA_TEXT_BELOW);
    assert_cursor(24, 0);
    assert_row(24, "");
    assert_int_equal(screen[0], 0x0700 | 'B');
    assert_int_equal(screen[23 * COLUMNS], 0x0700 | 'Y');
}

static void test_below_empty_screen(void **state)
{
    (void)state;
    memset(screen, 0, sizeof(screen));
    start(VGA_TEXT_BELOW);
    assert_cursor(0, 0);
    assert_row(0, "");
}

/* Somebody else has written to the screen: another init takes that over. */
static void test_init_again(void **state)
{
    (void)state;
    clear_start();
    put("ours\n");
    screen[0] = 0x0747; /* the guest's G */
    screen[10 * COLUMNS] = 0x0748;
    start(VGA_TEXT_BELOW);
    put("stopped");
    assert_row(0, "Gurs");
    assert_row(10, "H");
    assert_row(11, "stopped");
}

static void test_refused_sizes(void **state)
{
    (void)state;
    clear_start();
    assert_int_equal(vga_text_init(screen, 0, 25, VGA_TEXT_CLEAR), HV_EINVAL);
    assert_int_equal(vga_text_init(screen, 80, 0, VGA_TEXT_CLEAR), HV_EINVAL);
    assert_int_equal(vga_text_init(screen, 80, 205, VGA_TEXT_CLEAR), HV_EINVAL);
    assert_int_equal(vga_text_init(screen, 0x10000, 0x10000, VGA_TEXT_CLEAR), HV_EINVAL);
    put("still here"); /* a refused init changes nothing */
    assert_row(0, "still here");
}

static void test_one_row_one_column(void **state)
{
    (void)state;
    screen[0] = 0;
    screen[1] = GUARD;
    assert_int_equal(vga_text_init(screen, 1, 1, VGA_TEXT_CLEAR), HV_OK);
    vga_text_write("abc", 3);
    assert_int_equal(screen[0], 0x0700 | 'c');
    assert_int_equal(screen[1], GUARD);
    vga_text_write("\t\n", 2);
    assert_int_equal(screen[0], 0x0720);
}

static void test_before_init(void **state)
{
    (void)state;
    vga_text_write("nobody listens", 14); /* must not crash */
    assert_int_equal(screen[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_init), /* first */
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_tab_at_edge),
        cmocka_unit_test(test_scroll),
        cmocka_unit_test(test_below_existing_text),
        cmocka_unit_test(test_below_full_screen_scrolls),
        cmocka_unit_test(test_below_empty_screen),
        cmocka_unit_test(test_init_again),
        cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_one_row_one_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
