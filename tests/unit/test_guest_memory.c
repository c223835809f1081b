/* core/guest_memory.c and core/vcpu.c's modes: USER-5, USER-9, USER-11. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

/* A device behind [DEVICE, ...): registers of 4 bytes, each access noted. */
#define DEVICE 0xfec00000ULL
static struct {
    hpa_t address;
    uint32_t value;
    unsigned size;
} mmio[16];
static unsigned mmio_reads, mmio_writes;

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    mmio_reads++;
    return (uint32_t)(size == 4 ? 0xd0000000 + (address & 0xff) : address & 0xff);
}

void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    mmio[mmio_writes].address = address;
    mmio[mmio_writes].value = value;
    mmio[mmio_writes++].size = size;
}

enum { SELF = 0x400000, SELF_SIZE = 0x200000, ROM = 0xf0000, PAGE = 4096 };

static struct vcpu *v;
static uint8_t buf[3 * PAGE];

static int setup(void **state)
{
    /* RAM with ROM in it and our reservation behind it, RAM above 4 GiB. */
    static const struct guest_memory_config config = {
        .count = 4,
        .ranges = {{0, 0xa0000, true},
                   {ROM, 0x100000, false},
                   {0x100000, SELF, true},
                   {MODEL_HIGH_START, MODEL_HIGH_START + MODEL_HIGH_SIZE, true}},
        .self_start = SELF,
        .self_size = SELF_SIZE,
        .phys_bits = 36,
    };

    (void)state;
    v = model_backend_reset();
    guest_memory_init(&config);
    mmio_reads = mmio_writes = 0;
    memset(buf, 0xee, sizeof(buf));
    return 0;
}

static void test_ranges(void **state)
{
    (void)state;
    memcpy(model_memory(0x9fff8), "12345678", 8);
    assert_int_equal(guest_phys_read(0x9fff8, buf, 16), 8);
    assert_memory_equal(buf, "12345678", 8);
    assert_int_equal(buf[8], 0xee);
    assert_int_equal(guest_phys_read(0xa0000, buf, 1), 0);
    assert_int_equal(guest_phys_write(0x9fffe, "abcd", 4), 2);
    assert_memory_equal(model_memory(0x9fffe), "ab\0\0", 4);
    /* From one range to its neighbour in one go; a ROM is for reading. */
    assert_int_equal(guest_phys_read(0xfffff, buf, 2), 2);
    assert_int_equal(guest_phys_write(ROM, "x", 1), 0);
    assert_int_equal(*model_memory(ROM), 0);
    assert_int_equal(guest_phys_write(0x100000, "y", 1), 1);
    assert_int_equal(guest_phys_read(0x100000, buf, 0), 0);
}

/* Above 4 GiB memory comes through windows of 2 MiB. */
static void test_above_4_gib(void **state)
{
    const gpa_t border = MODEL_HIGH_START + (2 << 20) - 3;

    (void)state;
    assert_int_equal(guest_phys_write(border, "abcdef", 6), 6);
    assert_memory_equal(model_memory(border), "abcdef", 6);
    assert_int_equal(guest_phys_read(border, buf, 6), 6);
    assert_memory_equal(buf, "abcdef", 6);
    assert_int_equal(guest_phys_read(MODEL_HIGH_START + MODEL_HIGH_SIZE - 1, buf, 2), 1);
    /* No address beyond the processor's width, and no wrap. */
    guest_memory_allow_devices(true);
    assert_int_equal(guest_phys_read(1ULL << 36, buf, 4), 0);
    assert_int_equal(guest_phys_read(UINT64_MAX, buf, 4), 0);
    assert_int_equal(guest_phys_write(1ULL << 36, buf, 4), 0);
    assert_int_equal(mmio_reads + mmio_writes, 0);
}

