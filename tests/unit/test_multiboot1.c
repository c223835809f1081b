/* boot/multiboot.c, boot/multiboot1*.c, boot/elf.c: flat and ELF kernels. */
#include <stdio.h>
#include <stdlib.h>

#include "boot/multiboot1.h"
#include "hv/compiler.h"
#include "tests/unit/multiboot_kernel.h"

enum { FLAG_ADDRESSES = 1 << 16 };

/* A flat image at 1 MiB, its header at 0x40 of it, 64 KiB of bss behind 30000 bytes. */
static const uint32_t flat[5] = {0x100040, 0x100000, 0x100000 + 30000, 0x118000, 0x100100};

static const struct fake_segment kernel[] = {
    {1, 0x1000, 0x100000, 0x100000, 0x800, 0x2000},
    {1, 0x2000, 0xffffffff80200000, 0x200000, 0x1000, 0x1000},
    {1, 0x3000, 0xffffffff80201000, 0x201000, 0x10, 0x100000},
    {2, 0x3000, 0, 0, 0x10, 0x10},    /* not PT_LOAD */
    {1, 0xffffff, 0, 0, 0xffffff, 0}, /* takes no memory */
};

static int setup(void **state)
{
    (void)state;
    plan_kernel = multiboot1_plan;
    write_info = multiboot1_write_info;
    begin();
    return 0;
}

static void make_flat(const uint32_t addresses[5])
{
    fake_multiboot1(image + 0x40, FLAG_ADDRESSES | 3, addresses);
}

static void make_elf(unsigned bits, uint64_t entry, const struct fake_segment *segments,
                     unsigned count)
{
    fake_elf(image, bits, entry, segments, count);
    fake_multiboot1(image + 0x1000, 3, NULL);
}

static const char *string_at(uint32_t address)
{
    assert_in_range(address, plan.info, plan.info + plan.info_size - 1);
    return (const char *)m.memory + address;
}

static void test_flat(void **state)
{
    const uint8_t *info;

    (void)state;
    make_flat(flat);
    info = run_flat();
    assert_int_equal(plan.entry.rax, 0x2badb002);
    assert_int_equal(plan.entry.rflags, 2);
    assert_int_equal(plan.entry.gdt_limit, 31);

    assert_int_equal(get32(info), 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_int_equal(get32(info + 4), 0x9fc00 / 1024);
    assert_int_equal(get32(info + 8), (FAKE_SELF - 0x100000) / 1024);
    assert_string_equal(string_at(get32(info + 16)), "arg");
    assert_int_equal(get32(info + 20), 0);
    assert_string_equal(string_at(get32(info + 64)), "gdbvisor " HV_VERSION);
    assert_int_equal(get32(info + 88), 0); /* did not ask for a screen */
}

static void test_memory_map(void **state)
{
    const uint8_t *info, *row;

    (void)state;
    make_flat(flat);
    add_unknown_memory();
    assert_true(make_plan());
    info = run_plan();
    assert_int_equal(get32(info + 44), MAP_ROWS * MAP_ROW_SIZE);
    row = (const uint8_t *)string_at(get32(info + 48));
    for (unsigned i = 0; i < MAP_ROWS; i++, row += MAP_ROW_SIZE) {
        assert_int_equal(get32(row), MAP_ROW_SIZE - 4);
        check_map_row(i, row + 4);
    }
}

static void test_modules(void **state)
{
    const uint8_t *info, *entry;

    (void)state;
    make_flat(flat);
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "kernel args");
    fake_module(&m, 0x2800000, module, sizeof(module), "stays here");
    fake_module(&m, 0x2900010, module, 5000, "moves"); /* not page aligned */
    fake_module(&m, 0x110000, module + 1, 9000, "");   /* in the kernel's bss */
    fake_module(&m, 0x3000000, module, 0, "empty");
    assert_true(make_plan());
    info = run_plan();
    assert_string_equal(string_at(get32(info + 16)), "kernel args");
    assert_int_equal(get32(info + 20), 4);
    entry = (const uint8_t *)string_at(get32(info + 24));
    assert_int_equal(get32(entry), 0x2800000);
    assert_int_equal(get32(entry + 4), 0x2800000 + sizeof(module));
    assert_string_equal(string_at(get32(entry + 8)), "stays here");
    assert_int_equal(get32(entry + 16), 0x118000);
    assert_int_equal(get32(entry + 20), 0x118000 + 5000);
    assert_string_equal(string_at(get32(entry + 24)), "moves");
    assert_int_equal(get32(entry + 32), 0x11a000);
    assert_string_equal(string_at(get32(entry + 40)), "");
    assert_int_equal(get32(entry + 52) - get32(entry + 48), 0);
    assert_string_equal(string_at(get32(entry + 56)), "empty");
    assert_memory_equal(m.memory + 0x2800000, module, sizeof(module));
    assert_memory_equal(m.memory + 0x118000, module, 5000);
    assert_memory_equal(m.memory + 0x11a000, module + 1, 9000);
    assert_memory_equal(m.memory + 0x100000, image, 30000);
}

