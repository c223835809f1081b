/* boot/multiboot2.c, boot/multiboot2_info.c: multiboot2 kernels as guests. */
#include "tests/unit/multiboot2_kernel.h"

enum { AT = 0x40 };

/* At 1 MiB, the header AT bytes into it, 64 KiB of bss behind 30000 bytes. */
static const struct fake_tag address = {
    ADDRESS, 0, 24, {0x100000 + AT, 0x100000, 0x100000 + 30000, 0x118000}};
static const struct fake_tag entry = {ENTRY, 0, 12, {0x100100}};

/* An image with these tags alone. */
static void make_tags(const struct fake_tag *tags, unsigned count)
{
    fake_multiboot2(image + AT, tags, count);
}

/* A flat image with the tags above and this one (NULL: none). */
static void make_flat(const struct fake_tag *tag)
{
    const struct fake_tag all[] = {address, entry, tag ? *tag : end, end};

    make_tags(all, 4);
}

static void assert_tag_text(const uint8_t *tag, unsigned offset, const char *text)
{
    assert_non_null(tag);
    assert_string_equal((const char *)tag + offset, text);
    assert_int_equal(get32(tag + 4), offset + strlen(text) + 1);
}

static void test_flat(void **state)
{
    const uint8_t *info, *tag;

    (void)state;
    make_flat(NULL);
    info = run_flat();
    assert_int_equal(plan.entry.rax, 0x36d76289);
    assert_int_equal(plan.entry.gdt_base, plan.info + get32(info));

    assert_tag_text(find_tag(info, 1, 0), 8, "arg");
    assert_tag_text(find_tag(info, 2, 0), 8, "gdbvisor " HV_VERSION);
    assert_null(find_tag(info, 3, 0));
    tag = find_tag(info, 4, 0);
    assert_int_equal(get32(tag + 4), 16);
    assert_int_equal(get32(tag + 8), 0x9fc00 / 1024);
    assert_int_equal(get32(tag + 12), (FAKE_SELF - 0x100000) / 1024);
    tag = find_tag(info, 21, 0);
    assert_int_equal(get32(tag + 4), 12);
    assert_int_equal(get32(tag + 8), 0x100000);
}

static void test_memory_map(void **state)
{
    const uint8_t *tag;

    (void)state;
    make_flat(NULL);
    add_unknown_memory();
    assert_true(make_plan());
    tag = find_tag(run_plan(), 6, 0);
    assert_int_equal(get32(tag + 4), 16 + MAP_ROWS * MAP_ROW_SIZE);
    assert_int_equal(get32(tag + 8), MAP_ROW_SIZE);
    assert_int_equal(get32(tag + 12), 0);
    for (unsigned i = 0; i < MAP_ROWS; i++) {
        const uint8_t *row = tag + 16 + (size_t)i * MAP_ROW_SIZE;

        check_map_row(i, row);
        assert_int_equal(get32(row + 20), 0);
    }
}

static void test_modules(void **state)
{
    static const struct {
        uint32_t start, size;
        const char *text;
    } expected[] = {{0x2800000, sizeof(module), "stays here"}, {0x118000, 5000, "moves"}};
    const uint8_t *info;

    (void)state;
    make_flat(NULL);
    fake_module(&m, FAKE_IMAGE_AT, image, sizeof(image), "kernel args");
    fake_module(&m, 0x2800000, module, sizeof(module), "stays here");
    fake_module(&m, 0x110000, module, 5000, "moves"); /* in the kernel's bss */
    assert_true(make_plan());
    info = run_plan();
    assert_tag_text(find_tag(info, 1, 0), 8, "kernel args");
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *tag = find_tag(info, 3, i);

        assert_tag_text(tag, 16, expected[i].text);
        assert_int_equal(get32(tag + 8), expected[i].start);
        assert_int_equal(get32(tag + 12), expected[i].start + expected[i].size);
        assert_memory_equal(m.memory + expected[i].start, module, expected[i].size);
    }
    assert_null(find_tag(info, 3, 2));
}

