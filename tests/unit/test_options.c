/* boot/options.c, boot/option_values.c: the option line and what it says of bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/options.h"

static struct boot_options options;
static struct boot_option_errors errors;

/* Reads a line that must be good. */
static const struct boot_options *good(const char *line)
{
    if (!boot_options_parse(line, true, &options, &errors))
        fail_msg("%s: %s", line, errors.text[0]);
    assert_int_equal(errors.total, 0);
    return &options;
}

/* Reads a line with exactly one error and returns its text. */
static const char *bad(const char *line)
{
    if (boot_options_parse(line, true, &options, &errors))
        fail_msg("%s: taken", line);
    assert_int_equal(errors.total, 1);
    return errors.text[0];
}

static void test_defaults(void **state)
{
    (void)state;
    good("");
    assert_int_equal(options.gdb.kind, BOOT_GDB_PORT);
    assert_int_equal(options.gdb.com, 1);
    assert_int_equal(options.gdb.address, 0x3f8);
    assert_int_equal(options.gdb.stride, 1);
    assert_int_equal(options.gdb.baud, 115200);
    assert_int_equal(options.gdb.clock, 1843200);
    assert_false(options.gdb.rtscts);
    assert_int_equal(options.guest.kind, BOOT_GUEST_MODULE);
    assert_int_equal(options.stop, BOOT_STOP_ENTRY);
    assert_int_equal(options.console.kind, BOOT_CONSOLE_VGA);
    assert_int_equal(options.ap, BOOT_AP_AUTO);
    assert_int_equal(options.trace, 256 << 10);
    assert_false(options.keep_going);

    assert_true(boot_options_parse("", false, &options, &errors));
    assert_int_equal(options.guest.kind, BOOT_GUEST_NEXT);
}

static void test_gdb(void **state)
{
    static const uint16_t ports[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    char line[32];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        snprintf(line, sizeof(line), "gdb=com%u,9600", i + 1);
        good(line);
        assert_int_equal(options.gdb.kind, BOOT_GDB_PORT);
        assert_int_equal(options.gdb.com, i + 1);
        assert_int_equal(options.gdb.address, ports[i]);
        assert_int_equal(options.gdb.baud, 9600);
    }
    assert_int_equal(good("gdb=io:0xe000")->gdb.address, 0xe000);
    assert_int_equal(options.gdb.kind, BOOT_GDB_PORT);
    assert_int_equal(options.gdb.com, 0);
    assert_int_equal(good("gdb=io:1000,57600")->gdb.address, 1000);
    assert_int_equal(options.gdb.baud, 57600);
    assert_int_equal(good("gdb=io:0xfff8")->gdb.address, 0xfff8);
    assert_int_equal(good("gdb=mmio:0xfe031000")->gdb.address, 0xfe031000);
    assert_int_equal(options.gdb.kind, BOOT_GDB_MMIO);
    assert_int_equal(options.gdb.stride, 1);
    assert_int_equal(good("gdb=mmio:0xfe031000:4,38400")->gdb.stride, 4);
    assert_int_equal(options.gdb.baud, 38400);
    assert_int_equal(good("gdb=mmio:0xfe031000:2")->gdb.stride, 2);
    assert_int_equal(good("gdb=mmio:0xfe031000:8")->gdb.stride, 8);
    assert_int_equal(good("gdb=auto,19200")->gdb.kind, BOOT_GDB_AUTO);
    assert_int_equal(options.gdb.baud, 19200);
    assert_int_equal(good("gdb=none")->gdb.kind, BOOT_GDB_NONE);
}

