/* boot/image.c: what is it, and if it is no guest, why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/image.h"
#include "lib/bytes.h"
#include "tests/unit/fake_images.h"

static struct image image;
static struct refusal refusal;

/* A copy of exactly that size, so that the sanitizer sees a read behind it. */
static bool recognise(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    bool result;

    memcpy(copy, bytes, size);
    result = image_recognise(copy, size, &image, &refusal);
    free(copy);
    if (result)
        assert_string_equal(refusal.text, "");
    else
        assert_string_not_equal(refusal.text, "");
    return result;
}

static void test_linux(void **state)
{
    static uint8_t bytes[FAKE_SETUP + 100];

    (void)state;
    fake_bzimage(bytes, sizeof(bytes));
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_LINUX);
    assert_int_equal(image.version, 0x20f);
    assert_string_equal(image.name, "Linux bzImage, boot protocol 2.15");
    /* Linux comes first, though bytes inside look like another. */
    fake_multiboot1(bytes + 0x400, 0, NULL);
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_LINUX);
    assert_true(recognise(bytes, 0x212)); /* the loader says what is wrong with it */
    assert_int_equal(image.kind, IMAGE_LINUX);
    assert_false(recognise(bytes, 0x211));
}

static void test_multiboot1(void **state)
{
    static uint8_t bytes[8192 + 64];
    const struct fake_segment segment = {1, 0, 0x100000, 0x100000, 16, 16};

    (void)state;
    fake_multiboot1(bytes + 64, 3, NULL);
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_MULTIBOOT1);
    assert_int_equal(image.header_offset, 64);
    assert_int_equal(image.elf_bits, 0);
    assert_string_equal(image.name, "multiboot1 kernel");

    memset(bytes, 0, sizeof(bytes));
    fake_multiboot1(bytes + 66, 3, NULL); /* not on 4 bytes */
    assert_false(recognise(bytes, sizeof(bytes)));
    memset(bytes, 0, sizeof(bytes));
    fake_multiboot1(bytes + 8192 - 12, 0, NULL); /* the last place */
    assert_true(recognise(bytes, sizeof(bytes)));
    memset(bytes, 0, sizeof(bytes));
    fake_multiboot1(bytes + 8192 - 8, 0, NULL);
    assert_false(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_UNKNOWN);

    memset(bytes, 0, sizeof(bytes));
    fake_elf(bytes, 64, 0x100000, &segment, 1);
    fake_multiboot1(bytes + 4096, 0, NULL);
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_string_equal(image.name, "multiboot1 kernel, ELF64");
    fake_elf(bytes, 32, 0x100000, &segment, 1);
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.elf_bits, 32);
}

/* A bad header before a good one does not hide it; alone it is told of. */
static void test_multiboot1_checksum(void **state)
{
    uint8_t bytes[256] = {0};

    (void)state;
    fake_multiboot1(bytes + 32, 3, NULL);
    bytes[32 + 8] ^= 1;
    assert_false(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_UNKNOWN);
    assert_string_equal(refusal.text,
                        "a multiboot1 header at 0x20 has a wrong checksum or is cut off");
    fake_multiboot1(bytes + 64, 3, NULL);
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.header_offset, 64);
    assert_false(recognise(bytes, 64 + 11)); /* cut off */
    assert_non_null(strstr(refusal.text, "wrong checksum or is cut off"));
    assert_true(recognise(bytes, 64 + 12));
}

static void test_multiboot2(void **state)
{
    static uint8_t bytes[32768 + 16];
    uint8_t *h = bytes + 32768 - 16;

    (void)state;
    put32(h, 0xe85250d6);
    put32(h + 8, 24);
    put32(h + 12, -(0xe85250d6 + 24));
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_MULTIBOOT2);
    assert_int_equal(image.header_offset, 32768 - 16);
    assert_string_equal(image.name, "multiboot2 kernel");
    /* With both, the one that tells the kernel more. */
    fake_multiboot1(bytes + 128, 3, NULL);
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_MULTIBOOT2);
    h[12] ^= 1;
    assert_true(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_MULTIBOOT1);
    bytes[128] = 0;
    assert_false(recognise(bytes, sizeof(bytes)));
    assert_int_equal(image.kind, IMAGE_UNKNOWN);
    assert_string_equal(refusal.text,
                        "a multiboot2 header at 0x7ff0 has a wrong checksum or is cut off");
    h[12] ^= 1;
    assert_false(recognise(bytes, sizeof(bytes) - 16 - 1)); /* cut off */
    assert_non_null(strstr(refusal.text, "a multiboot2 header at 0x7ff0"));
    memmove(h - 4, h, 16); /* not on 8 bytes */
    put32(h + 12, 0);
    assert_false(recognise(bytes, sizeof(bytes)));
    assert_non_null(strstr(refusal.text, "not recognised"));
}

static void test_boot_sector(void **state)
{
    uint8_t bytes[513] = {0xfa};

    (void)state;
    put16(bytes + 510, 0xaa55);
    assert_true(recognise(bytes, 512));
    assert_int_equal(image.kind, IMAGE_BOOT_SECTOR);
    assert_string_equal(image.name, "boot sector");
    assert_false(recognise(bytes, 513));
    assert_int_equal(image.kind, IMAGE_UNKNOWN);
    assert_non_null(strstr(refusal.text, "a disk image, not a kernel"));
    assert_false(recognise(bytes, 511));
    assert_non_null(strstr(refusal.text, "not recognised"));
}

static const char *why(const char *text, size_t size)
{
    assert_false(recognise((const uint8_t *)text, size));
    assert_int_equal(image.kind, IMAGE_UNKNOWN);
    return refusal.text;
}

static void test_refusals(void **state)
{
    const struct fake_segment segment = {1, 0, 0x100000, 0x100000, 16, 16};
    static const char *const none = "not recognised: no Linux header, no multiboot header, not an "
                                    "ELF file, no boot sector";
    uint8_t elf[256] = {0};

    (void)state;
    assert_string_equal(why("", 0), "the image is empty");
    assert_string_equal(why("x", 1), none);
    assert_string_equal(why("\177ELF", 4), none);
    assert_non_null(strstr(why("\x1f\x8b\x08\0", 4), "gzip"));
    assert_non_null(strstr(why("\xfd"
                               "7zXZ\0",
                               6),
                           "xz"));
    assert_non_null(strstr(why("\x28\xb5\x2f\xfd", 4), "zstd"));
    assert_non_null(strstr(why("070701000", 9), "cpio"));
    assert_non_null(strstr(why("MZ", 2), "EFI or DOS"));
    assert_non_null(strstr(why("#!/bin/sh", 9), "a script"));
    fake_elf(elf, 64, 0x100000, &segment, 1);
    assert_non_null(
        strstr(why((const char *)elf, sizeof(elf)), "an ELF64 file without a multiboot header"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linux),
        cmocka_unit_test(test_multiboot1),
        cmocka_unit_test(test_multiboot1_checksum),
        cmocka_unit_test(test_multiboot2),
        cmocka_unit_test(test_boot_sector),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