static void test_rsdp(void **state)
{
    const uint8_t *info;

    (void)state;
    make_flat(NULL);
    fake_pattern(m.rsdp + 8, sizeof(m.rsdp) - 8, 7);
    assert_true(make_plan());
    info = run_plan();
    assert_int_equal(get32(find_tag(info, 14, 0) + 4), 8 + 20);
    assert_memory_equal(find_tag(info, 14, 0) + 8, m.rsdp, 20);
    assert_int_equal(get32(find_tag(info, 15, 0) + 4), 8 + 36);
    assert_memory_equal(find_tag(info, 15, 0) + 8, m.rsdp, 36);

    m.request.rsdp_size = 20; /* ACPI 1.0's */
    assert_true(make_plan());
    info = run_plan();
    assert_memory_equal(find_tag(info, 14, 0) + 8, m.rsdp, 20);
    assert_null(find_tag(info, 15, 0));

    m.request.rsdp_size = 0;
    assert_true(make_plan());
    assert_null(find_tag(run_plan(), 14, 0));
    assert_null(find_tag(run_plan(), 15, 0));
}

static void test_screen(void **state)
{
    static const struct fake_tag graphics = {CONSOLE, 0, 12, {1}}, any = {CONSOLE, 0, 12, {3}};
    const uint8_t *tag;

    (void)state;
    make_flat(NULL);
    assert_true(make_plan());
    tag = find_tag(run_plan(), 8, 0);
    assert_memory_equal(tag + 4, "\x20\0\0\0\0\x80\x0b\0\0\0\0\0\xa0\0\0\0\x50\0\0\0\x19\0\0\0",
                        24);
    assert_memory_equal(tag + 28, "\x10\x02\0", 4);

    make_flat(&graphics);
    assert_string_equal(why(), "the multiboot2 kernel demands a screen in graphics mode, and this "
                               "one shows text");
    make_flat(&any);
    assert_true(make_plan());

    m.screen = (struct boot_framebuffer){
        BOOT_SCREEN_RGB, 0x8c0000000, 5120, 1280, 800, 32, 16, 8, 8, 7, 0, 6};
    make_flat(&graphics);
    assert_true(make_plan());
    tag = find_tag(run_plan(), 8, 0);
    assert_int_equal(get32(tag + 4), 38);
    assert_int_equal(get64(tag + 8), 0x8c0000000);
    assert_int_equal(get32(tag + 16), 5120);
    assert_memory_equal(tag + 28, "\x20\x01\0\0\x10\x08\x08\x07\x00\x06", 10);

    m.screen.kind = BOOT_SCREEN_NONE;
    assert_string_equal(why(), "the multiboot2 kernel demands a screen and there is none");
    make_flat(NULL);
    assert_true(make_plan());
    assert_null(find_tag(run_plan(), 8, 0));
}

static void test_elf(void **state)
{
    static const struct fake_tag other = {ENTRY, 0, 12, {0x100010}};

    (void)state;
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        setup(NULL);
        make_elf(bits, bits == 64 ? 0xffffffff80200010 : 0x80200010, NULL);
        memset(m.memory + 0x100000, 0xcc, 0x2001);
        assert_true(make_plan());
        assert_int_equal(plan.header_offset, 0x1000);
        assert_int_equal(plan.entry.rip, 0x200010);
        run_plan();
        assert_memory_equal(m.memory + 0x100000, image + 0x1000, 0x800);
        assert_int_equal(m.memory[0x100800], 0);
        assert_int_equal(m.memory[0x102000], 0xcc);
        assert_memory_equal(m.memory + 0x200000, image + 0x2000, 0x1000);
        /* The entry tag counts, whatever the ELF header says. */
        make_elf(bits, 0x50, &other);
        assert_true(make_plan());
        assert_int_equal(plan.entry.rip, 0x100010);
        make_elf(bits, 0x50, NULL);
        assert_string_equal(why(), "the kernel's entry 0x50 lies in none of its segments");
    }
}