static void test_gdb_refused(void **state)
{
    (void)state;
    assert_string_equal(bad("gdb=com9"),
                        "gdb=com9: no such port; use com1..com4, io:PORT, mmio:ADDR[:STRIDE], auto "
                        "or none; ,BAUD ,clock=HZ and ,rtscts may follow");
    assert_int_equal(options.gdb.com, 1); /* as it was */
    assert_non_null(strstr(bad("gdb="), "gdb=: no such port"));
    assert_non_null(strstr(bad("gdb"), "gdb: a value is missing; use com1"));
    assert_non_null(strstr(bad("gdb=com"), "no such port"));
    assert_non_null(strstr(bad("gdb=com12"), "no such port"));
    assert_non_null(strstr(bad("gdb=com0"), "no such port"));
    assert_non_null(strstr(bad("gdb=COM1"), "no such port"));
    assert_non_null(strstr(bad("gdb=io:"), "the port is not a number from 1 to 0xfff8"));
    assert_non_null(strstr(bad("gdb=io:0"), "the port is not"));
    assert_non_null(strstr(bad("gdb=io:0xfff9"), "the port is not"));
    assert_non_null(strstr(bad("gdb=io:3f8"), "the port is not"));
    assert_non_null(strstr(bad("gdb=mmio:"), "the address is not a number"));
    assert_non_null(strstr(bad("gdb=mmio:0"), "no such address"));
    assert_non_null(strstr(bad("gdb=mmio:0x1002:4"), "no such address"));
    assert_non_null(strstr(bad("gdb=mmio:0x10000000000000"), "no such address"));
    assert_non_null(strstr(bad("gdb=mmio:0xffffffffffffffff"), "no such address"));
    assert_non_null(strstr(bad("gdb=mmio:0x1000:3"), "the stride is not 1, 2, 4 or 8"));
    assert_non_null(strstr(bad("gdb=mmio:0x1000:16"), "the stride is not"));
    assert_non_null(strstr(bad("gdb=mmio:0x1000:0"), "the stride is not"));
    assert_non_null(strstr(bad("gdb=mmio:0x1000:"), "the stride is not"));
    assert_non_null(strstr(bad("gdb=com1,"), "the baud rate is not a number"));
    assert_non_null(strstr(bad("gdb=com1,fast"), "the baud rate is not a number"));
    assert_non_null(strstr(bad("gdb=com1,100000"), "gdb=com1,100000: no whole divisor"));
    assert_non_null(strstr(bad("gdb=com1,0"), "no whole divisor"));
}

/* How fast, and how the other side is held back. */
static void test_gdb_line(void **state)
{
    (void)state;
    good("gdb=com2,1500000,clock=24000000,rtscts");
    assert_int_equal(options.gdb.com, 2);
    assert_int_equal(options.gdb.baud, 1500000);
    assert_int_equal(options.gdb.clock, 24000000);
    assert_true(options.gdb.rtscts);
    good("gdb=mmio:0xfe031000:4,rtscts,clock=0x2a30000,921600"); /* in any order */
    assert_int_equal(options.gdb.stride, 4);
    assert_int_equal(options.gdb.baud, 921600);
    assert_int_equal(options.gdb.clock, 44236800);
    good("gdb=com1,rtscts");
    assert_int_equal(options.gdb.baud, 115200);
    assert_int_equal(options.gdb.clock, 1843200);
    assert_true(options.gdb.rtscts);
    good("gdb=com1,9600");
    assert_false(options.gdb.rtscts);
    assert_non_null(strstr(bad("gdb=com1,1500000"), "no whole divisor"));
    assert_non_null(strstr(bad("gdb=com1,clock=0"), "the clock is not a number"));
    assert_non_null(strstr(bad("gdb=com1,clock=15"), "the clock is not a number"));
    assert_non_null(strstr(bad("gdb=com1,clock="), "the clock is not a number"));
    assert_non_null(strstr(bad("gdb=com1,clock=0x100000000"), "the clock is not a number"));
    assert_non_null(strstr(bad("gdb=com1,921600,clock=62500000"), "no whole divisor"));
    assert_non_null(strstr(bad("gdb=com1,9600,"), "the baud rate is not a number"));
    assert_non_null(strstr(bad("gdb=com1,rts"), "the baud rate is not a number"));
    assert_non_null(strstr(bad("gdb=com1,18446744073709551615"), "no whole divisor"));
    assert_int_equal(options.gdb.baud, 115200);
}

/* USER-7 */
static void test_guest_console(void **state)
{
    (void)state;
    good("");
    assert_false(options.guest_console);
    good("console=guest");
    assert_true(options.guest_console);
    assert_int_equal(options.console.kind, BOOT_CONSOLE_VGA);
    good("gdb=com1 console=com2,guest");
    assert_true(options.guest_console);
    assert_int_equal(options.console.com, 2);
    good("console=none,guest gdb=auto");
    assert_true(options.guest_console);
    assert_int_equal(options.console.kind, BOOT_CONSOLE_NONE);
    good("console=guest console=vga");
    assert_false(options.guest_console);
    assert_non_null(strstr(bad("console=com2,host"), "only ,guest may follow"));
    assert_non_null(strstr(bad("console=guest,com2"), "only ,guest may follow"));
    assert_string_equal(bad("console=guest gdb=none"),
                        "console=guest: gdb=none has no line for it; use gdb=com1..com4, io:PORT "
                        "or auto with it");
    assert_false(options.guest_console);
    assert_string_equal(bad("console=guest gdb=mmio:0xfe031000"),
                        "console=guest: gdb=mmio: has no ports and no known interrupt, so what is "
                        "typed would not be heard; use gdb=com1..com4, io:PORT or auto with it");
    assert_false(options.guest_console);
    bad("console=com1,guest gdb=com1");
}