static void test_elf(void **state)
{
    (void)state;
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        setup(NULL);
        make_elf(bits, bits == 64 ? 0xffffffff80200010 : 0x80200010, kernel, HV_ARRAY_SIZE(kernel));
        assert_true(make_plan());
        assert_int_equal(plan.count, 3);
        assert_int_equal(plan.entry.rip, 0x200010); /* by the virtual address */
        memset(m.memory + 0x200000, 0xcc, 0x102000);
        run_plan();
        assert_memory_equal(m.memory + 0x100000, image + 0x1000, 0x800);
        assert_int_equal(m.memory[0x100800], 0);
        assert_memory_equal(m.memory + 0x200000, image + 0x2000, 0x1000);
        assert_memory_equal(m.memory + 0x201000, image + 0x3000, 0x10);
        assert_int_equal(m.memory[0x201010], 0);
        assert_int_equal(m.memory[0x300fff], 0);
        assert_int_equal(m.memory[0x301000], 0xcc);

        /* An entry that is physical. */
        make_elf(bits, 0x200020, kernel, HV_ARRAY_SIZE(kernel));
        assert_true(make_plan());
        assert_int_equal(plan.entry.rip, 0x200020);
    }
}

/* The ELF file itself lies where its segments go. */
static void test_elf_in_its_own_way(void **state)
{
    (void)state;
    make_elf(32, 0x100000, kernel, 3);
    fake_module(&m, 0x200800, image, sizeof(image), "");
    assert_true(make_plan());
    run_plan();
    assert_memory_equal(m.memory + 0x100000, image + 0x1000, 0x800);
    assert_memory_equal(m.memory + 0x200000, image + 0x2000, 0x1000);
    assert_memory_equal(m.memory + 0x201000, image + 0x3000, 0x10);
}

static void test_screen(void **state)
{
    const uint8_t *info;

    (void)state;
    fake_multiboot1(image + 0x40, FLAG_ADDRESSES | 7, flat);
    assert_true(make_plan());
    info = run_plan();
    assert_true(get32(info) & 1 << 12);
    assert_int_equal(get64(info + 88), 0xb8000);
    assert_int_equal(get32(info + 96), 160);
    assert_int_equal(get32(info + 100), 80);
    assert_int_equal(get32(info + 104), 25);
    assert_int_equal(info[108], 16);
    assert_int_equal(info[109], 2);

    m.screen = (struct boot_framebuffer){
        BOOT_SCREEN_RGB, 0x8c0000000, 5120, 1280, 800, 32, 16, 8, 8, 7, 0, 6};
    assert_true(make_plan());
    run_plan();
    assert_int_equal(get64(info + 88), 0x8c0000000);
    assert_int_equal(get32(info + 96), 5120);
    assert_int_equal(info[108], 32);
    assert_int_equal(info[109], 1);
    assert_memory_equal(info + 110, "\x10\x08\x08\x07\x00\x06", 6);

    m.screen.kind = BOOT_SCREEN_NONE;
    assert_string_equal(why(), "the multiboot1 kernel demands a screen, and there is none");
}

