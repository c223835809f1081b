/* boot/multiboot2/mbi.c: what a loader tells, and what a broken one might. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/multiboot2/mbi.h"
#include "lib/bytes.h"

enum { CMDLINE = 1, LOADER = 2, MODULE = 3, MAP = 6, SCREEN = 8, RSDP1 = 14, RSDP2 = 15 };

static uint8_t mbi[65536] __attribute__((aligned(8)));
static size_t used;
static struct boot_info info;

static int setup(void **state)
{
    (void)state;
    memset(mbi, 0, sizeof(mbi));
    memset(&info, 0, sizeof(info));
    used = 8;
    return 0;
}

/* A tag with room for size bytes behind its header; they are 0. */
static uint8_t *tag(uint32_t type, size_t size)
{
    uint8_t *t = mbi + used;

    put32(t, type);
    put32(t + 4, (uint32_t)(8 + size));
    used += (8 + size + 7) & ~(size_t)7;
    return t + 8;
}

static void text_tag(uint32_t type, const char *text)
{
    memcpy(tag(type, strlen(text) + 1), text, strlen(text));
}

static void module(uint32_t start, uint32_t end, const char *cmdline)
{
    uint8_t *t = tag(MODULE, 8 + strlen(cmdline) + 1);

    put32(t, start);
    put32(t + 4, end);
    memcpy(t + 8, cmdline, strlen(cmdline));
}

static uint8_t *map_tag(unsigned entries, uint32_t entry_size)
{
    uint8_t *t = tag(MAP, 8 + (size_t)entries * entry_size);

    put32(t, entry_size);
    return t + 8;
}

static void map_entry(uint8_t *e, uint64_t base, uint64_t size, uint32_t type)
{
    put64(e, base);
    put64(e + 8, size);
    put32(e + 16, type);
}

/*
 * Ends it, and reads a copy that ends exactly where the information does: a byte too far is a
 * fault. cut: bytes fewer than there are.
 */
static enum hv_status read_cut(size_t cut)
{
    tag(0, 0);
    put32(mbi, (uint32_t)(used - cut));
    uint8_t *exact = malloc(used - cut);
    memcpy(exact, mbi, used - cut);
    enum hv_status status = mbi_read(exact, &info);
    free(exact);
    return status;
}

static enum hv_status read_all(void)
{
    return read_cut(0);
}

static void good_map(void)
{
    uint8_t *e = map_tag(3, 24);

    map_entry(e, 0, 0x9fc00, 1);
    map_entry(e + 24, 0x9fc00, 0x400, 2);
    map_entry(e + 48, 0x100000, 0x7ff00000, 1);
}

static void test_everything(void **state)
{
    uint8_t *screen, *rsdp;

    (void)state;
    text_tag(CMDLINE, "gdb=com2 stop=none");
    text_tag(LOADER, "GRUB 2.06");
    tag(4, 8); /* basic memory information: not needed */
    module(0x200000, 0x212345, "root=/dev/sda1 quiet");
    module(0x300000, 0x300000, "");
    good_map();
    screen = tag(SCREEN, 24 + 6);
    put64(screen, 0xfd000000);
    put32(screen + 8, 4096);
    put32(screen + 12, 1024);
    put32(screen + 16, 768);
    screen[20] = 32;
    screen[21] = 1;
    memcpy(screen + 24, "\x10\x08\x08\x08\x00\x08", 6);
    memset(tag(RSDP1, 20), 0x11, 20);
    rsdp = tag(RSDP2, 36);
    memset(rsdp, 0x22, 36);
    assert_int_equal(read_all(), HV_OK);
    assert_string_equal(info.options, "gdb=com2 stop=none");
    assert_string_equal(info.loader, "GRUB 2.06");
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.modules[0].start, 0x200000);
    assert_int_equal(info.modules[0].size, 0x12345);
    assert_string_equal(info.modules[0].cmdline, "root=/dev/sda1 quiet");
    assert_int_equal(info.modules[1].size, 0);
    assert_int_equal(info.map.count, 3);
    assert_int_equal(info.map.ranges[2].end, 0x80000000);
    assert_int_equal(info.screen.kind, BOOT_SCREEN_RGB);
    assert_int_equal(info.screen.address, 0xfd000000);
    assert_int_equal(info.screen.width, 1024);
    assert_int_equal(info.screen.height, 768);
    assert_int_equal(info.screen.red_position, 16);
    assert_int_equal(info.screen.blue_size, 8);
    assert_int_equal(info.rsdp_size, 36); /* the new one wins, in any order */
    assert_int_equal(info.rsdp[0], 0x22);
}