/* USER-11: the reservation reads as zeros and takes nothing. */
static void test_user11_self(void **state)
{
    (void)state;
    memset(model_memory(SELF), 0x77, PAGE);
    memset(model_memory(SELF - 2), 0x55, 2);
    assert_int_equal(guest_phys_read(SELF - 2, buf, 6), 6);
    assert_memory_equal(buf, "\x55\x55\0\0\0\0", 6);
    assert_int_equal(guest_phys_read(SELF + SELF_SIZE - 2, buf, 4), 2);
    assert_memory_equal(buf, "\0\0", 2);
    assert_int_equal(guest_phys_write(SELF - 2, "wxyz", 4), 2);
    assert_int_equal(*model_memory(SELF), 0x77);
    guest_memory_allow_devices(true);
    assert_int_equal(guest_phys_write(SELF, "wxyz", 4), 0);
    assert_int_equal(*model_memory(SELF), 0x77);
    assert_true(guest_memory_is_self(SELF));
    assert_true(guest_memory_is_self(SELF + SELF_SIZE - 1));
    assert_false(guest_memory_is_self(SELF - 1));
    assert_false(guest_memory_is_self(SELF + SELF_SIZE));
}

/* USER-9: no device is touched unless asked for. */
static void test_user9_devices(void **state)
{
    (void)state;
    assert_false(guest_memory_devices_allowed());
    assert_int_equal(guest_phys_read(DEVICE, buf, 4), 0);
    assert_int_equal(guest_phys_write(DEVICE, buf, 4), 0);
    assert_int_equal(mmio_reads + mmio_writes, 0);

    guest_memory_allow_devices(true);
    assert_true(guest_memory_devices_allowed());
    assert_int_equal(guest_phys_read(DEVICE + 0x10, buf, 8), 8);
    assert_int_equal(mmio_reads, 2);
    assert_memory_equal(buf, "\x10\0\0\xd0\x14\0\0\xd0", 8);
    assert_int_equal(guest_phys_read(DEVICE + 0x11, buf, 2), 2);
    assert_int_equal(mmio_reads, 4);
    assert_memory_equal(buf, "\x11\x12", 2);
    assert_int_equal(guest_phys_write(DEVICE + 0x20, "\x01\x02\x03\x04\x05", 5), 5);
    assert_int_equal(mmio_writes, 2);
    assert_int_equal(mmio[0].value, 0x04030201);
    assert_int_equal(mmio[0].size, 4);
    assert_int_equal(mmio[1].address, DEVICE + 0x24);
    assert_int_equal(mmio[1].size, 1);
    setup(NULL);
    assert_false(guest_memory_devices_allowed());
}

/* Page tables for every mode: the linear page LINEAR at 0x30000, the one behind it a hole. */
enum { ROOT = 0x10000, LINEAR = 0x5000, TARGET = 0x30000, PTE = 7 };

static void put32(gpa_t address, uint32_t value)
{
    memcpy(model_memory(address), &value, 4);
}

static void tables_long(unsigned levels)
{
    gpa_t table = ROOT;

    for (unsigned l = levels; l > 1; l--, table += PAGE)
        model_memory_put(table, (table + PAGE) | PTE);
    model_memory_put(table + LINEAR / PAGE * 8, TARGET | PTE);
    model_memory_put(table + (LINEAR / PAGE + 2) * 8, (TARGET + 7 * PAGE) | PTE);
    if (levels == 3)
        model_memory_put(ROOT, (ROOT + PAGE) | 1); /* PAE's top entries have no R/W and U/S */
}

static void tables_32(void)
{
    put32(ROOT, (ROOT + PAGE) | PTE);
    put32(ROOT + PAGE + LINEAR / PAGE * 4, TARGET | PTE);
    put32(ROOT + PAGE + (LINEAR / PAGE + 2) * 4, (TARGET + 7 * PAGE) | PTE);
    put32(ROOT + 4, 0x80 | PTE); /* 4 MiB page */
}

static void set_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    vcpu_change(v, REGS_CONTROL);
    v->regs.cr0 = cr0;
    v->regs.cr3 = ROOT;
    v->regs.cr4 = cr4;
    v->regs.efer = efer;
}