static void test_address_tag(void **state)
{
    const struct fake_tag whole[] = {
        {ADDRESS, 0, 24, {0x200000 + AT, UINT32_MAX, 0, 0}}, {ENTRY, 0, 12, {0x200000}}, end};
    const struct fake_tag below[] = {
        {ADDRESS, 0, 24, {AT - 8, UINT32_MAX, 0, 0}}, {ENTRY, 0, 12, {0x200000}}, end};
    const struct fake_tag alone[] = {address, end}, none[] = {entry, end};

    (void)state;
    make_tags(whole, 3); /* load_addr -1: the file from its beginning on */
    assert_true(make_plan());
    assert_int_equal(plan.segments[0].address, 0x200000);
    assert_int_equal(plan.segments[0].offset, 0);
    assert_int_equal(plan.segments[0].size, IMAGE_SIZE);
    make_tags(below, 3);
    assert_non_null(strstr(why(), "cannot be at"));
    make_tags(alone, 2);
    assert_string_equal(why(), "the multiboot2 header has an address tag and no entry tag");
    make_tags(none, 2);
    assert_string_equal(why(), "the multiboot image is not an ELF file and has no address fields");
}

/* A kernel that is linked to 2 MiB, of 40000 bytes; its bounds, alignment and preference. */
static bool relocate(uint32_t lowest, uint32_t highest, uint32_t align, uint32_t preference)
{
    const struct fake_tag tags[] = {{ADDRESS, 0, 24, {0x200000 + AT, 0x200000, 0, 0}},
                                    {ENTRY, 0, 12, {0x200123}},
                                    {RELOCATABLE, 0, 24, {lowest, highest, align, preference}},
                                    end};

    make_tags(tags, 4);
    if (!make_plan())
        return false;
    assert_int_equal(plan.entry.rip, plan.segments[0].address + 0x123);
    assert_int_equal(get32(find_tag(run_plan(), 21, 0) + 8), plan.segments[0].address);
    assert_memory_equal(m.memory + plan.segments[0].address, image, IMAGE_SIZE);
    return true;
}

static void test_relocatable(void **state)
{
    (void)state;
    assert_true(relocate(0, UINT32_MAX, 4096, 2)); /* it can stay */
    assert_int_equal(plan.segments[0].address, 0x200000);
    assert_true(relocate(0x200001, UINT32_MAX, 4096, 1));
    assert_int_equal(plan.segments[0].address, 0x201000);
    assert_true(relocate(0x300000, 0x1000000, 0x10000, 2));
    assert_int_equal(plan.segments[0].address, 0xff0000);
    assert_true(relocate(0, UINT32_MAX, 0x400000, 0)); /* not aligned where it is linked to */
    assert_int_equal(plan.segments[0].address, 0x400000);
    assert_true(relocate(0, 0x200000 + IMAGE_SIZE, 0, 0));
    assert_int_equal(plan.segments[0].address, 0x200000);
    assert_true(relocate(0, 0x200000 + IMAGE_SIZE - 1, 1, 0));
    assert_true(plan.segments[0].address < 0x200000);
    memory_map_set(&m.map, 0x200000, 0x201000, MEMORY_RESERVED);
    assert_true(relocate(0x200000, UINT32_MAX, 4096, 0));
    assert_int_equal(plan.segments[0].address, 0x201000);

    assert_false(relocate(0x3bf9000, UINT32_MAX, 4096, 2));
    assert_string_equal(refusal.text, "no RAM for the relocatable kernel: 40 KiB from 0x3bf9000 to "
                                      "0xffffffff");
    assert_false(relocate(0x3bf9000, UINT32_MAX, 4096, 1));
    assert_false(relocate(0, UINT32_MAX, 4095, 1));
    assert_string_equal(refusal.text, "the multiboot2 header demands an alignment of 4095");
}

