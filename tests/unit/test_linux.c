/* boot/linux.c, boot/linux_params.c: from a bzImage to a kernel that can be entered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/linux.h"
#include "lib/bytes.h"
#include "tests/unit/fake_images.h"

enum { IMAGE_SIZE = FAKE_SETUP + 300000, MIB = 1 << 20 };

static struct fake_machine m;
static struct linux_plan plan;
static struct refusal refusal;
static uint8_t image[IMAGE_SIZE], initrd[70001], second[5000];

static int setup(void **state)
{
    (void)state;
    fake_machine_init(&m);
    fake_bzimage(image, sizeof(image));
    fake_pattern(initrd, sizeof(initrd), 1);
    fake_pattern(second, sizeof(second), 2);
    return 0;
}

/* Plans with the image as it now is; more modules may have been added before. */
static bool make_plan(void)
{
    bool result;

    fake_image(&m, image, sizeof(image), "console=ttyS0");
    result = linux_plan(&m.request, &plan, &refusal);
    if (result)
        assert_string_equal(refusal.text, "");
    return result;
}

static const char *why(void)
{
    assert_false(make_plan());
    return refusal.text;
}

static void run_plan(void)
{
    fake_execute(&m, &plan.moves);
    linux_write_low(&m.request, &plan, m.memory + plan.low);
}

static void test_whole(void **state)
{
    const uint8_t *params, *gdt;

    (void)state;
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "console=ttyS0 panic=-1");
    fake_module(&m, 0x2800000, initrd, sizeof(initrd), "initrd");
    assert_true(make_plan());
    assert_int_equal(plan.version, 0x20f);
    assert_int_equal(plan.kernel, 0x1000000);
    assert_int_equal(plan.kernel_room, 0x400000);
    assert_int_equal(plan.low, 0x10000);
    assert_int_equal(plan.low_size, 3 * 4096);
    assert_int_equal(plan.initrd, 0x2800000); /* it stays */
    assert_int_equal(plan.initrd_size, sizeof(initrd));

    memset(m.memory + plan.low, 0xcc, plan.low_size);
    m.memory[plan.kernel + sizeof(image)] = 0xcc;
    run_plan();
    params = m.memory + plan.params;
    assert_int_equal(m.memory[plan.kernel + sizeof(image)], 0xcc); /* MiBs not zeroed for nothing */
    assert_memory_equal(m.memory + plan.kernel, image + FAKE_SETUP, sizeof(image) - FAKE_SETUP);
    assert_memory_equal(m.memory + plan.initrd, initrd, sizeof(initrd));
    assert_string_equal((char *)m.memory + plan.cmdline, "console=ttyS0 panic=-1");

    assert_int_equal(params[0x1ef], 0); /* the sentinel: a clean zero page */
    assert_int_equal(params[0x1f1], 4);
    assert_memory_equal(params + 0x202, "HdrS", 4);
    assert_int_equal(params[0x210], 0xff);
    assert_int_equal(params[0x211], 1);
    assert_int_equal(get32(params + 0x214), 0x1000000);
    assert_int_equal(get32(params + 0x218), 0x2800000);
    assert_int_equal(get32(params + 0x21c), sizeof(initrd));
    assert_int_equal(get32(params + 0x228), plan.cmdline);
    assert_int_equal(get64(params + 0x250), 0);
    assert_int_equal(get32(params + 0x260), 0x400000);
    assert_int_equal(get32(params + 0x268), 0xabcd1234);
    assert_int_equal(get32(params + 0x26c), 0); /* behind the header */
    for (unsigned i = 0xc0; i < 0xcc; i++)
        assert_int_equal(params[i], 0); /* ext_ramdisk_*, ext_cmd_line_ptr */

    assert_int_equal(plan.entry.mode, GUEST_FLAT32);
    assert_int_equal(plan.entry.rip, 0x1000000);
    assert_int_equal(plan.entry.rsi, plan.params);
    assert_int_equal(plan.entry.rbx | plan.entry.rbp | plan.entry.rdi, 0);
    assert_int_equal(plan.entry.rflags, 2);
    assert_int_equal(plan.entry.cs, 0x10);
    assert_int_equal(plan.entry.ds, 0x18);
    gdt = m.memory + plan.entry.gdt_base;
    assert_int_equal(plan.entry.gdt_limit, 31);
    assert_int_equal(get64(gdt), 0);
    assert_int_equal(get64(gdt + 0x10), 0x00cf9b000000ffff);
    assert_int_equal(get64(gdt + 0x18), 0x00cf93000000ffff);
}

