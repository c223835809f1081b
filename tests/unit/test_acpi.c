/* arch/x86/acpi.c and acpi_madt.c: good tables, and every way to be a bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"
#include "hv/compiler.h"

enum { MEMORY = 0x4000, BASE = 0x7ff00000 };

static uint8_t memory[MEMORY]; /* at physical address BASE */

static bool read_memory(uint64_t address, void *buf, size_t size)
{
    if (address < BASE || address - BASE > MEMORY - size)
        return false;
    memcpy(buf, memory + (address - BASE), size);
    return true;
}

static void put(uint8_t *at, uint64_t value, size_t size)
{
    memcpy(at, &value, size);
}

static void fix(uint8_t *table, size_t size, size_t checksum_at)
{
    uint8_t sum = 0;

    table[checksum_at] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + table[i]);
    table[checksum_at] = (uint8_t)-sum;
}

static uint8_t *header(uint32_t offset, const char *signature, uint32_t length)
{
    uint8_t *table = memory + offset;

    memcpy(table, signature, 4);
    put(table + 4, length, 4);
    fix(table, length, 9);
    return table;
}

/* XSDT at +100 (FACP, 0, APIC), RSDT at +200 (APIC), FACP at +400, two APIC at +800 and +c00. */
static int make_tables(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    put(memory + 0x100 + 36, BASE + 0x400, 8);
    put(memory + 0x100 + 52, BASE + 0x800, 8);
    header(0x100, "XSDT", 36 + 24);
    put(memory + 0x200 + 36, BASE + 0xc00, 4);
    header(0x200, "RSDT", 36 + 4);
    header(0x400, "FACP", 244);
    memory[0x850] = 7;
    header(0x800, "APIC", 300);
    header(0xc00, "APIC", 44);
    return 0;
}

static const struct acpi_root both = {.rsdt = BASE + 0x200, .xsdt = BASE + 0x100};

static void make_rsdp(uint8_t *rsdp, uint8_t revision)
{
    memset(rsdp, 0, 36);
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = revision;
    put(rsdp + 16, 0x7ff00200, 4);
    fix(rsdp, 20, 8);
    if (revision >= 2) {
        put(rsdp + 20, 36, 4);
        put(rsdp + 24, 0x17ff00100, 8);
        fix(rsdp, 36, 32);
    }
}

static void test_rsdp(void **state)
{
    uint8_t rsdp[36];
    struct acpi_root root;

    (void)state;
    make_rsdp(rsdp, 0);
    assert_int_equal(acpi_rsdp_parse(rsdp, 20, &root), HV_OK);
    assert_true(root.rsdt == 0x7ff00200 && root.xsdt == 0);
    assert_int_equal(acpi_rsdp_parse(rsdp, 19, &root), HV_EINVAL);
    make_rsdp(rsdp, 2);
    assert_int_equal(acpi_rsdp_parse(rsdp, 36, &root), HV_OK);
    assert_true(root.rsdt == 0x7ff00200 && root.xsdt == 0x17ff00100);
    assert_int_equal(acpi_rsdp_parse(rsdp, 35, &root), HV_EINVAL);
    rsdp[33] ^= 1; /* only the long checksum covers it */
    assert_int_equal(acpi_rsdp_parse(rsdp, 36, &root), HV_EINVAL);
    make_rsdp(rsdp, 2);
    put(rsdp + 20, 37, 4);
    fix(rsdp, 36, 32);
    assert_int_equal(acpi_rsdp_parse(rsdp, 36, &root), HV_EINVAL);
    put(rsdp + 20, 20, 4);
    fix(rsdp, 20, 32);
    assert_int_equal(acpi_rsdp_parse(rsdp, 36, &root), HV_EINVAL);
    make_rsdp(rsdp, 0);
    rsdp[9] ^= 1;
    assert_int_equal(acpi_rsdp_parse(rsdp, 36, &root), HV_EINVAL);
    make_rsdp(rsdp, 0);
    put(rsdp + 16, 0, 4);
    fix(rsdp, 20, 8);
    assert_int_equal(acpi_rsdp_parse(rsdp, 36, &root), HV_EINVAL);
}

static void test_rsdp_find(void **state)
{
    uint8_t area[0x130] = {0};
    size_t at = 0;

    (void)state;
    assert_int_equal(acpi_rsdp_find(area, sizeof(area), &at), HV_ENOENT);
    make_rsdp(area + 0x40, 2);
    area[0x48] ^= 1; /* a broken one in front */
    make_rsdp(area + 0x88, 2);
    assert_int_equal(acpi_rsdp_find(area, sizeof(area), &at), HV_ENOENT); /* not on 16 bytes */
    make_rsdp(area + 0x100, 2);
    assert_int_equal(acpi_rsdp_find(area, sizeof(area), &at), HV_OK);
    assert_int_equal(at, 0x100);
    assert_int_equal(acpi_rsdp_find(area, 0x113, &at), HV_ENOENT); /* 19 bytes of it */
    assert_int_equal(acpi_rsdp_find(area, 0x114, &at), HV_OK);
    assert_int_equal(acpi_rsdp_find(area, 0, &at), HV_ENOENT);
}

