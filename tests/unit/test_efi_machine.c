/* boot/efi/map.c, pe.c and cpu.c: the machine as UEFI has it, made ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "boot/efi/cpu.h"
#include "boot/efi/map.h"
#include "boot/efi/pe.h"
#include "hv/compiler.h"
#include "lib/bytes.h"

enum { STRIDE = 48 };

static uint8_t descriptors[200 * STRIDE];
static struct memory_map map;

static size_t describe(size_t n, uint32_t type, uint64_t start, uint64_t pages)
{
    uint8_t *d = descriptors + n * STRIDE;

    memset(d, 0xee, STRIDE);
    put32(d, type);
    put64(d + 8, start);
    put64(d + 24, pages);
    return (n + 1) * STRIDE;
}

static void test_map_types(void **state)
{
    /* By EFI_MEMORY_TYPE. */
    static const uint32_t wanted[] = {
        MEMORY_RESERVED, MEMORY_RAM,      MEMORY_RAM,      MEMORY_RAM,
        MEMORY_RAM,      MEMORY_RESERVED, MEMORY_RESERVED, MEMORY_RAM,
        MEMORY_BAD,      MEMORY_ACPI,     MEMORY_NVS,      MEMORY_RESERVED,
        MEMORY_RESERVED, MEMORY_RESERVED, MEMORY_RESERVED, MEMORY_RESERVED,
    };
    (void)state;
    for (uint32_t type = 0; type < HV_ARRAY_SIZE(wanted); type++) {
        size_t size = describe(0, type, 0x1000, 2);
        assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_OK);
        assert_int_equal(map.count, 1);
        assert_int_equal(map.ranges[0].start, 0x1000);
        assert_int_equal(map.ranges[0].end, 0x3000);
        assert_int_equal(map.ranges[0].type, wanted[type]);
    }
    size_t size = describe(0, 0x80000000, 0, 1); /* an operating system loader's own */
    assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_OK);
    assert_int_equal(map.ranges[0].type, MEMORY_RESERVED);
}

/* Firmware has more descriptors than the map has ranges: neighbours are one. */
static void test_map_joins(void **state)
{
    size_t size = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        size = describe(i, i % 2 ? 7 : 4, 0x100000 + i * 0x1000ULL, 1);
    assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_OK);
    assert_int_equal(map.count, 1);
    assert_int_equal(map.ranges[0].end, 0x100000 + 200 * 0x1000);
    for (unsigned i = 0; i < 200; i++)
        size = describe(i, i % 2 ? 7 : 6, 0x100000 + i * 0x1000ULL, 1);
    assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_ENOSPC);
    describe(0, 7, 0x1000, 1); /* a hole between them */
    size = describe(1, 7, 0x3000, 1);
    assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_OK);
    assert_int_equal(map.count, 2);
}

static void test_map_ugly(void **state)
{
    (void)state;
    assert_int_equal(efi_map_read(descriptors, 0, STRIDE, &map), HV_ENOENT);
    assert_int_equal(efi_map_read(descriptors, STRIDE, 8, &map), HV_EINVAL);
    assert_int_equal(efi_map_read(descriptors, STRIDE, 0, &map), HV_EINVAL);
    size_t size = describe(0, 7, 0x1000, UINT64_MAX); /* more than there are addresses */
    assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_ENOENT);
    size = describe(1, 7, 0x1000, 1);
    assert_int_equal(efi_map_read(descriptors, size, STRIDE, &map), HV_OK);
    assert_int_equal(map.count, 1);
    /* Half a descriptor at the end; out of order; overlapping: reserved wins. */
    describe(0, 7, 0x5000, 4);
    describe(1, 0, 0x6000, 1);
    size = describe(2, 7, 0x1000, 1);
    assert_int_equal(efi_map_read(descriptors, size + STRIDE / 2, STRIDE, &map), HV_OK);
    assert_int_equal(map.count, 4);
    assert_int_equal(map.ranges[0].start, 0x1000);
    assert_int_equal(map.ranges[2].type, MEMORY_RESERVED);
}

static uint8_t image[512];