static void test_e820_and_rsdp(void **state)
{
    static const uint64_t expected[][3] = {
        {0, 0x12000, 1},       {0x12000, 0x1000, 3},           {0x13000, 0x8cc00, 1},
        {0x9fc00, 0x60400, 2}, {0x100000, FAKE_SELF - MIB, 1}, {FAKE_SELF, 0x400000, 2},
    };
    const uint8_t *params;

    (void)state;
    assert_true(make_plan());
    run_plan();
    params = m.memory + plan.params;
    assert_int_equal(params[0x1e8], 6);
    for (unsigned i = 0; i < 6; i++) {
        const uint8_t *e = params + 0x2d0 + i * 20;

        assert_int_equal(get64(e), expected[i][0]);
        assert_int_equal(get64(e + 8), expected[i][1]);
        assert_int_equal(get32(e + 16), expected[i][2]);
    }
    assert_int_equal(get32(params + 0x2d0 + 6 * 20), 0);
    assert_int_equal(get64(params + 0x70), 0x12000);
    assert_memory_equal(m.memory + 0x12000, m.rsdp, sizeof(m.rsdp));
}

static void test_rsdp_by_address_or_none(void **state)
{
    (void)state;
    m.request.rsdp_address = 0xf5a40;
    assert_true(make_plan());
    run_plan();
    assert_int_equal(plan.low_size, 2 * 4096);
    assert_int_equal(get64(m.memory + plan.params + 0x70), 0xf5a40);
    assert_memory_equal(&plan.e820, &m.map, sizeof(m.map));

    m.request.rsdp_address = 0;
    m.request.rsdp_size = 0;
    assert_true(make_plan());
    assert_int_equal(plan.rsdp, 0);

    /* 2.13 does not know the field. */
    m.request.rsdp_size = 36;
    m.request.rsdp_address = 0xf5a40;
    put16(image + 0x206, 0x20d);
    assert_true(make_plan());
    run_plan();
    assert_int_equal(get64(m.memory + plan.params + 0x70), 0);
}

static void test_text_screen(void **state)
{
    const uint8_t *s;

    (void)state;
    assert_true(make_plan());
    run_plan();
    s = m.memory + plan.params;
    assert_int_equal(s[0x01], 24);
    assert_int_equal(s[0x06], 3);
    assert_int_equal(s[0x07], 80);
    assert_int_equal(s[0x0e], 25);
    assert_int_equal(s[0x0f], 1);
    assert_int_equal(get16(s + 0x10), 16);
}

static void test_rgb_screen(void **state)
{
    const uint8_t *s;

    (void)state;
    m.screen = (struct boot_framebuffer){
        BOOT_SCREEN_RGB, 0x8c0000000, 5120, 1280, 800, 32, 16, 8, 8, 7, 0, 6};
    assert_true(make_plan());
    run_plan();
    s = m.memory + plan.params;
    assert_int_equal(s[0x0f], 0x23);
    assert_int_equal(get16(s + 0x12), 1280);
    assert_int_equal(get16(s + 0x14), 800);
    assert_int_equal(get16(s + 0x16), 32);
    assert_int_equal(get32(s + 0x18), 0xc0000000);
    assert_int_equal(get32(s + 0x1c), (5120 * 800 + 65535) / 65536);
    assert_int_equal(get16(s + 0x24), 5120);
    assert_memory_equal(s + 0x26, "\x08\x10\x07\x08\x06\x00", 6);
    assert_int_equal(get32(s + 0x36), 2);
    assert_int_equal(get32(s + 0x3a), 8);

    m.screen.address = 0xc0000000;
    m.screen.width = 70000; /* cannot be told */
    run_plan();
    assert_int_equal(s[0x0f], 0);
    m.screen.width = 1280;
    run_plan();
    assert_int_equal(get32(s + 0x36), 0);
    m.screen.kind = BOOT_SCREEN_NONE;
    run_plan();
    assert_int_equal(s[0x0f], 0);
}