static void test_find_table(void **state)
{
    struct acpi_root old = {.rsdt = both.rsdt};
    struct acpi_table table;

    (void)state;
    assert_int_equal(acpi_find_table(&both, "APIC", read_memory, &table), HV_OK);
    assert_true(table.address == BASE + 0x800);
    assert_int_equal(table.length, 300);
    assert_int_equal(acpi_find_table(&both, "FACP", read_memory, &table), HV_OK);
    assert_true(table.address == BASE + 0x400);
    assert_int_equal(acpi_find_table(&both, "HPET", read_memory, &table), HV_ENOENT);
    assert_int_equal(acpi_find_table(&old, "APIC", read_memory, &table), HV_OK);
    assert_true(table.address == BASE + 0xc00);
    assert_int_equal(acpi_find_table(&old, "FACP", read_memory, &table), HV_ENOENT);
}

/* In their order, those with a bad length too; null entries do not count. */
static void test_list_table(void **state)
{
    struct acpi_table table;
    char name[5];

    (void)state;
    assert_int_equal(acpi_list_table(&both, 0, read_memory, name, &table), HV_OK);
    assert_string_equal(name, "FACP");
    assert_int_equal(table.address, BASE + 0x400);
    assert_int_equal(table.length, 244);
    put(memory + 0x804, 35, 4);
    assert_int_equal(acpi_list_table(&both, 1, read_memory, name, &table), HV_EINVAL);
    assert_string_equal(name, "APIC");
    assert_int_equal(table.address, BASE + 0x800);
    assert_int_equal(acpi_list_table(&both, 2, read_memory, name, &table), HV_ENOENT);
    assert_string_equal(name, "");
    memory[0x100 + 40]++; /* a bad XSDT: the RSDT's */
    assert_int_equal(acpi_list_table(&both, 0, read_memory, name, &table), HV_OK);
    assert_int_equal(table.address, BASE + 0xc00);
    memory[0x200 + 39]++;
    assert_int_equal(acpi_list_table(&both, 0, read_memory, name, &table), HV_EINVAL);
    assert_int_equal(table.address, 0);
}

static void test_bad_xsdt_falls_back(void **state)
{
    struct acpi_root only_xsdt = {.xsdt = both.xsdt};
    struct acpi_root swapped = {.xsdt = both.rsdt};
    struct acpi_table table;

    (void)state;
    memory[0x100 + 20] ^= 1;
    assert_int_equal(acpi_find_table(&both, "APIC", read_memory, &table), HV_OK);
    assert_true(table.address == BASE + 0xc00);
    assert_int_equal(acpi_find_table(&only_xsdt, "APIC", read_memory, &table), HV_EINVAL);
    assert_int_equal(acpi_find_table(&swapped, "APIC", read_memory, &table), HV_EINVAL);
    only_xsdt.xsdt = 0x1000;
    assert_int_equal(acpi_find_table(&only_xsdt, "APIC", read_memory, &table), HV_EFAULT);
}

static void test_bad_tables_are_refused(void **state)
{
    static const uint32_t lengths[] = {0, 35, ACPI_TABLE_MAX + 1, 0xffffffff};
    struct acpi_table table;

    (void)state;
    memory[0x850] ^= 1; /* checksum */
    assert_int_equal(acpi_find_table(&both, "APIC", read_memory, &table), HV_EINVAL);
    for (size_t i = 0; i < HV_ARRAY_SIZE(lengths); i++) {
        put(memory + 0x804, lengths[i], 4);
        assert_int_equal(acpi_find_table(&both, "APIC", read_memory, &table), HV_EINVAL);
        /* Of no interest to who looks for another one. */
        assert_int_equal(acpi_find_table(&both, "FACP", read_memory, &table), HV_OK);
    }
    put(memory + 0x804, MEMORY, 4); /* reaches out of memory */
    assert_int_equal(acpi_find_table(&both, "APIC", read_memory, &table), HV_EFAULT);
    /* An entry that points nowhere hides no other, but is told when nothing else is found. */
    make_tables(state);
    put(memory + 0x100 + 36, 0xfffffffffffffff0ULL, 8);
    header(0x100, "XSDT", 36 + 24);
    assert_int_equal(acpi_find_table(&both, "APIC", read_memory, &table), HV_OK);
    assert_int_equal(acpi_find_table(&both, "FACP", read_memory, &table), HV_EFAULT);
}