static void test_firmware(void **state)
{
    uint8_t *device;

    (void)state;
    good_map();
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.boot_drive, -1);
    assert_false(info.uefi);
    setup(NULL);
    device = tag(5, 12);
    put32(device, 0x81);
    put32(device + 4, 1);
    put32(device + 8, 0xffffffff);
    good_map();
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.boot_drive, 0x81);
    setup(NULL);
    put32(tag(5, 8), 0x81); /* too short */
    tag(12, 8);
    good_map();
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.boot_drive, -1);
    assert_true(info.uefi);
}

static void test_rsdp(void **state)
{
    (void)state;
    good_map();
    memset(tag(RSDP2, 64), 0x22, 64); /* longer than we keep */
    memset(tag(RSDP1, 20), 0x11, 20);
    memset(tag(RSDP1, 19), 0x33, 19);
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.rsdp_size, 36);
    assert_int_equal(info.rsdp[19], 0x22);
    setup(NULL);
    good_map();
    memset(tag(RSDP1, 19), 0x33, 19); /* too short to be one */
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.rsdp_size, 0);
}

static void test_map_refused(void **state)
{
    (void)state;
    assert_int_equal(read_all(), HV_ENOENT);
    setup(NULL);
    map_tag(2, 20); /* an entry is at least 24 bytes */
    assert_int_equal(read_all(), HV_EINVAL);
    setup(NULL);
    map_tag(0, 0);
    assert_int_equal(read_all(), HV_EINVAL);
    setup(NULL);
    uint8_t *e = map_tag(200, 24); /* more than fit, and none can be joined */
    for (unsigned i = 0; i < 200; i++)
        map_entry(e + 24 * i, i * 0x10000ULL, 0x1000, 1);
    assert_int_equal(read_all(), HV_ENOSPC);
    setup(NULL);
    e = map_tag(200, 24); /* these can */
    for (unsigned i = 0; i < 200; i++)
        map_entry(e + 24 * i, i * 0x10000ULL, 0x10000, 1);
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.map.count, 1);
    assert_int_equal(info.map.ranges[0].end, 200 * 0x10000ULL);
}

/* Entries may grow in later versions; one that wraps ends at the top; a last half one is none. */
static void test_map_entries(void **state)
{
    (void)state;
    uint8_t *e = map_tag(2, 40);
    map_entry(e, 0x1000, 0x1000, 1);
    map_entry(e + 40, UINT64_MAX - 0xfff, 0x2000, 2);
    tag(99, 0);
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.map.count, 2);
    assert_int_equal(info.map.ranges[1].end, UINT64_MAX);
    setup(NULL);
    e = tag(MAP, 8 + 24 + 23);
    put32(e, 24);
    map_entry(e + 8, 0x1000, 0x1000, 1);
    memset(e + 32, 0xff, 23);
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.map.count, 1);
}

static void test_modules(void **state)
{
    (void)state;
    good_map();
    module(0x5000, 0x4000, "backwards");
    tag(MODULE, 4); /* too short to be one */
    assert_int_equal(read_all(), HV_OK);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.modules[0].size, 0);
    setup(NULL);
    good_map();
    for (unsigned i = 0; i < BOOT_MAX_MODULES + 1; i++)
        module(0x100000, 0x200000, "m");
    assert_int_equal(read_all(), HV_ENOSPC);
    assert_int_equal(info.module_count, BOOT_MAX_MODULES);
}