/* Reads and writes over the hole: what is before it is done, nothing behind. */
static void check_hole(void)
{
    memset(model_memory(TARGET), 0x11, PAGE);
    memset(model_memory(TARGET + PAGE), 0x22, PAGE);
    memset(model_memory(TARGET + 7 * PAGE), 0x33, PAGE);
    assert_int_equal(guest_linear_read(v, LINEAR + 4000, buf, 200), 96);
    assert_int_equal(buf[95], 0x11);
    assert_int_equal(guest_linear_read(v, LINEAR + PAGE, buf, 1), 0);
    assert_int_equal(guest_linear_read(v, LINEAR + 2 * PAGE, buf, 5000), PAGE);
    assert_int_equal(buf[PAGE - 1], 0x33);
    memset(buf, 0x44, sizeof(buf));
    assert_int_equal(guest_linear_write(v, LINEAR + 4090, buf, 20), 6);
    assert_int_equal(*model_memory(TARGET + 4090), 0x44);
    assert_int_equal(*model_memory(TARGET + 4089), 0x11);
    assert_int_equal(*model_memory(TARGET + PAGE), 0x22);
}

/* USER-5: the guest's paging as it is now, whatever the mode. */
static void test_user5_paging_modes(void **state)
{
    static const uint64_t on = CR0_PE | CR0_PG;

    (void)state;
    tables_32();
    set_paging(on, CR4_PSE, 0);
    check_hole();
    *model_memory(0x3456) = 0x99;
    assert_int_equal(guest_linear_read(v, 0x403456, buf, 1), 1);
    assert_int_equal(buf[0], 0x99);

    setup(NULL);
    tables_long(3);
    set_paging(on, CR4_PAE, 0);
    check_hole();

    setup(NULL);
    tables_long(4);
    set_paging(on, CR4_PAE, EFER_LME | EFER_LMA);
    check_hole();
    assert_int_equal(guest_linear_read(v, 1ULL << 47, buf, 1), 0);

    setup(NULL);
    tables_long(5);
    set_paging(on, CR4_PAE | CR4_LA57, EFER_LME | EFER_LMA);
    check_hole();
}

/* Without paging linear is physical, and wraps at 4 GiB. */
static void test_user5_no_paging(void **state)
{
    (void)state;
    set_paging(0, 0, 0);
    *model_memory(0x7c00) = 0xeb;
    assert_int_equal(guest_linear_read(v, 0x7c00, buf, 1), 1);
    assert_int_equal(buf[0], 0xeb);
    assert_int_equal(guest_linear_read(v, 0x9ff00, buf, PAGE), 0x100);
}

/* Page tables in a device's registers, in our memory, nowhere: not followed, devices or not. */
static void test_user9_tables_in_devices(void **state)
{
    static const uint64_t places[] = {DEVICE, SELF, 1ULL << 40, 0xa0000};

    (void)state;
    guest_memory_allow_devices(true);
    for (unsigned i = 0; i < 4; i++) {
        set_paging(CR0_PE | CR0_PG, CR4_PAE, EFER_LME | EFER_LMA);
        v->regs.cr3 = places[i];
        assert_int_equal(guest_linear_read(v, LINEAR, buf, 1), 0);
        assert_int_equal(guest_linear_write(v, LINEAR, buf, 1), 0);
    }
    assert_int_equal(mmio_reads + mmio_writes, 0);
}

