/* arch/x86/acpi_fadt.c: the ports that end the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"

enum { SIZE = 244, OLD_SIZE = 116 };

static uint8_t fadt[SIZE];

static void put(size_t at, uint64_t value, size_t size)
{
    memcpy(fadt + at, &value, size);
}

static void seal(size_t size)
{
    uint8_t sum = 0;

    put(4, size, 4);
    fadt[9] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + fadt[i]);
    fadt[9] = (uint8_t)-sum;
}

/* As QEMU's q35 has it: reset by 0xcf9, control at 0x604. */
static int setup(void **state)
{
    (void)state;
    memset(fadt, 0, sizeof(fadt));
    memcpy(fadt, "FACP", 4);
    put(40, 0x1fed0000, 4);
    put(48, 0xb2, 4);
    put(52, 0xf1, 1);
    put(64, 0x604, 4);
    put(112, 1 << 10 | 0x84a5, 4);
    put(116, 0x00000801, 4);
    put(120, 0xcf9, 8);
    put(128, 0x0f, 1);
    put(172, 0x00001001, 4);
    put(176, 0x604, 8);
    seal(SIZE);
    return 0;
}

static struct acpi_fadt parse(void)
{
    struct acpi_fadt out;

    assert_int_equal(acpi_fadt_parse(fadt, sizeof(fadt), &out), HV_OK);
    return out;
}

static void test_usual(void **state)
{
    struct acpi_fadt out = parse();

    (void)state;
    assert_int_equal(out.reset_port, 0xcf9);
    assert_int_equal(out.reset_value, 0x0f);
    assert_int_equal(out.pm1_control[0], 0x604);
    assert_int_equal(out.pm1_control[1], 0);
    assert_int_equal(out.smi_command, 0xb2);
    assert_int_equal(out.acpi_enable, 0xf1);
    assert_int_equal(out.dsdt, 0x1fed0000);
}

/* Revision 1 ends behind the flags, and has only the short addresses. */
static void test_old(void **state)
{
    (void)state;
    put(68, 0x1004, 4);
    put(140, 0x140000000, 8); /* behind its end */
    seal(OLD_SIZE);
    struct acpi_fadt out = parse();
    assert_int_equal(out.reset_port | out.reset_value | out.reset_memory | out.reset_pci, 0);
    assert_int_equal(out.pm1_control[0], 0x604);
    assert_int_equal(out.pm1_control[1], 0x1004);
    assert_int_equal(out.dsdt, 0x1fed0000);
    seal(SIZE);
    assert_int_equal(parse().dsdt, 0x140000000);
}

/* In memory, or in PCI configuration space: device 31, function 3, offset 0xc5. */
static void test_no_port(void **state)
{
    struct acpi_fadt out;

    (void)state;
    put(116, 0x00000800, 4);
    put(120, 0x1fed80010, 8);
    seal(SIZE);
    out = parse();
    assert_int_equal(out.reset_port | out.reset_pci, 0);
    assert_int_equal(out.reset_memory, 0x1fed80010);
    assert_int_equal(out.reset_value, 0x0f);
    put(116, 0x00000802, 4);
    put(120, 31ULL << 32 | 3 << 16 | 0xc5, 8);
    seal(SIZE);
    out = parse();
    assert_int_equal(out.reset_port | out.reset_memory, 0);
    assert_int_equal(out.reset_pci, 0x8000fbc5);
}

/* What cannot be reached, or is in none of these spaces, is not there. */
static void test_no_register(void **state)
{
    static const struct {
        uint8_t space;
        uint64_t address;
    } cases[] = {{2, 32ULL << 32}, {2, 8 << 16}, {2, 0x100}, {3, 0x10}, {0x7f, 0xcf9}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(116, 0x800U | cases[i].space, 4);
        put(120, cases[i].address, 8);
        seal(SIZE);
        struct acpi_fadt out = parse();
        assert_int_equal(out.reset_port | out.reset_memory | out.reset_pci, 0);
    }
    setup(NULL);
    put(120, 0x10cf9, 8);
    seal(SIZE);
    assert_int_equal(parse().reset_port, 0);
    setup(NULL);
    put(112, 0, 4); /* not supported */
    seal(SIZE);
    assert_int_equal(parse().reset_port, 0);
}

static void test_bad(void **state)
{
    struct acpi_fadt out;

    (void)state;
    assert_int_equal(acpi_fadt_parse(fadt, OLD_SIZE, &out), HV_EINVAL); /* longer than it is */
    assert_int_equal(acpi_fadt_parse(fadt, 10, &out), HV_EINVAL);
    fadt[64] ^= 1;
    assert_int_equal(acpi_fadt_parse(fadt, SIZE, &out), HV_EINVAL);
    assert_int_equal(out.pm1_control[0], 0);
    setup(NULL);
    seal(40);
    assert_int_equal(acpi_fadt_parse(fadt, SIZE, &out), HV_EINVAL);
    setup(NULL);
    memcpy(fadt, "APIC", 4);
    assert_int_equal(acpi_fadt_parse(fadt, SIZE, &out), HV_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_usual, setup),
        cmocka_unit_test_setup(test_old, setup),
        cmocka_unit_test_setup(test_no_port, setup),
        cmocka_unit_test_setup(test_no_register, setup),
        cmocka_unit_test_setup(test_bad, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