static void test_guest(void **state)
{
    char line[400];

    (void)state;
    assert_int_equal(good("guest=next")->guest.kind, BOOT_GUEST_NEXT);
    assert_int_equal(good("guest=module")->guest.kind, BOOT_GUEST_MODULE);
    assert_int_equal(good("guest=disk:127")->guest.kind, BOOT_GUEST_DISK);
    assert_int_equal(options.guest.disk, 127);
    assert_int_equal(good("guest=disk:0")->guest.disk, 0);
    assert_int_equal(good("guest=efi:\\EFI\\debian\\grubx64.efi")->guest.kind, BOOT_GUEST_EFI);
    assert_string_equal(options.guest.path, "\\EFI\\debian\\grubx64.efi");
    /* As GRUB passes it on: the word in quotes, backslashes doubled. */
    good("\"guest=efi:\\\\EFI\\\\My Disk\\\\x.efi\" stop=none");
    assert_string_equal(options.guest.path, "\\EFI\\My Disk\\x.efi");
    assert_int_equal(options.stop, BOOT_STOP_NONE);

    assert_string_equal(bad("guest=linux"),
                        "guest=linux: no such guest; use next, disk:N, module or efi:\\PATH");
    assert_non_null(strstr(bad("guest=disk:128"), "the disk is not a number from 0 to 127"));
    assert_non_null(strstr(bad("guest=disk:"), "the disk is not"));
    assert_non_null(strstr(bad("guest=disk"), "no such guest"));
    assert_non_null(strstr(bad("guest=efi:x.efi"), "does not begin with a backslash"));
    assert_non_null(strstr(bad("guest=efi:\\"), "names no file"));
    assert_non_null(strstr(bad("guest=efi:\\\\"), "names no file"));
    memset(line, 'a', sizeof(line));
    memcpy(line, "guest=efi:\\", 11);
    line[10 + 256] = '\0';
    assert_non_null(strstr(bad(line), "too long"));
    line[10 + 255] = '\0';
    assert_int_equal(strlen(good(line)->guest.path), 255);
}

static void test_guest_without_module(void **state)
{
    (void)state;
    assert_false(boot_options_parse("guest=module", false, &options, &errors));
    assert_int_equal(errors.total, 1);
    assert_non_null(
        strstr(errors.text[0], "guest=module: there is no module; use a `module2` line"));
    assert_int_equal(options.guest.kind, BOOT_GUEST_NEXT);
}

static void test_the_rest(void **state)
{
    (void)state;
    assert_int_equal(good("stop=none")->stop, BOOT_STOP_NONE);
    assert_int_equal(good("stop=entry")->stop, BOOT_STOP_ENTRY);
    assert_int_equal(good("stop=ap")->stop, BOOT_STOP_AP);
    assert_int_equal(good("console=vga")->console.kind, BOOT_CONSOLE_VGA);
    assert_int_equal(good("console=none")->console.kind, BOOT_CONSOLE_NONE);
    assert_int_equal(good("console=com2")->console.kind, BOOT_CONSOLE_COM);
    assert_int_equal(options.console.com, 2);
    assert_int_equal(options.console.port, 0x2f8);
    assert_int_equal(good("ap=icr")->ap, BOOT_AP_ICR);
    assert_int_equal(good("ap=auto")->ap, BOOT_AP_AUTO);
    assert_true(good("keep-going")->keep_going);

    assert_string_equal(bad("stop=kernel"),
                        "stop=kernel: no such place to stop; use entry, ap or none");
    assert_string_equal(bad("console=com5"),
                        "console=com5: no such console; use vga, com1..com4 or none; ,guest may "
                        "follow, or guest");
    assert_int_equal(good("trace=16M")->trace, 16 << 20);
    assert_int_equal(good("trace=1024M")->trace, 1 << 30);
    assert_int_equal(good("trace=64K")->trace, 64 << 10);
    assert_int_equal(good("trace=4097")->trace, 8192);
    assert_int_equal(good("trace=0x1000")->trace, 4096);
    assert_int_equal(good("trace=0")->trace, 0);
    assert_string_equal(bad("trace=1025M"), "trace=1025M: not a size of at most 1024M; use SIZE, "
                                            "with K or M behind it: 256K");
    assert_int_equal(options.trace, 256 << 10);
    assert_non_null(strstr(bad("trace=M"), "not a size"));
    assert_non_null(strstr(bad("trace="), "not a size"));
    assert_non_null(strstr(bad("trace=18446744073709551615K"), "not a size"));
    assert_string_equal(bad("ap=sipi"), "ap=sipi: no such way; use auto or icr");
    assert_non_null(strstr(bad("keep-going=1"), "keep-going=1: it takes no value"));
    assert_false(options.keep_going);
    assert_string_equal(
        bad("quiet"),
        "quiet: unknown option; use gdb=, guest=, stop=, console=, ap=, trace= or keep-going");
    assert_non_null(strstr(bad("gdbx=com1"), "unknown option"));
    assert_non_null(strstr(bad("gd=com1"), "unknown option"));
    assert_non_null(strstr(bad("=com1"), "=com1: unknown option"));
}