static void test_bad_headers(void **state)
{
    (void)state;
    assert_string_equal(why(), "no multiboot1 header in the image's first 8192 bytes");
    make_flat(flat);
    image[0x48] ^= 1;
    assert_string_equal(why(), "the multiboot1 header at 0x40 has a wrong checksum or is cut off");
    fake_multiboot1(image + 0x40, FLAG_ADDRESSES | 0x8103, flat);
    assert_string_equal(why(), "the multiboot1 header demands what is not known: flags 0x8100");
    fake_multiboot1(image + 0x40, 0x80000000u | 0x20000 | FLAG_ADDRESSES, flat);
    assert_true(make_plan()); /* unknown optional flags */
    fake_multiboot1(image + 0x40, 3, flat);
    assert_string_equal(why(), "the multiboot image is not an ELF file and has no address fields");
    make_flat(flat);
    m.modules[0].size = 0x40 + 31;
    assert_string_equal(why(), "the image is truncated within its multiboot1 header");
}

static const char *why_fields(uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end,
                              uint32_t entry)
{
    const uint32_t fields[5] = {header, load, load_end, bss_end, entry};

    make_flat(fields);
    return why();
}

static void test_address_fields(void **state)
{
    const uint32_t whole[5] = {0x100040, 0x100000, 0, 0, 0x100000 + IMAGE_SIZE - 1};
    const uint32_t part[5] = {0x100000, 0x100000, 0x100100, 0, 0x100000};

    (void)state;
    make_flat(whole); /* load_end 0: all of the file; bss_end 0: none */
    assert_true(make_plan());
    assert_int_equal(plan.segments[0].file_size, IMAGE_SIZE);
    assert_int_equal(plan.segments[0].size, IMAGE_SIZE);
    make_flat(part); /* loaded from the header on */
    assert_true(make_plan());
    assert_int_equal(plan.segments[0].offset, 0x40);
    run_plan();
    assert_memory_equal(m.memory + 0x100000, image + 0x40, 0x100);

    assert_non_null(strstr(why_fields(0x100000, 0x100040, 0x101000, 0, 0x100100), "cannot be at"));
    assert_non_null(strstr(why_fields(0x100041, 0x100000, 0x101000, 0, 0x100100), "cannot be at"));
    assert_string_equal(why_fields(0x100040, 0x100000, 0x100000 + IMAGE_SIZE + 1, 0, 0x100100),
                        "the image is truncated: load_end_addr wants 40001 bytes, the file has "
                        "40000");
    fake_elf(image, 32, 0x100000, kernel, 0); /* made with the fields of its flat twin */
    assert_non_null(strstr(why_fields(0x100040, 0x100000, 0x110000, 0, 0x100100),
                           "(an ELF file whose header has address fields: these count)"));
    /* The same with an image that begins at its header, 0x40 bytes into the file. */
    assert_non_null(
        strstr(why_fields(0x100000, 0x100000, 0x100000 + IMAGE_SIZE - 0x3f, 0, 0x100100),
               "wants 39937 bytes, the file has 39936"));
    assert_non_null(strstr(why_fields(0x100040, 0x100000, 0x100000, 0, 0x100100),
                           "load_end_addr 0x100000 is below load_addr 0x100000"));
    assert_non_null(strstr(why_fields(0x100040, 0x100000, 0x80000, 0, 0x100100), "is below"));
    assert_non_null(strstr(why_fields(0x100040, 0x100000, 0x101000, 0x100fff, 0x100100),
                           "bss_end_addr 0x100fff is below"));
    assert_non_null(strstr(why_fields(0x100040, 0x100000, 0x101000, 0x102000, 0x101000),
                           "entry_addr 0x101000 is not in the image"));
    assert_non_null(strstr(why_fields(0x100040, 0x100000, 0x101000, 0x102000, 0xfffff), "entry"));
}