/* ---- MADT ---- */

static uint8_t madt[2048];
static size_t madt_size;

static void entry(const void *bytes, size_t size)
{
    memcpy(madt + madt_size, bytes, size);
    madt_size += size;
    put(madt + 4, madt_size, 4);
    fix(madt, madt_size, 9);
}
#define ENTRY(...) entry((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int empty_madt(void **state)
{
    (void)state;
    memset(madt, 0, sizeof(madt));
    memcpy(madt, "APIC", 4);
    put(madt + 36, 0xfee00000, 4);
    madt[40] = 1;
    madt_size = 44;
    entry("", 0);
    return 0;
}

/* Parses an exact heap copy, so that ASan sees a read behind it. */
static enum hv_status parse(size_t size, struct acpi_madt *out)
{
    uint8_t *copy = malloc(size ? size : 1);
    enum hv_status status;

    memcpy(copy, madt, size);
    status = acpi_madt_parse(copy, size, out);
    free(copy);
    return status;
}

/* A usual PC: two CPUs, one more that could come, one that cannot, timer on pin 2. */
static void usual_madt(void)
{
    ENTRY(0, 8, 0, 0, 1, 0, 0, 0);
    ENTRY(0, 8, 1, 2, 1, 0, 0, 0);
    ENTRY(0, 8, 2, 4, 2, 0, 0, 0);
    ENTRY(0, 8, 3, 0xff, 0, 0, 0, 0);
    ENTRY(9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0x2c, 1, 0, 0);
    ENTRY(1, 12, 8, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
    ENTRY(1, 12, 9, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0);
    ENTRY(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);
    ENTRY(2, 10, 0, 9, 9, 0, 0, 0, 0xf, 0);
    ENTRY(2, 10, 0, 5, 30, 0, 0, 0, 5, 0);
    ENTRY(4, 6, 0xff, 0, 0, 1);
    ENTRY(0x7f, 3, 0); /* unknown, skipped */
}

static void test_madt(void **state)
{
    struct acpi_madt m;

    (void)state;
    usual_madt();
    assert_int_equal(parse(madt_size, &m), HV_OK);
    assert_true(m.lapic_address == 0xfee00000);
    assert_true(m.has_8259);
    assert_int_equal(m.cpu_count, 4);
    assert_int_equal(m.cpus[1].apic_id, 2);
    assert_int_equal(m.cpus[1].uid, 1);
    assert_true(m.cpus[1].enabled);
    assert_int_equal(m.cpus[2].apic_id, 4);
    assert_false(m.cpus[2].enabled);
    assert_int_equal(m.cpus[3].apic_id, 0x100);
    assert_int_equal(m.cpus[3].uid, 0x12c);
    assert_int_equal(m.ioapic_count, 2);
    assert_int_equal(m.ioapics[1].address, 0xfec01000);
    assert_int_equal(m.ioapics[1].gsi_base, 24);
    assert_int_equal(m.ioapics[1].id, 9);
    assert_int_equal(m.override_count, 3);
    ENTRY(5, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0);
    assert_int_equal(parse(madt_size, &m), HV_OK);
    assert_true(m.lapic_address == 0x100000000ULL);
}

static void test_madt_irq_routes(void **state)
{
    struct irq_route route;
    struct acpi_madt m;

    (void)state;
    usual_madt();
    assert_int_equal(parse(madt_size, &m), HV_OK);
    assert_int_equal(acpi_irq_route(&m, 4, &route), HV_OK); /* com1: one to one */
    assert_true(route.ioapic == 0xfec00000);
    assert_int_equal(route.pin, 4);
    assert_false(route.active_low || route.level);
    assert_int_equal(acpi_irq_route(&m, 0, &route), HV_OK);
    assert_int_equal(route.pin, 2);
    assert_int_equal(acpi_irq_route(&m, 9, &route), HV_OK);
    assert_true(route.active_low && route.level);
    assert_int_equal(acpi_irq_route(&m, 5, &route), HV_OK); /* on the second IOAPIC */
    assert_true(route.ioapic == 0xfec01000);
    assert_int_equal(route.pin, 6);
    assert_false(route.active_low || route.level);
    m.ioapic_count = 0;
    assert_int_equal(acpi_irq_route(&m, 4, &route), HV_ENOENT);
}

static void test_madt_refused(void **state)
{
    struct acpi_madt m;

    (void)state;
    usual_madt();
    for (size_t size = 0; size < madt_size; size++)
        assert_int_equal(parse(size, &m), HV_EINVAL);
    assert_int_equal(parse(madt_size + 5, &m), HV_OK); /* its own length counts */
    madt[50] ^= 1;
    assert_int_equal(parse(madt_size, &m), HV_EINVAL);
    madt[50] ^= 1;
    memcpy(madt, "APIX", 4);
    fix(madt, madt_size, 9);
    assert_int_equal(parse(madt_size, &m), HV_EINVAL);
}

static void test_madt_bad_entries(void **state)
{
    static const uint8_t bad[][2] = {{0, 0},  {0, 1},  {0, 7},  {1, 11}, {2, 9},  {5, 11},
                                     {9, 15}, {50, 0}, {50, 1}, {50, 9}, {0, 255}};
    struct acpi_madt m;

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(bad); i++) {
        uint8_t bytes[8] = {bad[i][0], bad[i][1]};

        empty_madt(state);
        entry(bytes, sizeof(bytes));
        assert_int_equal(parse(madt_size, &m), HV_EINVAL);
    }
    empty_madt(state);
    entry("", 1); /* half an entry header */
    assert_int_equal(parse(madt_size, &m), HV_EINVAL);
    empty_madt(state);
    put(madt + 4, 43, 4);
    fix(madt, 43, 9);
    assert_int_equal(parse(44, &m), HV_EINVAL);
}

