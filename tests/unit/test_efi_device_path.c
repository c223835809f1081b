/* boot/efi/device_path.c: the path of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/device_path.h"

static uint8_t path[DEVICE_PATH_MAX];
static const uint16_t name[] = u"\\a.efi";

/* A node of two kinds and an end, as a volume has them. */
static const uint8_t volume[] = {2, 1, 12, 0, 0xd0, 0x41, 3, 10,   0,    0, 0,
                                 0, 1, 1,  6, 0,    0,    5, 0x7f, 0xff, 4, 0};
enum { BEHIND = sizeof(volume) - 4 };

static void test_file(void **state)
{
    static const uint8_t end[] = {0x7f, 0xff, 4, 0};

    (void)state;
    memset(path, 0xcc, sizeof(path));
    assert_true(device_path_of_file(volume, name, sizeof(name), path));
    assert_memory_equal(path, volume, BEHIND);
    assert_memory_equal(path + BEHIND, "\x04\x04\x12\0\\\0a\0.\0e\0f\0i\0\0\0", 18);
    assert_memory_equal(path + BEHIND + 18, end, 4);
    assert_int_equal(path[BEHIND + 22], 0xcc);

    assert_true(device_path_of_file(NULL, name, sizeof(name), path)); /* no path of its own */
    assert_memory_equal(path, "\x04\x04\x12\0\\", 5);
    assert_memory_equal(path + 18, end, 4);
}

static void test_room(void **state)
{
    static uint8_t large[DEVICE_PATH_MAX + 4] = {1, 1};
    size_t most = DEVICE_PATH_MAX - 4 - sizeof(name) - 4;

    (void)state;
    large[2] = (uint8_t)most;
    large[3] = (uint8_t)(most >> 8);
    large[most] = 0x7f;
    assert_true(device_path_of_file(large, name, sizeof(name), path));
    assert_int_equal(path[DEVICE_PATH_MAX - 4], 0x7f);
    large[2]++;
    large[most + 1] = 0x7f;
    assert_false(device_path_of_file(large, name, sizeof(name), path));
    assert_false(device_path_of_file(NULL, name, SIZE_MAX, path));
}

/* Nodes that lead nowhere, or out of what there is. */
static void test_broken(void **state)
{
    static const uint16_t sizes[] = {0, 1, 3, DEVICE_PATH_MAX + 1, 0xffff};
    uint8_t broken[] = {1, 1, 0, 0, 0x7f, 0xff, 4, 0};

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        broken[2] = (uint8_t)sizes[i];
        broken[3] = (uint8_t)(sizes[i] >> 8);
        assert_false(device_path_of_file(broken, name, sizeof(name), path));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