static void test_places(void **state)
{
    const uint32_t edge[5] = {FAKE_SELF - 0x1000 + 0x40, FAKE_SELF - 0x1000, FAKE_SELF, 0,
                              FAKE_SELF - 0x1000};

    (void)state;
    make_flat(edge);
    assert_true(make_plan());
    assert_string_equal(
        why_fields(FAKE_SELF - 0x1000 + 0x40, FAKE_SELF - 0x1000, FAKE_SELF, FAKE_SELF + 1,
                   FAKE_SELF - 0x1000),
        "the kernel's segment at 0x3bff000..0x3c00001 overlaps gdbvisor's own memory "
        "0x3c00000..0x4000000");
    assert_string_equal(why_fields(0x9f040, 0x9f000, 0xa0000, 0, 0x9f000),
                        "the kernel's segment at 0x9f000..0xa0000 is outside of RAM (from 0x9fc00 "
                        "on)");
    assert_non_null(strstr(why_fields(0x4000040, 0x4000000, 0x4001000, 0, 0x4000000),
                           "outside of RAM (from 0x4000000 on)"));
    assert_non_null(strstr(why_fields(0xfff + 0x40, 0xfff, 0x3000, 0, 0x1000), "BIOS data"));
    assert_non_null(
        strstr(why_fields(0xfffff040, 0xfffff000, 0, 0, 0xfffff000), "does not lie below 4 GiB"));
}

static void test_info_moves_away(void **state)
{
    const uint32_t low[5] = {0x10040, 0x10000, 0x11000, 0x20001, 0x10000};

    (void)state;
    make_flat(low);
    assert_true(make_plan());
    assert_int_equal(plan.info, 0x21000);
    memory_map_set(&m.map, 0x21000, 0xa0000, MEMORY_RESERVED);
    assert_true(make_plan());
    assert_int_equal(plan.info, 0x1000); /* the second choice */
    memory_map_set(&m.map, 0, 0x10000, MEMORY_RESERVED);
    assert_string_equal(why(), "no free RAM below 640 KiB for the multiboot information (4 KiB)");
}

static void test_bad_elf(void **state)
{
    struct fake_segment s[20];

    (void)state;
    memcpy(s, kernel, sizeof(kernel));
    s[0].filesz = s[0].memsz + 1;
    make_elf(32, 0x100000, s, 3);
    assert_non_null(strstr(why(), "sizes make no sense"));
    s[0] = kernel[0];
    s[1].offset = IMAGE_SIZE - 0xfff;
    make_elf(64, 0x100000, s, 3);
    assert_string_equal(why(), "the ELF file is truncated: the segment at 0x200000 needs bytes up "
                               "to 0x9c41, the file has 0x9c40");
    s[1].offset = UINT64_MAX;
    make_elf(64, 0x100000, s, 3);
    assert_non_null(strstr(why(), "truncated"));
    s[1] = kernel[1];
    s[1].paddr = UINT64_MAX - 10;
    make_elf(64, 0x100000, s, 3);
    assert_non_null(strstr(why(), "sizes make no sense"));
    s[1].paddr = 0x101fff;
    make_elf(64, 0x100000, s, 3);
    assert_string_equal(why(), "two of the kernel's segments overlap at 0x101fff");
    make_elf(64, 0x50, kernel, 3);
    assert_string_equal(why(), "the kernel's entry 0x50 lies in none of its segments");
    make_elf(64, 0x102000, kernel, 1);
    assert_non_null(strstr(why(), "in none of its segments"));
    make_elf(64, 0x100000, kernel + 3, 2);
    assert_string_equal(why(), "the ELF file has no segment to load");
    for (unsigned i = 0; i < 20; i++)
        s[i] = (struct fake_segment){1, 0, 0x100000 + i * 16, 0x100000 + i * 16, 16, 16};
    make_elf(32, 0x100000, s, 17);
    assert_string_equal(why(), "the ELF file has more than 16 segments to load");
    make_elf(32, 0x100000, s, 16);
    assert_true(make_plan());
}