/* The last good one counts; earlier bad ones are told all the same. */
static void test_given_twice(void **state)
{
    (void)state;
    assert_int_equal(good("gdb=com2 gdb=com3,9600")->gdb.com, 3);
    assert_int_equal(good("stop=none stop=entry")->stop, BOOT_STOP_ENTRY);
    bad("gdb=com9 gdb=com2");
    assert_int_equal(options.gdb.com, 2);
    bad("gdb=com2,9600 gdb=com9");
    assert_int_equal(options.gdb.com, 2);
    assert_int_equal(options.gdb.baud, 9600);
    assert_int_equal(good("gdb=com2,9600 gdb=com2")->gdb.baud, 115200);
}

static void test_one_uart_for_two(void **state)
{
    (void)state;
    assert_non_null(strstr(bad("console=com1"), "console=com1: gdb= has that UART; use another"));
    assert_int_equal(options.console.kind, BOOT_CONSOLE_NONE);
    assert_int_equal(options.gdb.com, 1);
    bad("console=com2 gdb=com2");
    bad("console=com2 gdb=io:0x2f8");
    bad("console=com2 gdb=io:0x2f1"); /* the ranges overlap */
    bad("console=com2 gdb=io:0x2ff");
    good("console=com2 gdb=io:0x2f0");
    good("console=com2 gdb=io:0x300");
    good("console=com1 gdb=com2");
    good("console=com1 gdb=none");
    good("console=com1 gdb=auto"); /* the search passes over it */
    good("console=com1 gdb=mmio:0x3f8");
}

static void test_many_errors(void **state)
{
    (void)state;
    assert_false(
        boot_options_parse("a b gdb=x keep-going stop=? c d e f", true, &options, &errors));
    assert_int_equal(errors.total, 8);
    assert_non_null(strstr(errors.text[0], "a: unknown"));
    assert_non_null(strstr(errors.text[2], "gdb=x: no such port"));
    assert_non_null(strstr(errors.text[BOOT_OPTION_ERRORS_MAX - 1], "d: unknown"));
    assert_true(options.keep_going);
}

static void test_long_and_dirty_words(void **state)
{
    char line[600];

    (void)state;
    memset(line, 'x', sizeof(line));
    line[599] = '\0';
    assert_memory_equal(bad(line), "xxxxxxxx", 8);
    assert_non_null(strstr(errors.text[0], "xxx...: unknown option; use gdb="));
    assert_true(strlen(errors.text[0]) < BOOT_OPTION_ERROR_SIZE - 1); /* not cut */
    assert_non_null(strstr(bad("\033[2J\001\377"), "?[2J??: unknown"));
    memcpy(line, "gdb=", 4);
    assert_non_null(strstr(bad(line), "; use com1..com4"));
    assert_true(strlen(errors.text[0]) < BOOT_OPTION_ERROR_SIZE - 1);
}

static void test_com_ports(void **state)
{
    (void)state;
    assert_int_equal(boot_com_port(0), 0);
    assert_int_equal(boot_com_port(4), 0x2e8);
    assert_int_equal(boot_com_port(5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_gdb),
        cmocka_unit_test(test_gdb_refused),
        cmocka_unit_test(test_gdb_line),
        cmocka_unit_test(test_guest),
        cmocka_unit_test(test_guest_console),
        cmocka_unit_test(test_guest_without_module),
        cmocka_unit_test(test_the_rest),
        cmocka_unit_test(test_given_twice),
        cmocka_unit_test(test_one_uart_for_two),
        cmocka_unit_test(test_many_errors),
        cmocka_unit_test(test_long_and_dirty_words),
        cmocka_unit_test(test_com_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
