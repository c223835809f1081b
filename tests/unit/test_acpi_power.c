/* arch/x86/acpi_power.c: S5 from FADT and DSDT, and what is not it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi_power.h"
#include "hv/compiler.h"
#include "lib/bytes.h"

enum { MEMORY = 0x4000, BASE = 0x100000, RSDT = 0x100, FADT = 0x200, DSDT = 0x1000 };

static uint8_t memory[MEMORY];
static const struct acpi_root root = {.rsdt = BASE + RSDT};

static bool read_memory(uint64_t address, void *buf, size_t size)
{
    if (address < BASE || address - BASE > MEMORY - size)
        return false;
    memcpy(buf, memory + (address - BASE), size);
    return true;
}

static void put(uint32_t at, uint64_t value, size_t size)
{
    memcpy(memory + at, &value, size);
}

static void table(uint32_t at, const char *signature, uint32_t length)
{
    memcpy(memory + at, signature, 4);
    put(at + 4, length, 4);
    memory[at + 9] = 0;
    memory[at + 9] = (uint8_t)-sum_bytes(memory + at, length);
}

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    put(RSDT + 36, BASE + FADT, 4);
    table(RSDT, "RSDT", 40);
    put(FADT + 40, BASE + DSDT, 4);
    put(FADT + 48, 0xb2, 4);
    put(FADT + 52, 0xf0, 1);
    put(FADT + 64, 0x604, 4);
    put(FADT + 68, 0x704, 4);
    table(FADT, "FACP", 116);
    table(DSDT, "DSDT", 0x800);
    return 0;
}

static enum hv_status find(struct acpi_power *power)
{
    return acpi_power_find(&root, read_memory, power);
}

static enum hv_status find_in(const char *aml, size_t size, uint32_t at, struct acpi_power *power)
{
    memcpy(memory + DSDT + at, aml, size);
    return find(power);
}

#define PACKAGE(...)                                                                               \
    (const char[])                                                                                 \
    {                                                                                              \
        '\x08', '_', 'S', '5', '_', '\x12', __VA_ARGS__                                            \
    }

static void test_found(void **state)
{
    struct acpi_power power;

    (void)state;
    /* As QEMU and as boards write it; split by the pieces that are read; length of two bytes. */
    assert_int_equal(find_in(PACKAGE(0x06, 4, 0, 0, 0, 0), 11, 0x100, &power), HV_OK);
    assert_int_equal(power.pm1a, 0x604);
    assert_int_equal(power.pm1b, 0x704);
    assert_int_equal(power.smi_command, 0xb2);
    assert_int_equal(power.enable, 0xf0);
    assert_int_equal(power.type_a, 0);
    assert_int_equal(power.type_b, 0);
    for (uint32_t at = 36; at < 36 + 600; at++) {
        setup(NULL);
        assert_int_equal(find_in(PACKAGE(0x08, 4, 0x0a, 7, 0x0a, 5, 0, 0), 13, at, &power), HV_OK);
        assert_int_equal(power.type_a, 7);
        assert_int_equal(power.type_b, 5);
    }
    setup(NULL);
    assert_int_equal(find_in(PACKAGE(0x48, 0, 4, 1, 0x0a, 5), 12, 0x100, &power), HV_OK);
    assert_int_equal(power.type_a, 1);
    assert_int_equal(power.type_b, 5);
    /* The last bytes of the table. */
    setup(NULL);
    assert_int_equal(find_in(PACKAGE(0x06, 4, 1, 1), 10, 0x800 - 10, &power), HV_OK);
}

/* A longer FADT has them once more, as wide addresses, and these count; those that are 0 do not. */
static void test_wide(void **state)
{
    struct acpi_power power;

    (void)state;
    put(FADT + 40, 0xfee00000, 4);
    put(FADT + 140, BASE + DSDT, 8);
    put(FADT + 172, 1, 1); /* X_PM1a_CNT_BLK: in I/O space */
    put(FADT + 176, 0x1804, 8);
    table(FADT, "FACP", 244);
    assert_int_equal(find_in(PACKAGE(0x06, 4, 0, 0, 0, 0), 11, 0x100, &power), HV_OK);
    assert_int_equal(power.pm1a, 0x1804);
    assert_int_equal(power.pm1b, 0x704);
    put(FADT + 140, 0, 8);
    put(FADT + 40, BASE + DSDT, 4);
    table(FADT, "FACP", 244);
    assert_int_equal(find(&power), HV_OK);
    table(FADT, "FACP", 513); /* longer than any */
    assert_int_equal(find(&power), HV_EINVAL);
}

static void test_not_found(void **state)
{
    struct acpi_power power;

    (void)state;
    assert_int_equal(find(&power), HV_ENOENT);
    /* Cut short by the end; a number too large; a reference instead of numbers; a mere mention. */
    assert_int_equal(find_in(PACKAGE(0x06, 4, 1, 1), 10, 0x800 - 9, &power), HV_ENOENT);
    assert_int_equal(find_in(PACKAGE(0x06, 4, 0x0a, 8, 0), 10, 0x100, &power), HV_ENOENT);
    assert_int_equal(find_in(PACKAGE(0x06, 4, 'A', 'B', 'C'), 11, 0x100, &power), HV_ENOENT);
    assert_int_equal(find_in("_S5_\x14", 5, 0x100, &power), HV_ENOENT);
}

static void test_refused(void **state)
{
    struct acpi_power power;

    (void)state;
    put(FADT + 64, 0, 4);
    table(FADT, "FACP", 116);
    assert_int_equal(find(&power), HV_ENOENT);
    setup(NULL);
    table(FADT, "FACP", 100);
    assert_int_equal(find(&power), HV_EINVAL);
    setup(NULL);
    table(FADT, "FACS", 116);
    assert_int_equal(find(&power), HV_ENOENT);
    setup(NULL);
    put(DSDT + 4, ACPI_TABLE_MAX + 1, 4);
    assert_int_equal(find(&power), HV_EINVAL);
    put(DSDT + 4, 0x3800, 4); /* more than there is memory */
    assert_int_equal(find(&power), HV_EFAULT);
    setup(NULL);
    memcpy(memory + DSDT, "SSDT", 4);
    assert_int_equal(find(&power), HV_EINVAL);
    put(FADT + 40, 0xfee00000, 4);
    table(FADT, "FACP", 116);
    assert_int_equal(find(&power), HV_EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_found, setup),
        cmocka_unit_test_setup(test_wide, setup),
        cmocka_unit_test_setup(test_not_found, setup),
        cmocka_unit_test_setup(test_refused, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