static void test_bad_elf_header(void **state)
{
    (void)state;
    make_elf(64, 0x100000, kernel, 3);
    put16(image + 18, 183);
    assert_string_equal(why(), "the ELF file is for machine 183, not for x86");
    put16(image + 18, 62);
    put16(image + 16, 1);
    assert_string_equal(why(), "the ELF file is of type 1, not an executable");
    put16(image + 16, 3);
    assert_true(make_plan());
    image[5] = 2;
    assert_non_null(strstr(why(), "not little-endian"));
    image[5] = 1;
    image[4] = 7;
    assert_non_null(strstr(why(), "32 or 64 bits"));
    image[4] = 2;
    put16(image + 54, 55);
    assert_non_null(strstr(why(), "55 bytes each"));
    put16(image + 54, 56);
    put64(image + 32, IMAGE_SIZE - 3 * 56 + 1);
    assert_string_equal(why(), "the ELF file is truncated: its program headers lie behind its end");
    put64(image + 32, UINT64_MAX);
    assert_non_null(strstr(why(), "behind its end"));
    put16(image + 54, 0xffff);
    put16(image + 56, 0xffff);
    put64(image + 32, 64);
    assert_non_null(strstr(why(), "behind its end"));
}

/* The bytes end with the header: the sanitizer sees a read behind them. */
static void test_short_elf(void **state)
{
    (void)state;
    for (unsigned size = 0; size < 80; size++) {
        uint8_t *copy = malloc(size != 0 ? size : 1);
        struct elf elf;

        fake_elf(image, 64, 0x100000, kernel, 1);
        memcpy(copy, image, size);
        assert_false(elf_read(copy, size, &elf, &refusal));
        free(copy);
    }
}

static void test_no_room_for_modules(void **state)
{
    (void)state;
    make_flat(flat);
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "");
    fake_module(&m, 0x200001, module, sizeof(module), "");
    m.modules[1].size = 60 << 20;
    assert_string_equal(why(), "no RAM for module 2: 61440 KiB in one piece behind the kernel");
    m.modules[1].start = UINT64_MAX - 4095;
    m.modules[1].size = 8192;
    assert_non_null(strstr(why(), "makes no sense"));
    m.request.module_count = 0;
    assert_false(multiboot1_plan(&m.request, &plan, &refusal));
    assert_non_null(strstr(refusal.text, "no kernel"));
}

static void test_largest_information(void **state)
{
    const uint8_t *info;

    (void)state;
    make_flat(flat);
    info = run_largest();
    assert_int_equal(strlen(string_at(get32(info + 16))), BOOT_CMDLINE_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_flat, setup),
        cmocka_unit_test_setup(test_memory_map, setup),
        cmocka_unit_test_setup(test_modules, setup),
        cmocka_unit_test_setup(test_elf, setup),
        cmocka_unit_test_setup(test_elf_in_its_own_way, setup),
        cmocka_unit_test_setup(test_screen, setup),
        cmocka_unit_test_setup(test_bad_headers, setup),
        cmocka_unit_test_setup(test_address_fields, setup),
        cmocka_unit_test_setup(test_places, setup),
        cmocka_unit_test_setup(test_info_moves_away, setup),
        cmocka_unit_test_setup(test_bad_elf, setup),
        cmocka_unit_test_setup(test_bad_elf_header, setup),
        cmocka_unit_test_setup(test_short_elf, setup),
        cmocka_unit_test_setup(test_no_room_for_modules, setup),
        cmocka_unit_test_setup(test_largest_information, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