/* The kernel's room, unpacked, covers both the image and the initrd. */
static void test_modules_in_the_way(void **state)
{
    (void)state;
    fake_module(&m, 0x1000000 + 12345, image, sizeof(image), "");
    fake_module(&m, 0x1000000 + 500000, initrd, sizeof(initrd), "");
    assert_true(make_plan());
    assert_int_equal(plan.kernel, 0x1000000);
    assert_int_equal(plan.initrd, FAKE_SELF - 0x12000); /* the top of RAM below ours */
    run_plan();
    assert_memory_equal(m.memory + plan.kernel, image + FAKE_SETUP, sizeof(image) - FAKE_SETUP);
    assert_memory_equal(m.memory + plan.initrd, initrd, sizeof(initrd));
    assert_string_equal((char *)m.memory + plan.cmdline, "");
}

/* A module in low memory, where boot_params goes. */
static void test_module_under_low_block(void **state)
{
    (void)state;
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "x");
    fake_module(&m, 0x10000, initrd, sizeof(initrd), "");
    assert_true(make_plan());
    run_plan();
    assert_memory_equal(m.memory + plan.initrd, initrd, sizeof(initrd));
    assert_string_equal((char *)m.memory + plan.cmdline, "x");
    assert_true(plan.initrd > MIB);
}

static void test_two_initrds(void **state)
{
    (void)state;
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "");
    fake_module(&m, 0x2800000, initrd, sizeof(initrd), "");
    fake_module(&m, 0x2900000, initrd, 0, "");
    fake_module(&m, 0x2a00000, second, sizeof(second), "");
    assert_true(make_plan());
    run_plan();
    assert_int_equal(plan.initrd_size, 70004 + 5000);
    assert_memory_equal(m.memory + plan.initrd, initrd, sizeof(initrd));
    assert_memory_equal(m.memory + plan.initrd + 70001, "\0\0\0", 3);
    assert_memory_equal(m.memory + plan.initrd + 70004, second, sizeof(second));
}

static void test_initrd_limits(void **state)
{
    (void)state;
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "");
    fake_module(&m, 0x2800000, initrd, sizeof(initrd), "");
    put32(image + 0x22c, 0x2800000 + sizeof(initrd) - 1);
    assert_true(make_plan());
    assert_int_equal(plan.initrd, 0x2800000);
    put32(image + 0x22c, 0x2800000 + sizeof(initrd) - 2); /* its last byte is too high */
    assert_true(make_plan());
    assert_true(plan.initrd + sizeof(initrd) <= 0x2800000 + sizeof(initrd) - 1);
    assert_int_equal(plan.initrd % 4096, 0);
    m.modules[1].start += 16; /* not on a page: cannot stay */
    put32(image + 0x22c, 0x7fffffff);
    assert_true(make_plan());
    assert_int_equal(plan.initrd, FAKE_SELF - 0x12000);
    put32(image + 0x22c, 0x10000);
    assert_non_null(strstr(why(), "no RAM for the initrd: 69 KiB in one piece below 0x10001"));
    put32(image + 0x22c, 0xffffffff);
    m.modules[1].size = 1ULL << 32;
    assert_non_null(strstr(why(), "4 GiB or more"));
    m.modules[1].size = 41 * MIB;
    assert_non_null(strstr(why(), "no RAM for the initrd: 41984 KiB"));
    m.modules[1].start = UINT64_MAX - 10;
    m.modules[1].size = 100;
    assert_non_null(strstr(why(), "makes no sense"));
}

