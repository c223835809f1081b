/* boot/bios/resident.c, with the code it is made for; boot/bios/drive.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/bios/drive.h"
#include "boot/bios/resident.h"
#include "hv/compiler.h"
#include "lib/bytes.h"

extern const uint8_t bios_resident[], bios_resident_end[];

#define MIB 0x100000ULL

static struct memory_map map;
static uint8_t piece[RESIDENT_MAX];
static size_t used;

static size_t code_size(void)
{
    return (size_t)(bios_resident_end - bios_resident);
}

static void range(uint64_t start, uint64_t end, uint32_t type)
{
    assert_int_equal(memory_map_add(&map, start, end, type), HV_OK);
    assert_int_equal(memory_map_normalise(&map), HV_OK);
}

/* A PC with 256 MiB, of which 2 MiB are ours. */
static int setup(void **state)
{
    (void)state;
    map.count = 0;
    memset(piece, 0xee, sizeof(piece));
    range(0, 0x9fc00, MEMORY_RAM);
    range(0x9fc00, 0xa0000, MEMORY_RESERVED);
    range(0xf0000, MIB, MEMORY_RESERVED);
    range(MIB, 252 * MIB, MEMORY_RAM);
    range(252 * MIB, 254 * MIB, MEMORY_RESERVED);
    range(254 * MIB, 256 * MIB, MEMORY_RAM);
    return 0;
}

static enum hv_status write_piece(size_t size)
{
    static const struct resident_facts facts = {
        .old_vector = 0xf000f859, .drive = 0x81, .tries = 3, .set_text_mode = true};

    return resident_write(bios_resident, code_size(), &facts, &map, piece, size, &used);
}

/* What the code says of itself is what the header's names mean. */
static void code(void **state)
{
    const uint8_t *c = bios_resident;

    (void)state;
    assert_true(code_size() < 1024);
    assert_int_equal(get16(c + RESIDENT_RANGES), code_size());
    assert_true(get16(c + RESIDENT_INT15) >= RESIDENT_HEADER);
    assert_memory_equal(c + get16(c + RESIDENT_INT15), "\x3d\x20\xe8", 3); /* cmp ax, 0xe820 */
    assert_memory_equal(c + get16(c + RESIDENT_LOAD), "\x0e\x1f", 2);      /* push cs; pop ds */
    assert_int_equal(c[get16(c + RESIDENT_DONE)], 0xcc);
}

static void place_is_the_top_of_base_memory(void **state)
{
    (void)state;
    hpa_t at = resident_place(&map, 0x9fc00, code_size());
    assert_int_equal(at, 0x9f800);
    assert_int_equal(memory_map_type(&map, at - 1), MEMORY_RAM);
    assert_int_equal(memory_map_type(&map, at), MEMORY_RESERVED);
    assert_int_equal(map.count, 6); /* it joins the EBDA */
}

/* The BIOS data area knows of less than the map, or of more: the smaller one counts. */
static void place_below_both_ends(void **state)
{
    (void)state;
    assert_int_equal(resident_place(&map, 0x90000, code_size()), 0x8fc00);
    assert_int_equal(memory_map_type(&map, 0x8fc00), MEMORY_RESERVED);
    assert_int_equal(memory_map_type(&map, 0x90000), MEMORY_RAM);
    assert_int_equal(resident_place(&map, 640 << 10, code_size()), 0x9f800);
}

static void place_grows_with_the_map(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++)
        range((300 + 2 * i) * MIB, (301 + 2 * i) * MIB, MEMORY_RESERVED);
    unsigned before = map.count;
    hpa_t at = resident_place(&map, 0x9fc00, code_size());
    assert_true(at <= 0x9fc00 - code_size() - before * RESIDENT_RANGE_SIZE);
    assert_int_equal(at % 1024, 0);
    assert_int_equal(write_piece(0x9fc00 - at), HV_OK);
    assert_int_equal(used, code_size() + map.count * RESIDENT_RANGE_SIZE);
}

static void place_refused(void **state)
{
    struct memory_map before;

    (void)state;
    memcpy(&before, &map, sizeof(map));
    assert_int_equal(resident_place(&map, 0x40000, code_size()), 0);
    assert_int_equal(resident_place(&map, 0, code_size()), 0);
    assert_memory_equal(&map, &before, sizeof(map));
    for (unsigned i = 0; map.count < MEMORY_MAP_MAX; i++)
        range((300 + 2 * i) * MIB, (301 + 2 * i) * MIB, MEMORY_RESERVED);
    memcpy(&before, &map, sizeof(map));
    assert_int_equal(resident_place(&map, 0x80000, code_size()), 0); /* would split a range */
    assert_memory_equal(&map, &before, sizeof(map));
}

static void header(void **state)
{
    (void)state;
    assert_int_equal(write_piece(sizeof(piece)), HV_OK);
    assert_int_equal(used, code_size() + 6 * RESIDENT_RANGE_SIZE);
    assert_int_equal(get32(piece + RESIDENT_OLD_VECTOR), 0xf000f859);
    assert_int_equal(piece[RESIDENT_DRIVE], 0x81);
    assert_int_equal(piece[RESIDENT_TRIES], 3);
    assert_int_equal(piece[RESIDENT_TEXT_MODE], 1);
    assert_int_equal(get16(piece + RESIDENT_COUNT), 6);
    assert_memory_equal(piece + RESIDENT_HEADER, bios_resident + RESIDENT_HEADER,
                        code_size() - RESIDENT_HEADER);
    assert_int_equal(piece[used], 0xee);
}

