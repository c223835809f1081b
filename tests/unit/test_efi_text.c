/* boot/efi/text.c: options as UEFI gives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/text.h"
#include "hv/types.h"

static char line[64];

static enum hv_status config(const char *text, size_t size)
{
    memset(line, 'x', sizeof(line));
    return efi_text_config((const uint8_t *)text, size, line, sizeof(line));
}

#define CONFIG(text) assert_int_equal(config(text, sizeof(text) - 1), HV_OK)

static void test_config_lines(void **state)
{
    (void)state;
    CONFIG("gdb=com2\nstop=none\n");
    assert_string_equal(line, "gdb=com2 stop=none");
    CONFIG("gdb=com2\r\nstop=none"); /* CRLF; no final newline */
    assert_string_equal(line, "gdb=com2 stop=none");
    CONFIG("  gdb=com2 \t stop=none  \r\n\r\n\n");
    assert_string_equal(line, "gdb=com2 stop=none");
    CONFIG("");
    assert_string_equal(line, "");
    CONFIG("\r\n");
    assert_string_equal(line, "");
}

static void test_config_comments(void **state)
{
    (void)state;
    CONFIG("# all\n#\ngdb=com2 # why\r\n  # more\nstop=none#1");
    assert_string_equal(line, "gdb=com2 stop=none#1");
    CONFIG("guest=\"efi:\\a # b\" # c");
    assert_string_equal(line, "guest=\"efi:\\a # b\"");
    CONFIG("#x");
    assert_string_equal(line, "");
}

static void test_config_encodings(void **state)
{
    (void)state;
    CONFIG("\xef\xbb\xbfgdb=com2\n");
    assert_string_equal(line, "gdb=com2");
    CONFIG("\xff\xfeg\0d\0\r\0\n\0b\0"); /* UTF-16, little-endian */
    assert_string_equal(line, "gd b");
    CONFIG("\xfe\xff\0g\0d\0\r\0\n\0b"); /* and big-endian */
    assert_string_equal(line, "gd b");
    CONFIG("\xff\xfeg\0d\0x"); /* half a character at the end */
    assert_string_equal(line, "gd");
    CONFIG("a\xc3\xbc\x62 \xe2\x82\xac"); /* UTF-8 beyond ASCII: one '?' for each character */
    assert_string_equal(line, "a?b ?");
    CONFIG("\xff\xfe\xac\x20"); /* and UTF-16 */
    assert_string_equal(line, "?");
    CONFIG("\xff\xfe");
    assert_string_equal(line, "");
}

/* Spaces inside of quotes belong to the value, as many as there are. */
static void test_config_quotes(void **state)
{
    (void)state;
    CONFIG("guest=\"efi:\\a  b\"   x");
    assert_string_equal(line, "guest=\"efi:\\a  b\" x");
    CONFIG("guest=\"efi:\\a\nstop=none  x"); /* a forgotten quote ends with its line */
    assert_string_equal(line, "guest=\"efi:\\a stop=none x");
}

static void test_config_too_long(void **state)
{
    char text[80];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(config(text, 63), HV_OK);
    assert_int_equal(strlen(line), 63);
    assert_int_equal(config(text, 64), HV_ENOSPC);
    assert_string_equal(line, "");
    memcpy(text + 63, " \r\n# why\r\n", 10); /* what would be too much is blank, or a comment */
    assert_int_equal(config(text, 73), HV_OK);
    assert_int_equal(strlen(line), 63);
    assert_int_equal(config(text, 74), HV_ENOSPC);
}

/* Not what it has to be: it is said, and not taken for an end or for nothing. */
static void test_config_no_text(void **state)
{
    (void)state;
    assert_int_equal(config("g\0d\0b\0", 6), HV_EINVAL); /* UTF-16 without a mark */
    assert_string_equal(line, "");
    assert_int_equal(config("\0g\0d\0b", 6), HV_EINVAL);
    assert_int_equal(config("gdb=com2\n\x01stop=none", 19), HV_EINVAL);
    assert_string_equal(line, "");
    assert_int_equal(config("\xff\xfeg\0\0\0d\0", 8), HV_EINVAL);
    assert_int_equal(config("MZ\x90\0\x03\0\0\0", 8), HV_EINVAL);
    CONFIG("gdb=com2\0"); /* a terminator at the end is none of the text */
    assert_string_equal(line, "gdb=com2");
}