static void make_image(void)
{
    memset(image, 0, sizeof(image));
    put16(image, 0x5a4d);
    put32(image + 0x3c, 0x80);
    put32(image + 0x80, 0x4550);
    put16(image + 0x84, 0x8664);
    put16(image + 0x98, 0x20b);
    put32(image + 0x98 + 16, 0x1234);
    put32(image + 0x98 + 56, 0x2000);
}

static void test_pe_entry(void **state)
{
    (void)state;
    make_image();
    assert_int_equal(pe_entry(image, sizeof(image)), 0x1234);
    assert_int_equal(pe_entry(image, 0x98 + 60), 0x1234);
    assert_int_equal(pe_entry(image, 0x98 + 59), 0); /* cut off */
    assert_int_equal(pe_entry(image, 0), 0);
    put32(image + 0x98 + 16, 0x2000); /* outside */
    assert_int_equal(pe_entry(image, sizeof(image)), 0);
}

static void test_pe_not_one(void **state)
{
    static const uint16_t places[] = {0, 0x80, 0x84, 0x98};

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(places); i++) {
        make_image();
        image[places[i]] ^= 1;
        assert_int_equal(pe_entry(image, sizeof(image)), 0);
    }
    make_image();
    put32(image + 0x3c, 0xfffffff0);
    assert_int_equal(pe_entry(image, sizeof(image)), 0);
}

/* OVMF's GDT (UefiCpuPkg, CpuDxe) and what its CPU holds when an application runs. */
static const uint64_t ovmf_gdt[] = {
    0,
    0x00cf92000000ffff,
    0x00cf9f000000ffff,
    0x00cf93000000ffff,
    0x00cf9a000000ffff,
    0,
    0x00cf93000000ffff,
    0x00af9b000000ffff,
    0,
};

static struct efi_cpu ovmf(void)
{
    struct efi_cpu cpu = {
        .context = {1, 2, 3, 4, 5, 6, 0xfe9b000, 0xe001234, 0x246, 0x38, 0x30},
        .selector = {0x30, 0x38, 0x30, 0x30, 0x30, 0x30, 0, 0},
        .gdtr = {sizeof(ovmf_gdt) - 1, 0xf9de000},
        .idtr = {0xfff, 0xf54b018},
        .cr0 = 0x80010033,
        .cr2 = 0x77,
        .cr3 = 0xfc01000,
        .cr4 = 0x668,
        .cr8 = 3,
        .efer = 0xd00 | EFER_SVME,
        .star = 11,
        .lstar = 12,
        .cstar = 13,
        .sfmask = 14,
        .kernel_gs_base = 15,
        .sysenter_cs = 16,
        .sysenter_esp = 17,
        .sysenter_eip = 18,
    };
    return cpu;
}

static void check_segment(const struct hv_segment *s, uint16_t selector, uint16_t attributes,
                          uint32_t limit, uint64_t base)
{
    assert_int_equal(s->selector, selector);
    assert_int_equal(s->attributes, attributes);
    assert_int_equal(s->limit, limit);
    assert_int_equal(s->base, base);
}

static void test_cpu_of_ovmf(void **state)
{
    struct efi_cpu cpu = ovmf();
    struct hv_regs r;

    (void)state;
    efi_cpu_registers(&cpu, (const uint8_t *)ovmf_gdt, &r);
    check_segment(&r.seg[SEG_CS], 0x38, 0xa9b, UINT32_MAX, 0);
    check_segment(&r.seg[SEG_SS], 0x30, 0xc93, UINT32_MAX, 0);
    check_segment(&r.seg[SEG_ES], 0x30, 0xc93, UINT32_MAX, 0);
    check_segment(&r.seg[SEG_GS], 0x30, 0xc93, UINT32_MAX, 0);
    check_segment(&r.seg[SEG_LDTR], 0, 0, 0, 0);
    check_segment(&r.seg[SEG_TR], 0, 0x8b, 0xffff, 0); /* none: an empty busy one for VT-x */
    assert_int_equal(r.gpr[GPR_RAX], 0);
    assert_int_equal(r.gpr[GPR_RBX], 1);
    assert_int_equal(r.gpr[GPR_RBP], 2);
    assert_int_equal(r.gpr[GPR_R12], 3);
    assert_int_equal(r.gpr[GPR_R13], 4);
    assert_int_equal(r.gpr[GPR_R14], 5);
    assert_int_equal(r.gpr[GPR_R15], 6);
    assert_int_equal(r.gpr[GPR_RSP], 0xfe9b000);
    assert_int_equal(r.rip, 0xe001234);
    assert_int_equal(r.rflags, 0x246);
    assert_int_equal(r.gdtr.base, 0xf9de000);
    assert_int_equal(r.gdtr.limit, sizeof(ovmf_gdt) - 1);
    assert_int_equal(r.idtr.base, 0xf54b018);
    assert_int_equal(r.idtr.limit, 0xfff);
    assert_int_equal(r.cr0, 0x80010033);
    assert_int_equal(r.cr2, 0x77);
    assert_int_equal(r.cr3, 0xfc01000);
    assert_int_equal(r.cr4, 0x668);
    assert_int_equal(r.cr8, 3);
    assert_int_equal(r.efer, 0xd00);
    assert_int_equal(r.star, 11);
    assert_int_equal(r.lstar, 12);
    assert_int_equal(r.cstar, 13);
    assert_int_equal(r.sfmask, 14);
    assert_int_equal(r.kernel_gs_base, 15);
    assert_int_equal(r.sysenter_cs, 16);
    assert_int_equal(r.sysenter_esp, 17);
    assert_int_equal(r.sysenter_eip, 18);
}

