/* arch/x86/mptable.c: the MP floating pointer and configuration table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/mptable.h"
#include "hv/compiler.h"

static uint8_t table[1024];
static size_t table_size;

static void fix(uint8_t *bytes, size_t size, size_t checksum_at)
{
    uint8_t sum = 0;

    bytes[checksum_at] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[checksum_at] = (uint8_t)-sum;
}

static void seal(void)
{
    uint16_t length = (uint16_t)table_size;

    memcpy(table + 4, &length, 2);
    fix(table, table_size, 7);
}

static void entry(const uint8_t *bytes, size_t size)
{
    memcpy(table + table_size, bytes, size);
    table_size += size;
    table[34]++;
    seal();
}
#define ENTRY(...) entry((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void cpu(uint8_t apic_id, uint8_t flags)
{
    uint8_t bytes[20] = {0, apic_id, 0x14, flags};

    entry(bytes, sizeof(bytes));
}

/* Three CPUs (one off), PCI and ISA, one dead and one living IOAPIC. */
static int usual_table(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    memcpy(table, "PCMP", 4);
    table_size = 44;
    cpu(0, 3);
    cpu(1, 1);
    cpu(2, 0);
    ENTRY(1, 0, 'P', 'C', 'I', ' ', ' ', ' ');
    ENTRY(1, 1, 'I', 'S', 'A', ' ', ' ', ' ');
    ENTRY(2, 7, 0x11, 0, 0, 0x10, 0xc0, 0xfe);
    ENTRY(2, 8, 0x11, 1, 0, 0, 0xc0, 0xfe);
    ENTRY(3, 0, 0, 0, 0, 4, 8, 19); /* PCI, not the ISA IRQ 4 */
    ENTRY(3, 3, 0, 0, 1, 4, 8, 20); /* ExtINT, not a vectored one */
    ENTRY(3, 0, 0, 0, 1, 4, 8, 4);
    ENTRY(3, 0, 0, 0, 1, 0, 8, 2);
    ENTRY(3, 0, 0xf, 0, 1, 9, 8, 9);
    ENTRY(3, 0, 5, 0, 1, 3, 0xff, 3);
    ENTRY(3, 0, 0, 0, 1, 6, 7, 6); /* on the dead IOAPIC */
    ENTRY(4, 1, 0, 0, 0, 0, 0xff, 1);
    return 0;
}

static void test_find(void **state)
{
    uint8_t area[0x104] = {0};
    uint8_t *p = area + 0x80;
    struct mp_pointer pointer;
    size_t at;

    (void)state;
    assert_int_equal(mp_find(area, sizeof(area), &at, &pointer), HV_ENOENT);
    memcpy(p, "_MP_", 4);
    memcpy(p + 4, (const uint8_t[]){0x30, 0x5a, 0x0f, 0}, 4);
    p[8] = 1;
    p[9] = 4;
    fix(p, 16, 10);
    assert_int_equal(mp_find(area, sizeof(area), &at, &pointer), HV_OK);
    assert_int_equal(at, 0x80);
    assert_true(pointer.table == 0xf5a30);
    assert_int_equal(pointer.default_config, 0);
    assert_int_equal(mp_find(area, 0x8f, &at, &pointer), HV_ENOENT);
    assert_int_equal(mp_find(area, 0x90, &at, &pointer), HV_OK);
    p[11] = 5;
    assert_int_equal(mp_find(area, sizeof(area), &at, &pointer), HV_ENOENT); /* checksum */
    fix(p, 16, 10);
    assert_int_equal(mp_find(area, sizeof(area), &at, &pointer), HV_OK);
    assert_int_equal(pointer.default_config, 5);
    assert_true(pointer.table == 0);
    p[8] = 0;
    fix(p, 16, 10);
    assert_int_equal(mp_find(area, sizeof(area), &at, &pointer), HV_ENOENT);
    p[8] = 255; /* longer than the area */
    fix(p, 16, 10);
    assert_int_equal(mp_find(area, sizeof(area), &at, &pointer), HV_ENOENT);
}