static void test_place_of_the_kernel(void **state)
{
    (void)state;
    /* What is preferred is reserved: the lowest aligned place above. */
    memory_map_set(&m.map, 0x1200000, 0x1201000, MEMORY_NVS);
    assert_true(make_plan());
    assert_int_equal(plan.kernel, 0x1400000);
    assert_int_equal(plan.entry.rip, 0x1400000);
    run_plan();
    assert_int_equal(get32(m.memory + plan.params + 0x214), 0x1400000);
    assert_memory_equal(m.memory + 0x1400000, image + FAKE_SETUP, sizeof(image) - FAKE_SETUP);

    put32(image + 0x230, 0x300000);
    assert_string_equal(why(), "the bzImage's kernel_alignment 0x300000 is not a power of two");
    put32(image + 0x230, 0);
    assert_non_null(strstr(why(), "not a power of two"));
    image[0x234] = 0;
    assert_string_equal(why(), "the kernel at 0x1000000..0x1400000 is outside of RAM (from "
                               "0x1200000 on), and it is not relocatable");
    image[0x234] = 1;
    put32(image + 0x230, 0x200000);
    put32(image + 0x260, 0x2d00000);
    assert_string_equal(why(),
                        "no RAM for the kernel: 46080 KiB in one piece above 0x1000000 are needed");
    /* Below what it prefers there would be room, but there it would not stay. */
    put32(image + 0x260, 0x400000);
    put64(image + 0x258, FAKE_SELF - 0x300000);
    assert_non_null(strstr(why(), "no RAM for the kernel"));
    image[0x234] = 0;
    assert_non_null(
        strstr(why(), "overlaps gdbvisor's own memory 0x3c00000..0x4000000, and it is"));
    put64(image + 0x258, 0xffffffff00000000);
    assert_non_null(strstr(why(), "does not lie below 4 GiB"));
    put64(image + 0x258, UINT64_MAX);
    assert_non_null(strstr(why(), "wraps around"));
    put64(image + 0x258, 0);
    assert_non_null(strstr(why(), "BIOS data"));
}

static void test_old_protocols(void **state)
{
    (void)state;
    put16(image + 0x206, 0x209); /* no pref_address, no init_size */
    assert_true(make_plan());
    assert_int_equal(plan.kernel, 0x100000);
    assert_int_equal(plan.kernel_room, 3 * 303104);
    memory_map_set(&m.map, 0x101000, 0x102000, MEMORY_RESERVED);
    assert_true(make_plan());
    assert_int_equal(plan.kernel, 0x200000);
    put16(image + 0x206, 0x204); /* not relocatable */
    assert_non_null(strstr(why(), "not relocatable"));
    memory_map_set(&m.map, 0x101000, 0x102000, MEMORY_RAM);
    assert_true(make_plan());
    put16(image + 0x206, 0x202);
    image[0x201] = 0x22c - 0x202;     /* the header ends with cmd_line_ptr */
    put32(image + 0x1f4, 0xffffffff); /* means nothing yet */
    fake_module(&m, 0x2800000, initrd, sizeof(initrd), "");
    assert_true(make_plan());
    assert_int_equal(plan.initrd, 0x2800000);
    run_plan();
    assert_int_equal(get32(m.memory + plan.params + 0x22c), 0); /* not copied */
    put16(image + 0x206, 0x201);
    assert_string_equal(why(), "Linux boot protocol 2.01 is too old: 2.02 is needed");
    image[0x1f1] = 0; /* means 4 */
    put16(image + 0x206, 0x202);
    assert_true(make_plan());
    assert_int_equal(plan.setup_size, 5 * 512);
}

static void test_bad_headers(void **state)
{
    (void)state;
    image[0x202] = 'h';
    assert_string_equal(why(), "not a Linux bzImage: no HdrS header");
    image[0x202] = 'H';
    image[0x201] = 0x264 - 0x202 - 1;
    assert_string_equal(why(), "the bzImage's header ends at 0x263, too early for protocol 2.15");
    image[0x201] = 0xff; /* beyond what boot_params has room for: cut */
    assert_true(make_plan());
    run_plan();
    assert_int_equal(get64(m.memory + plan.params + 0x2d0), 0); /* E820, not header */
    assert_int_equal(get32(m.memory + plan.params + 0x290), 0);
    image[0x201] = 0x26c - 0x202;
    image[0x211] = 0;
    assert_non_null(strstr(why(), "a zImage"));
    image[0x211] = 1;
    image[0x1f1] = 0xff;
    m.modules[0].size = 256 * 512;
    assert_string_equal(why(), "the bzImage has no protected-mode code: 131072 bytes of setup in a "
                               "file of 131072 bytes");
    image[0x1f1] = 4;
    assert_string_equal(why(), "the bzImage is truncated: its header promises 300000 bytes of "
                               "code, the file has 128512");
    m.modules[0].size = sizeof(image) - 15; /* the padding to a paragraph may be missing */
    assert_true(make_plan());
    m.modules[0].size--;
    assert_non_null(strstr(why(), "truncated"));
    put32(image + 0x1f4, 0xffffffff);
    assert_non_null(strstr(why(), "promises 68719476720 bytes"));
}

