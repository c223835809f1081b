/* boot/elf.c, boot/multiboot.c, boot/multiboot2_info.c: the ELF sections of multiboot2 kernels. */
#include "tests/unit/multiboot2_kernel.h"

/* A section header in the image, at the n-th place of the table at SECTIONS. */
enum { SECTIONS = 0x7000, SYMBOLS_AT = 0x6100, SYMBOLS_SIZE = 0x234, NAMES = 3 };

static void put_section(unsigned bits, unsigned n, uint32_t type, uint32_t addr, uint32_t offset,
                        uint32_t size)
{
    uint8_t *at = image + SECTIONS + (size_t)n * (bits == 64 ? 64 : 40);

    memset(at, 0, bits == 64 ? 64 : 40);
    put32(at, 100 + n);
    put32(at + 4, type);
    if (bits == 64) {
        put64(at + 16, addr);
        put64(at + 24, offset);
        put64(at + 32, size);
    } else {
        put32(at + 12, addr);
        put32(at + 16, offset);
        put32(at + 20, size);
    }
}

/* An ELF image that demands its sections: code, bss and symbols, which are in no segment. */
static void make_sections(unsigned bits)
{
    static const struct fake_tag demand = {INFORMATION, 0, 12, {9}};

    make_elf(bits, 0x100010, &demand);
    if (bits == 64)
        put64(image + 40, SECTIONS);
    else
        put32(image + 32, SECTIONS);
    put16(image + (bits == 64 ? 58 : 46), bits == 64 ? 64 : 40);
    put16(image + (bits == 64 ? 60 : 48), 5);
    put16(image + (bits == 64 ? 62 : 50), NAMES);
    put_section(bits, 0, 0, 0, 0xfffffff0, 0x1000); /* nothing, whatever it says */
    put_section(bits, 1, 1, 0x100000, 0x1000, 0x800);
    put_section(bits, 2, 8, 0, 0xfffffff0, 0x1000); /* no bytes in the file */
    put_section(bits, NAMES, 3, 0, 0x6000, 0);
    put_section(bits, 4, 2, 0, SYMBOLS_AT, SYMBOLS_SIZE);
}

static uint64_t section_address(const uint8_t *tag, unsigned bits, unsigned n)
{
    const uint8_t *at = tag + 20 + (size_t)n * (bits == 64 ? 64 : 40);

    assert_int_equal(get32(at), 100 + n);
    return bits == 64 ? get64(at + 16) : get32(at + 12);
}

/* The symbols are where their section says; the file goes where nothing else is. */
static void test_elf_sections(void **state)
{
    static const uint64_t places[] = {FAKE_IMAGE_AT, 0x100000, FAKE_IMAGE_AT + 1};

    (void)state;
    for (unsigned i = 0; i < 2 * HV_ARRAY_SIZE(places); i++) {
        unsigned bits = 32 + 32 * (i & 1);
        const uint8_t *tag;

        setup(NULL);
        make_sections(bits);
        fake_module(&m, places[i / 2], image, sizeof(image), "arg");
        fake_module(&m, 0x3000000, module, sizeof(module), "m");
        assert_true(make_plan());
        tag = find_tag(run_plan(), 9, 0);
        assert_non_null(tag);
        assert_int_equal(get32(tag + 4), 20 + 5 * (bits == 64 ? 64 : 40));
        assert_int_equal(get32(tag + 8), 5);
        assert_int_equal(get32(tag + 12), bits == 64 ? 64 : 40);
        assert_int_equal(get32(tag + 16), NAMES);
        assert_int_equal(section_address(tag, bits, 0), 0);
        assert_int_equal(section_address(tag, bits, 1), 0x100000);
        assert_int_equal(section_address(tag, bits, 2), 0);
        assert_int_equal(section_address(tag, bits, NAMES), 0);
        assert_int_equal(section_address(tag, bits, 4), plan.file + SYMBOLS_AT);
        if (places[i / 2] == FAKE_IMAGE_AT)
            assert_int_equal(plan.file, FAKE_IMAGE_AT);
        assert_memory_equal(m.memory + section_address(tag, bits, 4), image + SYMBOLS_AT,
                            SYMBOLS_SIZE);
        assert_memory_equal(m.memory + 0x100000, image + 0x1000, 0x800);
        assert_memory_equal(m.memory + 0x200000, image + 0x2000, 0x1000);
        assert_memory_equal(m.memory + plan.modules[0], module, sizeof(module));
        assert_null(find_tag(m.memory + plan.info, 9, 1));
    }
}

/* Without good headers there is no tag; who demands it is refused. */
static void test_bad_sections(void **state)
{
    static const struct fake_tag wish = {INFORMATION, OPTIONAL, 12, {9}};
    static const struct {
        unsigned at;
        uint16_t value;
    } bad[] = {
        {60, 0},                       /* none */
        {60, 65},                      /* more than fit */
        {58, 40},                      /* of the other class */
        {42, 0xffff},                  /* the table lies behind the file's end */
        {40, IMAGE_SIZE - 5 * 64 + 1}, /* or its last byte does */
    };

    (void)state;
    for (unsigned i = 0; i <= HV_ARRAY_SIZE(bad); i++) {
        setup(NULL);
        make_sections(64);
        memset(image + IMAGE_SIZE - 5 * 64, 0, 5 * 64);
        if (i < HV_ARRAY_SIZE(bad))
            put16(image + bad[i].at, bad[i].value);
        else
            put_section(64, 4, 2, 0, IMAGE_SIZE - 1, 2); /* and symbols do */
        assert_string_equal(why(), "the multiboot2 header demands the ELF sections, and the file "
                                   "has no good section headers of at most 4 KiB");
        fake_multiboot2(image + 0x1000, (const struct fake_tag[]){wish, end}, 2);
        assert_true(make_plan());
        assert_null(find_tag(run_plan(), 9, 0));
    }
}

/* No room for the file beside the kernel: who has not asked for the sections starts without. */
static void test_no_room(void **state)
{
    static const struct fake_tag wish = {INFORMATION, OPTIONAL, 12, {9}};

    (void)state;
    make_sections(64);
    memory_map_set(&m.map, 0x201000, FAKE_SELF, MEMORY_RESERVED);
    fake_module(&m, 0x100000, image, sizeof(image), "arg");
    assert_string_equal(why(), "no RAM for the kernel's ELF sections: its file has 40 KiB");
    fake_multiboot2(image + 0x1000, (const struct fake_tag[]){wish, end}, 2);
    assert_true(make_plan());
    assert_null(find_tag(run_plan(), 9, 0));
    assert_memory_equal(m.memory + 0x100000, image + 0x1000, 0x800);
    assert_memory_equal(m.memory + 0x200000, image + 0x2000, 0x1000);
}

static void test_largest_information(void **state)
{
    (void)state;
    make_sections(64);
    put16(image + 60, ELF_SECTIONS_SIZE / 64);
    memset(image + SECTIONS + 5 * 64, 0, ELF_SECTIONS_SIZE - 5 * 64);
    m.screen.kind = BOOT_SCREEN_RGB;
    assert_null(find_tag(run_largest(), 3, BOOT_MAX_MODULES - 1));
    assert_int_equal(get32(find_tag(m.memory + plan.info, 9, 0) + 8), ELF_SECTIONS_SIZE / 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_elf_sections, setup),
        cmocka_unit_test_setup(test_bad_sections, setup),
        cmocka_unit_test_setup(test_no_room, setup),
        cmocka_unit_test_setup(test_largest_information, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