static void test_madt_too_many(void **state)
{
    struct acpi_madt m;

    (void)state;
    for (unsigned i = 0; i < HV_MAX_CPUS + 3; i++)
        ENTRY(0, 8, 0, (uint8_t)i, 1, 0, 0, 0);
    assert_int_equal(parse(madt_size, &m), HV_OK);
    assert_int_equal(m.cpu_count, HV_MAX_CPUS);
    assert_int_equal(m.cpus_left, 3);
    for (unsigned i = 0; i <= ACPI_MAX_OVERRIDES; i++) {
        assert_int_equal(parse(madt_size, &m), HV_OK);
        ENTRY(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);
    }
    assert_int_equal(parse(madt_size, &m), HV_ENOSPC);
    empty_madt(state);
    for (unsigned i = 0; i <= ACPI_MAX_IOAPICS; i++) {
        assert_int_equal(parse(madt_size, &m), HV_OK);
        ENTRY(1, 12, 8, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
    }
    assert_int_equal(parse(madt_size, &m), HV_ENOSPC);
}

static enum hv_status hide(size_t size, uint32_t all_but)
{
    return acpi_madt_hide_cpus(madt, size, &all_but, 1);
}

static void test_hide_cpus(void **state)
{
    static uint8_t before[sizeof(madt)];
    const uint32_t two[] = {0x100, 2};
    struct acpi_madt m;

    (void)state;
    usual_madt();
    memcpy(before, madt, sizeof(madt));
    assert_int_equal(hide(madt_size, 77), HV_ENOENT);
    assert_int_equal(hide(madt_size, 4), HV_ENOENT); /* not enabled */
    assert_int_equal(hide(madt_size - 1, 2), HV_EINVAL);
    assert_memory_equal(before, madt, sizeof(madt));
    assert_int_equal(hide(sizeof(madt), 2), HV_OK);
    assert_int_equal(parse(madt_size, &m), HV_OK); /* so the checksum is right */
    assert_int_equal(m.cpu_count, 1);
    assert_int_equal(m.cpus[0].apic_id, 2);
    assert_true(m.cpus[0].enabled);
    assert_int_equal(m.ioapic_count, 2);
    assert_int_equal(m.override_count, 3);
    memcpy(madt, before, sizeof(madt));
    assert_int_equal(hide(madt_size, 0x100), HV_OK); /* an x2APIC entry */
    assert_int_equal(parse(madt_size, &m), HV_OK);
    assert_int_equal(m.cpu_count, 1);
    assert_int_equal(m.cpus[0].apic_id, 0x100);
    memcpy(madt, before, sizeof(madt));
    assert_int_equal(acpi_madt_hide_cpus(madt, madt_size, two, 2), HV_OK);
    assert_int_equal(parse(madt_size, &m), HV_OK);
    assert_int_equal(m.cpu_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rsdp),
        cmocka_unit_test(test_rsdp_find),
        cmocka_unit_test_setup(test_find_table, make_tables),
        cmocka_unit_test_setup(test_list_table, make_tables),
        cmocka_unit_test_setup(test_bad_xsdt_falls_back, make_tables),
        cmocka_unit_test_setup(test_bad_tables_are_refused, make_tables),
        cmocka_unit_test_setup(test_madt, empty_madt),
        cmocka_unit_test_setup(test_madt_irq_routes, empty_madt),
        cmocka_unit_test_setup(test_madt_refused, empty_madt),
        cmocka_unit_test_setup(test_madt_bad_entries, empty_madt),
        cmocka_unit_test_setup(test_madt_too_many, empty_madt),
        cmocka_unit_test_setup(test_hide_cpus, empty_madt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