static void test_cmdline_size(void **state)
{
    (void)state;
    assert_true(make_plan());
    memset(m.modules[0].cmdline, 'a', 300);
    assert_true(make_plan());
    put32(image + 0x238, 300);
    assert_true(make_plan());
    put32(image + 0x238, 299);
    assert_string_equal(why(),
                        "the kernel's command line has 300 characters, the kernel takes 299");
    put16(image + 0x206, 0x205); /* 255 without the field */
    assert_non_null(strstr(why(), "takes 255"));
    m.modules[0].cmdline[255] = '\0';
    assert_true(make_plan());
    put16(image + 0x206, 0x20f);
    put32(image + 0x238, 5000);
    memset(m.modules[0].cmdline, 'a', BOOT_CMDLINE_SIZE);
    assert_non_null(strstr(why(), "has 1024 characters, the kernel takes 1023"));
}

static void test_no_low_memory(void **state)
{
    (void)state;
    memory_map_set(&m.map, 0x5000, 0xa0000, MEMORY_RESERVED);
    assert_true(make_plan());
    assert_int_equal(plan.low, 0x1000);
    memory_map_set(&m.map, 0x3000, 0xa0000, MEMORY_RESERVED);
    assert_string_equal(why(), "no free RAM below 640 KiB for the kernel's boot_params (12 KiB)");
}

static void test_full_memory_map(void **state)
{
    (void)state;
    for (unsigned i = 0; m.map.count < MEMORY_MAP_MAX; i++)
        memory_map_set(&m.map, FAKE_MEMORY + i * 0x2000, FAKE_MEMORY + i * 0x2000 + 0x1000,
                       MEMORY_NVS);
    assert_non_null(strstr(why(), "too many ranges"));
    m.request.rsdp_address = 0xf0000;
    assert_true(make_plan());
    run_plan();
    assert_int_equal(m.memory[plan.params + 0x1e8], 128);
    assert_int_equal(get32(m.memory + plan.params + 0xcd0 - 4), MEMORY_NVS);
    assert_int_equal(get32(m.memory + plan.params + 0xcd0), 0);
}

static void test_module_counts(void **state)
{
    (void)state;
    assert_false(linux_plan(&m.request, &plan, &refusal));
    assert_non_null(strstr(refusal.text, "no kernel"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_whole, setup),
        cmocka_unit_test_setup(test_e820_and_rsdp, setup),
        cmocka_unit_test_setup(test_rsdp_by_address_or_none, setup),
        cmocka_unit_test_setup(test_text_screen, setup),
        cmocka_unit_test_setup(test_rgb_screen, setup),
        cmocka_unit_test_setup(test_modules_in_the_way, setup),
        cmocka_unit_test_setup(test_module_under_low_block, setup),
        cmocka_unit_test_setup(test_two_initrds, setup),
        cmocka_unit_test_setup(test_initrd_limits, setup),
        cmocka_unit_test_setup(test_place_of_the_kernel, setup),
        cmocka_unit_test_setup(test_old_protocols, setup),
        cmocka_unit_test_setup(test_bad_headers, setup),
        cmocka_unit_test_setup(test_cmdline_size, setup),
        cmocka_unit_test_setup(test_no_low_memory, setup),
        cmocka_unit_test_setup(test_full_memory_map, setup),
        cmocka_unit_test_setup(test_module_counts, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
