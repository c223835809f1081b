/* boot/start_cpus.c, on a model of processors that wait for a start-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "arch/x86/descriptors.h"
#include "arch/x86/host_paging.h"
#include "arch/x86/physmem.h"
#include "arch/x86/tsc.h"
#include "boot/relocate.h"
#include "boot/start_cpus.h"
#include "core/vcpu.h"

enum { PAGE = 0x9e000, PAGE_SIZE = 4096, IDS = 32 };

/* The code is not run: a few bytes stand for it. */
const uint8_t ap_start[64] = {0xeb, 0x2e};
extern const uint8_t ap_start_long[64] __attribute__((alias("ap_start")));
extern const uint8_t ap_start_end[64] __attribute__((alias("ap_start")));

static uint64_t now; /* microseconds */
static uint8_t page[PAGE_SIZE];
static bool runs_low;
static unsigned cpu_count;

/* A processor, by its APIC id. */
static struct {
    bool waits;     /* for a start-up */
    unsigned needs; /* start-ups until it comes; 0: it never does */
    unsigned inits, sipis;
    uint64_t init_at, came_at;
} cpus[IDS];
static uint32_t starting; /* the one that comes next has this number */

void apic_send_init(uint32_t id)
{
    assert_true(id < IDS);
    cpus[id].waits = true;
    cpus[id].inits++;
    cpus[id].init_at = now;
}

void apic_send_startup(uint32_t id, uint8_t vector)
{
    assert_int_equal(vector, PAGE / PAGE_SIZE);
    assert_true(runs_low);
    assert_true(cpus[id].waits); /* else it means nothing */
    assert_true(now - cpus[id].init_at >= 10000);
    assert_memory_equal(&starting, page + 8 + 20, sizeof(starting)); /* struct ap_start_data */
    if (++cpus[id].sipis != cpus[id].needs)
        return;
    cpus[id].waits = false;
    cpus[id].came_at = now;
    start_cpus_arrived(starting++);
}

bool apic_can_address(uint32_t id)
{
    return id < 255;
}

bool tsc_await(const uint32_t *flag, uint32_t value, unsigned microseconds)
{
    if (flag && *flag == value)
        return true;
    now += microseconds;
    return false;
}

void physmem_read(hpa_t address, void *buf, size_t size)
{
    assert_int_equal(address, PAGE);
    memcpy(buf, page, size);
}

void physmem_write(hpa_t address, const void *buf, size_t size)
{
    assert_in_range(address, PAGE, PAGE + PAGE_SIZE - size);
    memcpy(page + (address - PAGE), buf, size);
}

void host_paging_run_low(bool allowed)
{
    runs_low = allowed;
}

hpa_t host_paging_root(void)
{
    return 0x1234000;
}

void host_paging_load(void)
{
}

void descriptors_load(unsigned cpu)
{
    (void)cpu;
}

void image_jump(uint64_t entry, uint64_t stack, uint64_t argument)
{
    (void)entry;
    (void)stack;
    (void)argument;
    fail();
    __builtin_unreachable();
}

void vcpu_set_count(unsigned count)
{
    cpu_count = count;
}

static void cpu_main(unsigned number)
{
    (void)number;
}

static const struct memory_map map = {.count = 1, .ranges = {{0x1000, 0x9f000, MEMORY_RAM}}};

static int setup(void **state)
{
    (void)state;
    memset(cpus, 0, sizeof(cpus));
    memset(page, 0x5a, sizeof(page));
    start_cpus_arrived(0);
    starting = 1;
    now = cpu_count = 0;
    return 0;
}

static unsigned start(uint32_t *ids, unsigned count)
{
    static uint8_t before[PAGE_SIZE];

    memset(before, 0x5a, sizeof(before));
    unsigned started = start_cpus(ids, count, &map, cpu_main);
    assert_memory_equal(page, before, sizeof(page));
    assert_false(runs_low);
    assert_int_equal(cpu_count, started);
    return started;
}

/* However many there are, they take the INIT's delay together. */
static void test_together(void **state)
{
    (void)state;
    uint32_t ids[15];

    for (uint32_t i = 0; i < 15; i++) {
        ids[i] = i + 1;
        cpus[i + 1].needs = 1;
    }
    assert_int_equal(start(ids, 15), 16);
    assert_in_range(now, 10000, 10001);
    for (uint32_t i = 1; i < 16; i++) {
        assert_int_equal(cpus[i].inits, 1);
        assert_int_equal(cpus[i].sipis, 1); /* the second is for one that did not hear the first */
        assert_int_equal(ids[i - 1], i);
    }
}

static void test_second_startup(void **state)
{
    (void)state;
    uint32_t ids[] = {4, 9};

    cpus[4].needs = 2;
    cpus[9].needs = 1;
    assert_int_equal(start(ids, 2), 3);
    assert_int_equal(cpus[4].sipis, 2);
    assert_in_range(now, 10200, 10201);
    assert_int_equal(cpus[9].sipis, 1);
}

/* One that does not come is made to wait again; one that no command can name gets none. */
static void test_absent(void **state)
{
    (void)state;
    uint32_t ids[] = {4, 300, 9, 11};

    cpus[9].needs = cpus[11].needs = 1;
    assert_int_equal(start(ids, 4), 3);
    assert_int_equal(cpus[4].inits, 2);
    assert_int_equal(cpus[4].sipis, 2);
    assert_true(cpus[4].waits);
    assert_int_equal(ids[0], 9);
    assert_int_equal(ids[1], 11);
}

static void test_alone(void **state)
{
    (void)state;
    static const struct memory_map none;
    uint32_t ids[] = {4};

    assert_int_equal(start_cpus(ids, 0, &map, cpu_main), 1);
    assert_int_equal(start_cpus(ids, 1, &none, cpu_main), 1); /* no page for the code */
    assert_int_equal(cpus[4].inits, 0);
    assert_int_equal(now, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_together, setup),
        cmocka_unit_test_setup(test_second_startup, setup),
        cmocka_unit_test_setup(test_absent, setup),
        cmocka_unit_test_setup(test_alone, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
