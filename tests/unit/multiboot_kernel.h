/*
 * What the tests of both multiboot formats share: a machine, a kernel in `image`, the plan for it,
 * and what must hold of it in either format.
 */
#ifndef TESTS_UNIT_MULTIBOOT_KERNEL_H
#define TESTS_UNIT_MULTIBOOT_KERNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/multiboot.h"
#include "lib/bytes.h"
#include "tests/unit/fake_images.h"

enum { IMAGE_SIZE = 40000 };

static struct fake_machine m;
static struct multiboot_plan plan;
static struct refusal refusal;
static uint8_t image[IMAGE_SIZE], module[20001];

/* The format's own. */
static bool (*plan_kernel)(const struct guest_request *request, struct multiboot_plan *plan,
                           struct refusal *refusal);
static void (*write_info)(const struct guest_request *request, const struct multiboot_plan *plan,
                          uint8_t *info);

static inline void begin(void)
{
    fake_machine_init(&m);
    memset(&plan, 0x5a, sizeof(plan));
    fake_pattern(image, sizeof(image), 3);
    fake_pattern(module, sizeof(module), 4);
}

static inline bool make_plan(void)
{
    bool result;

    fake_image(&m, image, sizeof(image), "arg");
    result = plan_kernel(&m.request, &plan, &refusal);
    assert_int_equal(refusal.text[0] == '\0', result);
    return result;
}

static inline const char *why(void)
{
    assert_false(make_plan());
    return refusal.text;
}

/* The information that the kernel is given. */
static inline const uint8_t *run_plan(void)
{
    fake_execute(&m, &plan.moves);
    write_info(&m.request, &plan, m.memory + plan.info);
    return m.memory + plan.info;
}

/*
 * Of a kernel whose header lies 0x40 bytes into an image at 1 MiB, with 64 KiB of bss behind 30000
 * bytes: its information.
 */
static inline const uint8_t *run_flat(void)
{
    const uint8_t *info;

    memset(m.memory + 0x100000, 0xcc, 0x20000);
    assert_true(make_plan());
    assert_int_equal(plan.header_offset, 0x40);
    info = run_plan();
    assert_memory_equal(m.memory + 0x100000, image, 30000);
    for (unsigned i = 0x100000 + 30000; i < 0x118000; i++)
        assert_int_equal(m.memory[i], 0);
    assert_int_equal(m.memory[0x118000], 0xcc);
    assert_int_equal(plan.info, 0x10000);
    assert_int_equal(plan.entry.mode, GUEST_FLAT32);
    assert_int_equal(plan.entry.rip, 0x100100);
    assert_int_equal(plan.entry.rbx, plan.info);
    assert_int_equal(get64(m.memory + plan.entry.gdt_base + 0x10), 0x00cf9b000000ffff);
    return info;
}

/* A memory map with one more range, and the rows that it makes. */
enum { MAP_ROWS = 5, MAP_ROW_SIZE = 24 };

static inline void add_unknown_memory(void)
{
    memory_map_set(&m.map, 0x100000000, 0x100001000, 12);
}

/* address: of a row's base in the information. */
static inline void check_map_row(unsigned n, const uint8_t *address)
{
    static const uint64_t expected[MAP_ROWS][3] = {
        {0, 0x9fc00, 1},
        {0x9fc00, 0x60400, 2},
        {0x100000, FAKE_SELF - 0x100000, 1},
        {FAKE_SELF, FAKE_MEMORY - FAKE_SELF, 2},
        {0x100000000, 0x1000, 2}, /* type 12: not known to the specification */
    };

    assert_int_equal(get64(address), expected[n][0]);
    assert_int_equal(get64(address + 8), expected[n][1]);
    assert_int_equal(get32(address + 16), expected[n][2]);
}

/* The largest that a request can ask for is no more than what is promised to the caller. */
static inline const uint8_t *run_largest(void)
{
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "");
    while (m.request.module_count < BOOT_MAX_MODULES)
        fake_module(&m, 0x2000000 + 0x10000 * (m.request.module_count + 1), module, 16, "");
    for (unsigned i = 0; i < BOOT_MAX_MODULES; i++)
        memset(m.modules[i].cmdline, 'a', BOOT_CMDLINE_SIZE - 1);
    for (unsigned i = 0; m.map.count < MEMORY_MAP_MAX; i++)
        memory_map_set(&m.map, FAKE_MEMORY + i * 0x2000, FAKE_MEMORY + i * 0x2000 + 0x1000,
                       MEMORY_NVS);
    assert_true(make_plan());
    assert_true(plan.info_size <= MULTIBOOT_INFO_MAX);
    assert_true(plan.info_size > MULTIBOOT_INFO_MAX - 12288);
    return run_plan();
}

#endif