/* Texts without their terminator, and longer than we keep. */
static void test_texts(void **state)
{
    (void)state;
    good_map();
    memset(tag(CMDLINE, 5), 'a', 5);
    memset(tag(LOADER, 500), 'b', 500);
    memset(tag(MODULE, 8 + 3000) + 8, 'c', 3000);
    assert_int_equal(read_all(), HV_OK);
    assert_string_equal(info.options, "aaaaa");
    char line[4];
    mbi_options(mbi, line, sizeof(line));
    assert_string_equal(line, "aaa");
    assert_int_equal(strlen(info.loader), sizeof(info.loader) - 1);
    assert_int_equal(strlen(info.modules[0].cmdline), BOOT_CMDLINE_SIZE - 1);
    setup(NULL);
    good_map();
    tag(CMDLINE, 0);
    assert_int_equal(read_all(), HV_OK);
    assert_string_equal(info.options, "");
}

static void test_screens(void **state)
{
    static const struct {
        uint8_t type;
        size_t size;
        enum boot_screen kind;
    } cases[] = {{0, 30, BOOT_SCREEN_NONE}, {1, 30, BOOT_SCREEN_RGB},  {1, 24, BOOT_SCREEN_RGB},
                 {2, 24, BOOT_SCREEN_TEXT}, {3, 30, BOOT_SCREEN_NONE}, {1, 21, BOOT_SCREEN_NONE}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup(NULL);
        good_map();
        uint8_t *t = tag(SCREEN, cases[i].size);
        memset(t, 0x40, cases[i].size);
        if (cases[i].size > 21)
            t[21] = cases[i].type;
        assert_int_equal(read_all(), HV_OK);
        assert_int_equal(info.screen.kind, cases[i].kind);
        assert_int_equal(info.screen.red_position,
                         cases[i].size == 30 && cases[i].type == 1 ? 0x40 : 0);
    }
}

/* Sizes that make no sense end the list; what was before them counts. */
static void test_broken_sizes(void **state)
{
    static const uint32_t sizes[] = {0, 7, 0xfffffff8, 0xffffffff, 0x7fffffff, 65536};

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        setup(NULL);
        good_map();
        put32(tag(LOADER, 8) - 4, sizes[i]);
        text_tag(CMDLINE, "never seen");
        assert_int_equal(read_all(), HV_OK);
        assert_int_equal(info.map.count, 3);
        assert_string_equal(info.options, "");
        assert_string_equal(info.loader, "");
    }
    /* Cut anywhere, nothing behind the end is read. */
    for (size_t cut = 8; cut < 120; cut++) {
        setup(NULL);
        good_map();
        text_tag(CMDLINE, "some options");
        assert_in_range(read_cut(cut), HV_OK, HV_EBUSY);
    }
    setup(NULL);
    put32(mbi, 0);
    assert_int_equal(mbi_read(mbi, &info), HV_ENOENT);
    put32(mbi, 15);
    assert_int_equal(mbi_read(mbi, &info), HV_ENOENT);
}

static void test_used_ranges(void **state)
{
    struct memory_range ranges[4];

    (void)state;
    good_map();
    module(0x200000, 0x210000, "a");
    module(0x300000, 0x310000, "b");
    module(0x400000, 0x410000, "c");
    tag(0, 0);
    put32(mbi, (uint32_t)used);
    assert_int_equal(mbi_used_ranges(mbi, ranges, 4), 4);
    assert_int_equal(ranges[0].start, (uint64_t)mbi);
    assert_int_equal(ranges[0].end, (uint64_t)mbi + used);
    assert_int_equal(ranges[3].start, 0x400000);
    assert_int_equal(ranges[3].end, 0x410000);
    assert_int_equal(mbi_used_ranges(mbi, ranges, 2), 2);
    assert_int_equal(mbi_used_ranges(mbi, ranges, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_everything, setup),
        cmocka_unit_test_setup(test_firmware, setup),
        cmocka_unit_test_setup(test_rsdp, setup),
        cmocka_unit_test_setup(test_map_refused, setup),
        cmocka_unit_test_setup(test_map_entries, setup),
        cmocka_unit_test_setup(test_modules, setup),
        cmocka_unit_test_setup(test_texts, setup),
        cmocka_unit_test_setup(test_screens, setup),
        cmocka_unit_test_setup(test_broken_sizes, setup),
        cmocka_unit_test_setup(test_used_ranges, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