/* Firmware with a task (a stack guard's), an LDT, and bases: the descriptors' two halves. */
static void test_cpu_with_task(void **state)
{
    uint64_t gdt[16];
    struct efi_cpu cpu = ovmf();
    struct hv_regs r;

    (void)state;
    memset(gdt, 0, sizeof(gdt));
    memcpy(gdt, ovmf_gdt, sizeof(ovmf_gdt));
    gdt[10] = 0x9a008978567c0067; /* base 9a78567c, limit 67, available TSS: 89 */
    gdt[11] = 0xffff8001;
    gdt[12] = 0x0000820000000fff;
    cpu.gdtr.limit = sizeof(gdt) - 1;
    cpu.selector[SEG_TR] = 10 * 8;
    cpu.selector[SEG_LDTR] = 12 * 8;
    cpu.fs_base = 0x1122334455667788;
    cpu.gs_base = 0xffff900000000000;
    efi_cpu_registers(&cpu, (const uint8_t *)gdt, &r);
    check_segment(&r.seg[SEG_TR], 0x50, 0x8b, 0x67, 0xffff80019a78567c);
    check_segment(&r.seg[SEG_LDTR], 0x60, 0x82, 0xfff, 0);
    assert_int_equal(r.seg[SEG_FS].base, 0x1122334455667788);
    assert_int_equal(r.seg[SEG_GS].base, 0xffff900000000000);
}

/* Null, local and outlying selectors hold nothing; RPL is no part of the place. */
static void test_cpu_odd_selectors(void **state)
{
    struct efi_cpu cpu = ovmf();
    struct hv_regs r;

    (void)state;
    cpu.selector[SEG_ES] = 0;
    cpu.selector[SEG_DS] = 0x33;
    cpu.selector[SEG_FS] = 0x34;                 /* in an LDT */
    cpu.selector[SEG_GS] = sizeof(ovmf_gdt);     /* behind the end */
    cpu.selector[SEG_TR] = sizeof(ovmf_gdt) - 8; /* its second half is */
    efi_cpu_registers(&cpu, (const uint8_t *)ovmf_gdt, &r);
    check_segment(&r.seg[SEG_ES], 0, 0, 0, 0);
    check_segment(&r.seg[SEG_DS], 0x33, 0xc93, UINT32_MAX, 0);
    check_segment(&r.seg[SEG_FS], 0x34, 0, 0, 0);
    check_segment(&r.seg[SEG_GS], sizeof(ovmf_gdt), 0, 0, 0);
    check_segment(&r.seg[SEG_TR], sizeof(ovmf_gdt) - 8, 0x8b, 0xffff, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_types),     cmocka_unit_test(test_map_joins),
        cmocka_unit_test(test_map_ugly),      cmocka_unit_test(test_pe_entry),
        cmocka_unit_test(test_pe_not_one),    cmocka_unit_test(test_cpu_of_ovmf),
        cmocka_unit_test(test_cpu_with_task), cmocka_unit_test(test_cpu_odd_selectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