static void test_unknown_tags(void **state)
{
    struct fake_tag tag = {11, 0, 8, {0}};

    (void)state;
    make_flat(&tag);
    assert_string_equal(why(), "the multiboot2 header has a tag of type 11, which is not known");
    tag.flags = OPTIONAL;
    make_flat(&tag);
    assert_true(make_plan());
    for (tag.type = 5; tag.type < 10; tag.type++) { /* wishes, and starts that are not ours */
        tag = (struct fake_tag){tag.type, 0, 20, {1024, 768, 32}};
        make_flat(&tag);
        assert_true(make_plan());
    }

    tag = (struct fake_tag){INFORMATION, 0, 8 + 5 * 4, {1, 3, 6, 15, 22}};
    make_flat(&tag);
    assert_string_equal(
        why(), "the multiboot2 header demands information of type 22, which gdbvisor cannot give");
    tag.words[4] = 9;
    make_flat(&tag);
    assert_non_null(
        strstr(why(), "demands the ELF sections of an image that is loaded by its addr"));
    tag.flags = OPTIONAL;
    make_flat(&tag);
    assert_true(make_plan());
    tag.flags = 0;
    tag.words[4] = 21;
    make_flat(&tag);
    assert_true(make_plan());
}

/* Sizes that lead nowhere, or for ever to the same place. */
static void test_malformed_tags(void **state)
{
    static const uint32_t sizes[] = {0, 1, 7, 41, 0x7fffffff, 0xfffffff9, UINT32_MAX};
    struct fake_tag tag = {FRAMEBUFFER, OPTIONAL, 0, {0}};
    const struct fake_tag endless[] = {address, entry}, long_end = {END, 0, 16, {0}};

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(sizes); i++) {
        tag.size = sizes[i];
        make_tags(&tag, 1);
        assert_non_null(strstr(why(), "tag at 0x50, of type 5, has a size of "));
        tag.type = 99; /* also where nobody knows what size it should have */
        make_tags(&tag, 1);
        assert_non_null(strstr(why(), "tag at 0x50, of type 99, has a size of "));
        tag.type = FRAMEBUFFER;
    }
    tag = (struct fake_tag){ENTRY, 0, 8, {0}}; /* too small for its type */
    make_tags(&tag, 1);
    assert_string_equal(why(), "the multiboot2 header's tag at 0x50, of type 3, has a size of 8");
    make_tags(&long_end, 1);
    assert_non_null(strstr(why(), "of type 0, has a size of 16"));
    make_tags(endless, 2);
    assert_string_equal(why(), "the multiboot2 header at 0x40 has no end tag");
    make_tags(NULL, 0);
    assert_non_null(strstr(why(), "no end tag"));
}

static void set_header(unsigned word, uint32_t value)
{
    uint8_t *h = image + AT;

    put32(h + word * (size_t)4, value);
    put32(h + 12, -(get32(h) + get32(h + 4) + get32(h + 8)));
}

static void test_bad_headers(void **state)
{
    static const uint32_t lengths[] = {0, 15, IMAGE_SIZE, 32768 - AT + 1, UINT32_MAX};

    (void)state;
    assert_string_equal(why(), "no multiboot2 header in the image's first 32768 bytes");
    make_flat(NULL);
    image[AT + 12] ^= 1;
    assert_string_equal(why(), "the multiboot2 header at 0x40 has a wrong checksum or is cut off");
    make_flat(NULL);
    set_header(1, 4);
    assert_string_equal(why(), "the multiboot2 header is for architecture 4, not for i386");
    for (unsigned i = 0; i < HV_ARRAY_SIZE(lengths); i++) {
        make_flat(NULL);
        set_header(2, lengths[i]);
        assert_non_null(strstr(why(), "which do not lie in the image's first 32768"));
    }
    make_flat(NULL);
    set_header(2, 32768 - AT);
    assert_true(make_plan());
    m.modules[0].size = AT + 16 + 24 + 16 + 7; /* cut within the end tag */
    assert_non_null(strstr(why(), "has a length of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_flat, setup),
        cmocka_unit_test_setup(test_memory_map, setup),
        cmocka_unit_test_setup(test_modules, setup),
        cmocka_unit_test_setup(test_rsdp, setup),
        cmocka_unit_test_setup(test_screen, setup),
        cmocka_unit_test_setup(test_elf, setup),
        cmocka_unit_test_setup(test_address_tag, setup),
        cmocka_unit_test_setup(test_relocatable, setup),
        cmocka_unit_test_setup(test_unknown_tags, setup),
        cmocka_unit_test_setup(test_malformed_tags, setup),
        cmocka_unit_test_setup(test_bad_headers, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