static enum hv_status options(const char *text, size_t size, const char *own)
{
    memset(line, 'x', sizeof(line));
    return efi_text_load_options((const uint8_t *)text, size, own, line, sizeof(line));
}

#define OPTIONS(text, own) assert_int_equal(options(text, sizeof(text) - 1, own), HV_OK)

static void test_load_options_utf16(void **state)
{
    (void)state;
    OPTIONS("g\0d\0b\0=\0x\0\0\0", "BOOTX64.EFI");
    assert_string_equal(line, "gdb=x");
    OPTIONS("g\0d\0b\0=\0x\0", "BOOTX64.EFI"); /* without terminator */
    assert_string_equal(line, "gdb=x");
    OPTIONS("g\0\0\0x\0", ""); /* what follows the terminator is not ours */
    assert_string_equal(line, "g");
    OPTIONS("\0\0", "");
    assert_string_equal(line, "");
    assert_int_equal(options(NULL, 0, ""), HV_OK);
    assert_string_equal(line, "");
}

/* efibootmgr without -u writes bytes. */
static void test_load_options_ascii(void **state)
{
    (void)state;
    OPTIONS("gdb=com2 stop=none", "gdbvisor.efi");
    assert_string_equal(line, "gdb=com2 stop=none");
    OPTIONS("gdb=com2\0\x01\x02", "gdbvisor.efi");
    assert_string_equal(line, "gdb=com2");
}

/* A shell passes the program's name as it was typed. */
static void test_load_options_program(void **state)
{
    (void)state;
    OPTIONS("gdbvisor.efi gdb=com2", "gdbvisor.efi");
    assert_string_equal(line, "gdb=com2");
    OPTIONS("FS0:\\tools\\GDBVISOR.EFI  gdb=com2", "x.efi");
    assert_string_equal(line, "gdb=com2");
    OPTIONS("gdbvisor gdb=com2", "gdbvisor.efi");
    assert_string_equal(line, "gdb=com2");
    OPTIONS("fs0:GdbVisor", "gdbvisor.efi");
    assert_string_equal(line, "");
    OPTIONS("\"fs0:\\my dir\\gdbvisor.efi\" stop=none", "gdbvisor.efi");
    assert_string_equal(line, "stop=none");
    OPTIONS("gdbvisor.efi gdbvisor.efi", "gdbvisor.efi"); /* once */
    assert_string_equal(line, "gdbvisor.efi");
    OPTIONS("keep-going gdb=com2", "gdbvisor.efi"); /* no program in front */
    assert_string_equal(line, "keep-going gdb=com2");
    OPTIONS("gdbvisorx gdb=com2", "gdbvisor.efi"); /* a typing mistake stays and is named */
    assert_string_equal(line, "gdbvisorx gdb=com2");
    OPTIONS("gdb=com2", "");
    assert_string_equal(line, "gdb=com2");
}

/* The optional data of a boot entry may be anything, a GUID for one. */
static void test_load_options_binary(void **state)
{
    (void)state;
    OPTIONS("\x4e\xac\x08\x81\x11\x9f\x59\x4d\x85\x0e\xe2\x1a\x52\x2c\x59\xb2", "x.efi");
    assert_string_equal(line, "");
    OPTIONS("\x01\x00\x02\x00", "x.efi");
    assert_string_equal(line, "");
    OPTIONS("ab\x01", "x.efi");
    assert_string_equal(line, "");
}

static void test_load_options_too_long(void **state)
{
    char text[200];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(options(text, sizeof(text), ""), HV_ENOSPC);
    assert_string_equal(line, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_lines),          cmocka_unit_test(test_config_comments),
        cmocka_unit_test(test_config_encodings),      cmocka_unit_test(test_config_quotes),
        cmocka_unit_test(test_config_too_long),       cmocka_unit_test(test_config_no_text),
        cmocka_unit_test(test_load_options_utf16),    cmocka_unit_test(test_load_options_ascii),
        cmocka_unit_test(test_load_options_program),  cmocka_unit_test(test_load_options_binary),
        cmocka_unit_test(test_load_options_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