static void test_cpus_and_refusals(void **state)
{
    uint32_t ids[3] = {77, 77, 77};
    unsigned count = 0;
    uint16_t length = 0;

    (void)state;
    assert_int_equal(mp_table_cpus(table, table_size, ids, 1, &count), HV_OK);
    assert_int_equal(count, 2);
    assert_int_equal(ids[1], 77); /* no more than it was told there is room for */
    assert_int_equal(mp_table_cpus(table, table_size, ids, 3, &count), HV_OK);
    assert_int_equal(ids[0], table[44 + 1]);
    assert_int_equal(ids[1], table[64 + 1]);
    assert_int_equal(ids[2], 77);
    assert_int_equal(mp_table_check(table, sizeof(table), &length), HV_OK);
    assert_int_equal(length, table_size);
    for (size_t size = 0; size < table_size; size++) {
        uint8_t *copy = malloc(size ? size : 1); /* exact, for ASan */

        memcpy(copy, table, size);
        assert_int_equal(mp_table_check(copy, size, &length), HV_EINVAL);
        free(copy);
    }
    table[20] ^= 1;
    assert_int_equal(mp_table_check(table, table_size, &length), HV_EINVAL);
    assert_int_equal(mp_table_cpus(table, table_size, ids, 1, &count), HV_EINVAL);
    table[20] ^= 1;
    table[34]++; /* one entry less than it says */
    seal();
    assert_int_equal(mp_table_check(table, table_size, &length), HV_EINVAL);
    table[34]--;
    table_size -= 3; /* the last one cut */
    seal();
    assert_int_equal(mp_table_check(table, sizeof(table), &length), HV_EINVAL);
    table_size += 3;
    ENTRY(5, 0, 0, 0, 0, 0, 0, 0); /* no such type */
    assert_int_equal(mp_table_check(table, table_size, &length), HV_EINVAL);
    usual_table(state);
    table[0] = 'Q';
    seal();
    assert_int_equal(mp_table_check(table, table_size, &length), HV_EINVAL);
    usual_table(state);
    table_size = 43;
    seal();
    assert_int_equal(mp_table_check(table, sizeof(table), &length), HV_EINVAL);
}

static void test_irq_routes(void **state)
{
    struct irq_route route;

    (void)state;
    assert_int_equal(mp_irq_route(table, table_size, 4, &route), HV_OK);
    assert_true(route.ioapic == 0xfec00000);
    assert_int_equal(route.pin, 4);
    assert_false(route.active_low || route.level);
    assert_int_equal(mp_irq_route(table, table_size, 0, &route), HV_OK);
    assert_int_equal(route.pin, 2);
    assert_int_equal(mp_irq_route(table, table_size, 9, &route), HV_OK);
    assert_true(route.active_low && route.level);
    assert_int_equal(mp_irq_route(table, table_size, 3, &route), HV_OK); /* "all IOAPICs" */
    assert_true(route.ioapic == 0xfec00000);
    assert_false(route.active_low || route.level);
    assert_int_equal(mp_irq_route(table, table_size, 6, &route), HV_ENOENT);
    assert_int_equal(mp_irq_route(table, table_size, 7, &route), HV_ENOENT);
    assert_int_equal(mp_irq_route(table, 60, 4, &route), HV_EINVAL);
}

static enum hv_status hide(size_t size, uint32_t all_but)
{
    return mp_table_hide_cpus(table, size, &all_but, 1);
}

static void test_hide_cpus(void **state)
{
    uint32_t ids[1];
    static uint8_t before[sizeof(table)];
    unsigned count;

    (void)state;
    memcpy(before, table, sizeof(table));
    assert_int_equal(hide(table_size, 2), HV_ENOENT); /* it is off */
    assert_int_equal(hide(table_size, 9), HV_ENOENT);
    assert_int_equal(hide(table_size - 1, 1), HV_EINVAL);
    assert_memory_equal(before, table, sizeof(table));
    assert_int_equal(hide(table_size, 1), HV_OK);
    assert_int_equal(mp_table_cpus(table, table_size, ids, 1, &count), HV_OK);
    assert_int_equal(count, 1);
    assert_int_equal(table[44 + 3], 2); /* the boot CPU's other flag stays */
    assert_int_equal(table[64 + 3], 1);
    before[44 + 3] = 2;
    before[7] = table[7];
    assert_memory_equal(before, table, sizeof(table)); /* nothing else changed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test_setup(test_cpus_and_refusals, usual_table),
        cmocka_unit_test_setup(test_irq_routes, usual_table),
        cmocka_unit_test_setup(test_hide_cpus, usual_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