/* A mapping that leads to a device, or to us. */
static void test_linear_to_devices(void **state)
{
    (void)state;
    tables_long(4);
    set_paging(CR0_PE | CR0_PG, CR4_PAE, EFER_LME | EFER_LMA);
    model_memory_put(ROOT + 3 * PAGE + 6 * 8, DEVICE | PTE);
    model_memory_put(ROOT + 3 * PAGE + 8 * 8, SELF | PTE);
    assert_int_equal(guest_linear_read(v, LINEAR + 4000, buf, 200), 96);
    assert_int_equal(mmio_reads, 0);
    guest_memory_allow_devices(true);
    assert_int_equal(guest_linear_read(v, LINEAR + 4092, buf, 8), 8);
    assert_int_equal(mmio_reads, 1);
    memset(model_memory(SELF), 0x77, PAGE);
    assert_int_equal(guest_linear_read(v, 0x8000, buf, 4), 4);
    assert_memory_equal(buf, "\0\0\0\0", 4);
    assert_int_equal(guest_linear_write(v, 0x8000, "abcd", 4), 0);
    assert_int_equal(*model_memory(SELF), 0x77);
}

static void mode(uint64_t cr0, uint64_t efer, uint16_t cs, uint64_t rflags)
{
    vcpu_change(v, REGS_ALL);
    v->regs.cr0 = cr0;
    v->regs.efer = efer;
    v->regs.seg[SEG_CS].attributes = cs;
    v->regs.seg[SEG_CS].base = 0xffff0000;
    v->regs.rflags = rflags;
    v->regs.rip = 0x1fff0;
}

/* USER-5: code width, privilege and the linear address in each mode. */
static void test_user5_modes(void **state)
{
    (void)state;
    model_ring(v, 3);
    mode(0, 0, 0x9b, 2);
    assert_string_equal(vcpu_mode_name(v), "real mode");
    assert_int_equal(vcpu_code_bits(v), 16);
    assert_int_equal(vcpu_cpl(v), 0);
    assert_int_equal(vcpu_linear_rip(v), 0xfff0);
    mode(CR0_PE, 0, 0x9b, 2 | RFLAGS_VM);
    assert_string_equal(vcpu_mode_name(v), "virtual-8086 mode");
    assert_int_equal(vcpu_cpl(v), 3);
    mode(CR0_PE, 0, 0x9b, 2);
    assert_string_equal(vcpu_mode_name(v), "16-bit protected mode");
    mode(CR0_PE, EFER_LME, 0xc9b, 2); /* LME alone is not long mode */
    assert_string_equal(vcpu_mode_name(v), "32-bit protected mode");
    assert_int_equal(vcpu_code_bits(v), 32);
    assert_int_equal(vcpu_cpl(v), 3);
    mode(CR0_PE | CR0_PG, EFER_LME | EFER_LMA, 0xc9b, 2);
    assert_string_equal(vcpu_mode_name(v), "compatibility mode");
    mode(CR0_PE | CR0_PG, EFER_LME | EFER_LMA, 0xa9b, 2);
    assert_string_equal(vcpu_mode_name(v), "64-bit mode");
    assert_int_equal(vcpu_linear_rip(v), 0x1fff0);
}

static void test_skip(void **state)
{
    (void)state;
    mode(CR0_PE, 0, 0xc9b, 2 | RFLAGS_RF);
    v->regs.rip = 0xfffffffe;
    v->interrupt_shadow = true;
    vcpu_skip(v, 3);
    assert_int_equal(v->regs.rip, 1);
    assert_false(v->interrupt_shadow);
    assert_false(v->regs.rflags & RFLAGS_RF);
    mode(CR0_PE | CR0_PG, EFER_LME | EFER_LMA, 0xa9b, 2);
    v->regs.rip = 0xfffffffe;
    vcpu_skip(v, 3);
    assert_int_equal(v->regs.rip, 0x100000001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ranges, setup),
        cmocka_unit_test_setup(test_above_4_gib, setup),
        cmocka_unit_test_setup(test_user11_self, setup),
        cmocka_unit_test_setup(test_user9_devices, setup),
        cmocka_unit_test_setup(test_user5_paging_modes, setup),
        cmocka_unit_test_setup(test_user5_no_paging, setup),
        cmocka_unit_test_setup(test_user9_tables_in_devices, setup),
        cmocka_unit_test_setup(test_linear_to_devices, setup),
        cmocka_unit_test_setup(test_user5_modes, setup),
        cmocka_unit_test_setup(test_skip, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
