/* What the tests of multiboot2 kernels share: tags, an ELF image, a walk through what it is told.
 */
#ifndef TESTS_UNIT_MULTIBOOT2_KERNEL_H
#define TESTS_UNIT_MULTIBOOT2_KERNEL_H

#include "boot/multiboot2.h"
#include "hv/compiler.h"
#include "tests/unit/multiboot_kernel.h"

enum { END, INFORMATION, ADDRESS, ENTRY, CONSOLE, FRAMEBUFFER, RELOCATABLE = 10 };
enum { OPTIONAL = 1 };

static const struct fake_tag end = {END, 0, 8, {0}};

static const struct fake_segment kernel[] = {
    {1, 0x1000, 0x100000, 0x100000, 0x800, 0x2000},
    {1, 0x2000, 0xffffffff80200000, 0x200000, 0x1000, 0x1000},
};

static inline int setup(void **state)
{
    (void)state;
    plan_kernel = multiboot2_plan;
    write_info = multiboot2_write_info;
    begin();
    return 0;
}

static inline void make_elf(unsigned bits, uint64_t elf_entry, const struct fake_tag *tag)
{
    const struct fake_tag all[] = {tag ? *tag : end, end};

    fake_elf(image, bits, elf_entry, kernel, HV_ARRAY_SIZE(kernel));
    fake_multiboot2(image + 0x1000, all, 2);
}

/* The n-th tag of a type in the information, walked as a kernel does; NULL: there is none. */
static inline const uint8_t *find_tag(const uint8_t *info, uint32_t type, unsigned n)
{
    uint32_t total = get32(info), at = 8;

    assert_int_equal(total % 8, 0);
    assert_true(total + GUEST_GDT_SIZE <= plan.info_size);
    for (;;) {
        uint32_t size = get32(info + at + 4);

        assert_true(size >= 8 && at + size <= total);
        if (get32(info + at) == type && n-- == 0)
            return info + at;
        if (get32(info + at) == END) {
            assert_int_equal(size, 8);
            assert_int_equal(at + size, total);
            return NULL;
        }
        at += HV_ALIGN_UP(size, 8);
    }
}

#endif