static void ranges_in_order(void **state)
{
    uint64_t at = 0;

    (void)state;
    assert_int_equal(write_piece(sizeof(piece)), HV_OK);
    for (unsigned i = 0; i < map.count; i++) {
        const uint8_t *r = piece + code_size() + (size_t)i * RESIDENT_RANGE_SIZE;
        assert_true(get64(r) >= at);
        assert_int_equal(get64(r), map.ranges[i].start);
        at = get64(r) + get64(r + 8);
        assert_int_equal(at, map.ranges[i].end);
        assert_int_equal(get32(r + 16), map.ranges[i].type);
    }
}

static void no_room_writes_nothing(void **state)
{
    (void)state;
    assert_int_equal(write_piece(code_size() + 6 * RESIDENT_RANGE_SIZE - 1), HV_ENOSPC);
    assert_int_equal(piece[0], 0xee);
    assert_int_equal(write_piece(code_size() + 6 * RESIDENT_RANGE_SIZE), HV_OK);
}

static void expect_sizes(unsigned below, unsigned above, unsigned extended)
{
    assert_int_equal(write_piece(sizeof(piece)), HV_OK);
    assert_int_equal(get16(piece + RESIDENT_BELOW_16M), below);
    assert_int_equal(get16(piece + RESIDENT_ABOVE_16M), above);
    assert_int_equal(get16(piece + RESIDENT_EXTENDED), extended);
}

static void sizes(void **state)
{
    (void)state;
    expect_sizes(15 * 1024, (252 - 16) * 16, 63 * 1024);
}

static void sizes_of_small_machines(void **state)
{
    (void)state;
    map.count = 0;
    range(0, 0x9fc00, MEMORY_RAM);
    expect_sizes(0, 0, 0);
    range(MIB, 8 * MIB + 512, MEMORY_RAM);
    expect_sizes(7 * 1024, 0, 7 * 1024);
    range(8 * MIB, 40 * MIB, MEMORY_RAM);
    expect_sizes(15 * 1024, 24 * 16, 39 * 1024);
}

/* The hole that old chip sets have at 15 MiB. */
static void sizes_with_a_hole(void **state)
{
    (void)state;
    map.count = 0;
    range(MIB, 15 * MIB, MEMORY_RAM);
    range(16 * MIB, 32 * MIB, MEMORY_RAM);
    expect_sizes(14 * 1024, 256, 14 * 1024);
}

static void sizes_end_at_4_gib(void **state)
{
    (void)state;
    map.count = 0;
    range(MIB, 1ULL << 40, MEMORY_RAM);
    expect_sizes(15 * 1024, (4096 - 16) * 16, 63 * 1024);
}

static struct refusal refusal;

static int chosen(enum boot_guest_kind kind, unsigned disk, int loaded_from, unsigned disks)
{
    struct boot_guest guest = {.kind = kind, .disk = (uint8_t)disk};
    uint8_t drive = 0;

    refusal.text[0] = '\0';
    return bios_choose_drive(&guest, loaded_from, disks, &drive, &refusal) ? drive : -1;
}

static void drive_by_name(void **state)
{
    (void)state;
    assert_int_equal(chosen(BOOT_GUEST_DISK, 0, 0x80, 1), 0x80);
    assert_int_equal(chosen(BOOT_GUEST_DISK, 2, 0xe0, 3), 0x82);
    assert_int_equal(chosen(BOOT_GUEST_DISK, 127, -1, 128), 0xff);
    assert_int_equal(chosen(BOOT_GUEST_DISK, 1, 0x80, 1), -1);
    assert_string_equal(refusal.text, "guest=disk:1: the BIOS has one hard disk, disk:0");
    assert_int_equal(chosen(BOOT_GUEST_DISK, 5, 0x80, 3), -1);
    assert_string_equal(refusal.text, "guest=disk:5: the BIOS has 3 hard disks, disk:0 to disk:2");
    assert_int_equal(chosen(BOOT_GUEST_DISK, 0, 0x80, 0), -1);
    assert_string_equal(refusal.text, "the BIOS has no hard disk to boot from");
}

static void drive_next(void **state)
{
    (void)state;
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0x80, 2), 0x81);
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0x81, 3), 0x82);
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0xe0, 1), 0x80); /* a CD */
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0x9f, 2), 0x80); /* a CD of another BIOS */
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0x00, 1), 0x80); /* a floppy disk */
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, -1, 1), 0x80);   /* the network */
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0x80, 1), -1);
    assert_string_equal(refusal.text, "guest=next: no drive follows 0x80, which gdbvisor was "
                                      "loaded from; guest=disk:N names another");
    assert_int_equal(chosen(BOOT_GUEST_NEXT, 0, 0xe0, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(code, setup),
        cmocka_unit_test_setup(place_is_the_top_of_base_memory, setup),
        cmocka_unit_test_setup(place_below_both_ends, setup),
        cmocka_unit_test_setup(place_grows_with_the_map, setup),
        cmocka_unit_test_setup(place_refused, setup),
        cmocka_unit_test_setup(header, setup),
        cmocka_unit_test_setup(ranges_in_order, setup),
        cmocka_unit_test_setup(no_room_writes_nothing, setup),
        cmocka_unit_test_setup(sizes, setup),
        cmocka_unit_test_setup(sizes_of_small_machines, setup),
        cmocka_unit_test_setup(sizes_with_a_hole, setup),
        cmocka_unit_test_setup(sizes_end_at_4_gib, setup),
        cmocka_unit_test(drive_by_name),
        cmocka_unit_test(drive_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
