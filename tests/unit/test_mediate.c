/*
 * core/mediate.c, core/ioapic_guard.c and core/ipi.c, on a model I/O APIC and local APIC:
 * USER-11 (our entry, our memory), USER-3's way in.
 *
 * The pages' mediators cannot be taken back, so these tests are one story, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "core/ioapic_guard.h"
#include "core/ipi.h"
#include "core/mediate.h"
#include "core/stage2.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/model/stage2.h"
#include "tests/unit/own_view.h"

#define IOAPIC 0xfec00000ULL
#define LAPIC  0xfee00000ULL
#define SELF   0x7f800000ULL

enum { BOOT_SERVICES = 0x2060 }; /* where the firmware has the word */

enum { ENTRIES = 24, OUR_PIN = 4, SELECT = 0, WINDOW = 0x10, EOI = 0x40 };
enum { LOW4 = 0x10 + 2 * OUR_PIN, HIGH4, LOW5, HIGH5 };

/* The chip: 82093AA with an EOI register. */
static struct {
    bool there;
    uint32_t version, select, entries[2 * ENTRIES], eoi;
    unsigned eois;
} chip = {.there = true, .version = 0x00170020};
static uint32_t lapic[1024];
static unsigned lapic_writes;

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    assert_int_equal(size, 4);
    if (HV_ALIGN_DOWN(address, 4096) == LAPIC)
        return lapic[(address & 0xfff) / 4];
    assert_int_equal(HV_ALIGN_DOWN(address, 4096), IOAPIC);
    if (!chip.there)
        return UINT32_MAX;
    if ((address & 0xfff) != WINDOW)
        return chip.select;
    if (chip.select == 1)
        return chip.version;
    return chip.select >= 0x10 && chip.select < 0x10 + 2 * ENTRIES ? chip.entries[chip.select - 16]
                                                                   : 0x77000000 + chip.select;
}

void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    assert_int_equal(size, 4);
    if (HV_ALIGN_DOWN(address, 4096) == LAPIC) {
        lapic[(address & 0xfff) / 4] = value;
        lapic_writes++;
        return;
    }
    assert_int_equal(HV_ALIGN_DOWN(address, 4096), IOAPIC);
    if ((address & 0xfff) == SELECT)
        chip.select = value;
    else if ((address & 0xfff) == EOI)
        chip.eoi = value, chip.eois++;
    else if (chip.select >= 0x10 && chip.select < 0x10 + 2 * ENTRIES)
        chip.entries[chip.select - 16] = value;
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, 0x1b);
    *value = LAPIC | 0x900;
    return true;
}

static uint8_t pool[256 * 4096] HV_ALIGNED(4096);
static struct vcpu *v;

static int group_setup(void **state)
{
    struct stage2_config config = {&npt, 39, true, (hpa_t)pool, sizeof(pool)};

    (void)state;
    v = model_backend_reset();
    return stage2_init(&config) == HV_OK ? 0 : -1;
}

/* A guest's access, as the processor does it: a fault, then the instruction on what is mapped. */
static uint8_t *open_page(gpa_t address, bool write)
{
    hpa_t hpa = 0;
    unsigned access = 0;

    assert_true(mediate_begin(v, address, write));
    assert_true(own_view(0, address, &hpa, &access));
    assert_int_equal(access, STAGE2_READ | (write ? STAGE2_WRITE : 0));
    /* No other CPU sees that. */
    hpa_t theirs;
    if (own_view(1, address, &theirs, &access)) {
        assert_int_equal(theirs, address);
        assert_int_equal(access, STAGE2_READ);
    }
    return (uint8_t *)hpa;
}

static void check_reads_pass(gpa_t address)
{
    hpa_t hpa = 0;
    unsigned access = 0;

    assert_true(stage2_lookup(address, &hpa, &access));
    assert_int_equal(hpa, address);
    assert_int_equal(access, STAGE2_READ);
}

/* Of the device itself where reads pass, else through the dummy page. */
static uint32_t guest_read(gpa_t address)
{
    uint32_t value;
    hpa_t hpa;
    unsigned access;

    if (stage2_lookup(address, &hpa, &access))
        return model_mmio_read(hpa, 4);
    memcpy(&value, open_page(address, false), 4);
    mediate_end(v, true);
    return value;
}

static void guest_write(gpa_t address, uint32_t value)
{
    memcpy(open_page(address, true), &value, 4);
    mediate_end(v, true);
}

static uint32_t read_index(uint32_t index)
{
    guest_write(IOAPIC + SELECT, index);
    return guest_read(IOAPIC + WINDOW);
}

static void write_index(uint32_t index, uint32_t value)
{
    guest_write(IOAPIC + SELECT, index);
    guest_write(IOAPIC + WINDOW, value);
}

static void check_absent(gpa_t address)
{
    hpa_t hpa;
    unsigned access;

    assert_false(stage2_lookup(address, &hpa, &access));
}

static void test_no_chip(void **state)
{
    const struct ioapic_pin pin = {IOAPIC, OUR_PIN, 0}, far = {IOAPIC, ENTRIES, 0};
    hpa_t hpa;
    unsigned access;

    (void)state;
    chip.there = false;
    assert_int_equal(ioapic_guard_init(&pin), HV_ENOENT);
    chip.there = true;
    assert_int_equal(ioapic_guard_init(&far), HV_ENOENT);
    chip.version = 0;
    assert_int_equal(ioapic_guard_init(&pin), HV_ENOENT);
    chip.version = 0x00170020;
    for (unsigned i = 0; i < 2 * ENTRIES; i++)
        assert_int_equal(chip.entries[i], 0);
    assert_true(stage2_lookup(IOAPIC, &hpa, &access)); /* still the guest's */
}

/* USER-3: an NMI, edge, to the CPU that boots. */
static void test_user3_entry(void **state)
{
    const struct ioapic_pin pin = {IOAPIC, OUR_PIN, 5};

    (void)state;
    for (unsigned i = 0; i < ENTRIES; i++) {
        chip.entries[2 * i] = 0x10000 | (0x30 + i);
        chip.entries[2 * i + 1] = i << 24;
    }
    assert_int_equal(ioapic_guard_init(&pin), HV_OK);
    assert_int_equal(chip.entries[2 * OUR_PIN], 0x400);
    assert_int_equal(chip.entries[2 * OUR_PIN + 1], 5U << 24);
    assert_int_equal(chip.select, 0);
    check_reads_pass(IOAPIC);
    check_reads_pass(IOAPIC + 0xfff);
    assert_false(mediate_begin(v, IOAPIC + SELECT, false));
}

/* The guest sees an entry of its own at our pin: as it was, then as it writes it. */
static void test_user11_our_entry(void **state)
{
    (void)state;
    assert_int_equal(read_index(LOW4), 0x10034);
    check_absent(IOAPIC); /* while our entry is selected, reads are ours too */
    assert_int_equal(read_index(HIGH4), 4U << 24);
    write_index(LOW4, 0xffffffff);
    write_index(HIGH4, 0xab000000);
    /* Delivery status (12) and remote IRR (14) are read only. */
    assert_int_equal(read_index(LOW4), 0x1afff);
    assert_int_equal(read_index(HIGH4), 0xab000000);
    assert_int_equal(chip.entries[2 * OUR_PIN], 0x400);
    assert_int_equal(chip.entries[2 * OUR_PIN + 1], 5U << 24);
}

/* USER-7: the device behind our pin interrupts as the guest's own entry says, if that is a way. */
static void test_user7_raise(void **state)
{
    static const struct {
        uint32_t low, high, command;
    } rows[] = {
        {0x0034, 3U << 24, 0x4034}, /* fixed, physical */
        {0x0931, 2U << 24, 0x4931}, /* lowest priority, logical */
        {0x2034, 1U << 24, 0x4034}, /* polarity is the wire's */
        {0x10034, 3U << 24, 0},     /* masked */
        {0x0434, 0, 0},             /* an NMI */
        {0x0700, 0, 0},             /* by the 8259 */
        {0x000f, 0, 0},             /* no vector */
    };

    (void)state;
    lapic[0x310 / 4] = 0x99000000;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(rows); i++) {
        write_index(LOW4, rows[i].low);
        write_index(HIGH4, rows[i].high);
        lapic[0x300 / 4] = 0;
        lapic_writes = 0;
        ioapic_guard_raise();
        assert_int_equal(lapic[0x300 / 4], rows[i].command);
        assert_int_equal(lapic_writes, rows[i].command ? 3 : 0);
        assert_int_equal(lapic[0x310 / 4], 0x99000000); /* the guest's again */
    }
}

static void test_other_entries(void **state)
{
    (void)state;
    assert_int_equal(read_index(LOW5), 0x10035);
    check_reads_pass(IOAPIC);
    write_index(LOW5, 0x8931);
    write_index(HIGH5, 0x01000000);
    assert_int_equal(chip.entries[10], 0x8931);
    assert_int_equal(chip.entries[11], 0x01000000);
    assert_int_equal(read_index(LOW5), 0x8931);
    assert_int_equal(read_index(1), 0x00170020);
    assert_int_equal(read_index(0), 0x77000000);
    assert_int_equal(read_index(HIGH4 + 2 * (ENTRIES - OUR_PIN - 1)), 23U << 24);
}

/* What the guest selected is what it reads back, our entry or not. */
static void test_select(void **state)
{
    (void)state;
    guest_write(IOAPIC + SELECT, LOW5);
    assert_int_equal(guest_read(IOAPIC + SELECT), LOW5);
    assert_int_equal(guest_read(IOAPIC + WINDOW), 0x8931);
    guest_write(IOAPIC + SELECT, 0xffffff00 | LOW4);
    assert_int_equal(guest_read(IOAPIC + SELECT), LOW4);
    assert_int_not_equal(chip.select, LOW4); /* the chip never has our entry selected */
}

/* OR and XCHG: the read opens the page, the write of the same instruction makes it writable. */
static void test_read_modify_write(void **state)
{
    uint32_t value;

    (void)state;
    /* Where reads pass, the fault is the write's, and the page holds what the read gives. */
    guest_write(IOAPIC + SELECT, LOW5);
    uint8_t *word = open_page(IOAPIC + WINDOW, true);
    memcpy(&value, word, 4);
    assert_int_equal(value, 0x8931);
    value |= 0x10000;
    memcpy(word, &value, 4);
    mediate_end(v, true);
    assert_int_equal(chip.entries[10], 0x18931);
    check_reads_pass(IOAPIC);

    /* At our entry the read opens the page first. */
    write_index(LOW4, 0x31);
    word = open_page(IOAPIC + WINDOW, false);
    assert_true(mediate_begin(v, IOAPIC + WINDOW, true));
    hpa_t hpa;
    unsigned access;
    assert_true(own_view(0, IOAPIC + WINDOW, &hpa, &access));
    assert_int_equal(access, STAGE2_READ | STAGE2_WRITE);
    memcpy(&value, word, 4);
    assert_int_equal(value, 0x31); /* not zeroed in between */
    value |= 0x10000;
    memcpy(word, &value, 4);
    mediate_end(v, true);
    assert_int_equal(guest_read(IOAPIC + WINDOW), 0x10031);
    check_absent(IOAPIC);
}

static void test_eoi_register(void **state)
{
    (void)state;
    chip.eois = 0;
    guest_write(IOAPIC + EOI, 0x31);
    assert_int_equal(chip.eois, 1);
    assert_int_equal(chip.eoi, 0x31);
    guest_write(IOAPIC + 0x80, 0x99); /* nothing there */
    assert_int_equal(chip.eois, 1);
}

/* An instruction that was not carried out has written nothing. */
static void test_not_done(void **state)
{
    (void)state;
    guest_write(IOAPIC + SELECT, LOW5);
    memset(open_page(IOAPIC + WINDOW, true), 0, 4);
    mediate_end(v, false);
    assert_int_equal(chip.entries[10], 0x18931);
    check_reads_pass(IOAPIC);
    /* A read changes nothing, done or not. */
    guest_read(IOAPIC + WINDOW);
    assert_int_equal(chip.entries[10], 0x18931);
    mediate_end(v, true); /* nothing open: nothing happens */
}

/* USER-11: our own memory: zeros, writes go nowhere, never the real page. */
static void test_user11_own_memory(void **state)
{
    const struct mediator self = {SELF, SELF + (4 << 20) + 4096, false, NULL, NULL};

    (void)state;
    uint64_t used = stage2_used();
    assert_int_equal(mediate_add(&self), HV_OK);
    /* Two large pages and a small one: one table to split the 1 GiB page, one for the small. */
    assert_int_equal(stage2_used(), used + 2 * 4096);
    check_absent(SELF);
    check_absent(SELF + (4 << 20) + 4095);
    hpa_t hpa;
    unsigned access;
    assert_true(stage2_lookup(SELF - 1, &hpa, &access));
    assert_true(stage2_lookup(SELF + (4 << 20) + 4096, &hpa, &access));

    assert_int_equal(guest_read(SELF + 0x1230), 0);
    guest_write(SELF + 0x1230, 0xffffffff);
    assert_int_equal(guest_read(SELF + 0x1230), 0);
    check_absent(SELF + 0x1230);

    /* An instruction can open two pages (MOVS), not three; both views are closed again. */
    unsigned flushes = model_flushes;
    uint8_t *source = open_page(SELF, false), *target = open_page(SELF + 4096, true);
    assert_ptr_not_equal(source, target);
    assert_false(mediate_begin(v, SELF + 8192, false));
    assert_int_equal(model_flushes, flushes + 2);
    mediate_end(v, true);
    assert_int_equal(model_flushes, flushes + 3);
    check_absent(SELF);
    check_absent(SELF + 4096);
    /* What is mapped is not ours to open. */
    assert_false(mediate_begin(v, 0x1000, true));
}

/* INIT and start-up IPIs are not sent (test_ipi.c), all else is; reads go by. */
static void test_icr(void **state)
{
    hpa_t hpa;
    unsigned access;

    (void)state;
    assert_int_equal(ipi_init(BOOT_SERVICES), HV_OK);
    ipi_add_cpu(v, false);
    assert_true(stage2_lookup(LAPIC + 0x300, &hpa, &access));
    assert_int_equal(hpa, LAPIC + 0x300);
    assert_int_equal(access, STAGE2_READ);
    assert_false(mediate_begin(v, LAPIC + 0x300, false));

    lapic_writes = 0;
    guest_write(LAPIC + 0xb0, 0);
    guest_write(LAPIC + 0x310, 0x01000000);
    guest_write(LAPIC + 0x300, 0x000000fd);
    assert_int_equal(lapic_writes, 3);
    assert_int_equal(lapic[0x310 / 4], 0x01000000);
    assert_int_equal(lapic[0x300 / 4], 0xfd);
    guest_write(LAPIC + 0x300, 0xc4500);
    guest_write(LAPIC + 0x300, 0x4608);
    assert_int_equal(lapic_writes, 3);
    assert_int_equal(lapic[0x300 / 4], 0xfd);
    /* A firmware that is still there wakes its own. */
    model_memory_put(BOOT_SERVICES, 0xfee0018);
    guest_write(LAPIC + 0x300, 0xc4500);
    guest_write(LAPIC + 0x300, 0xc4687);
    assert_int_equal(lapic_writes, 5);
    assert_int_equal(lapic[0x300 / 4], 0xc4687);
    model_memory_put(BOOT_SERVICES, 0);
    guest_write(LAPIC + 0x300, 0xc4500);
    assert_int_equal(lapic_writes, 5);
    assert_true(stage2_lookup(LAPIC + 0x300, &hpa, &access));
    assert_int_equal(access, STAGE2_READ);
    assert_int_equal(hpa, LAPIC + 0x300);
}

/* A MOV of 4 bytes at the guest's RIP is done without opening a page. */
static bool move(const char *bytes, size_t size, gpa_t address, bool write)
{
    v->regs.rip = 0x1000;
    memcpy(model_memory(0x1000), bytes, size);
    bool done = mediate_move(v, address, write);
    assert_int_equal(v->regs.rip, done ? 0x1000 + size : 0x1000);
    return done;
}

static void test_move(void **state)
{
    (void)state;
    guest_write(IOAPIC + SELECT, LOW4);
    v->regs.gpr[GPR_RDX] = 0xffffffff00000045;
    assert_true(move("\x89\x10", 2, IOAPIC + WINDOW, true)); /* mov [rax], edx */
    v->regs.gpr[GPR_R9] = UINT64_MAX;
    assert_true(move("\x44\x8b\x48\x10", 4, IOAPIC + WINDOW, false)); /* mov r9d, [rax + 16] */
    assert_int_equal(v->regs.gpr[GPR_R9], 0x45);
    assert_true(move("\xc7\x00\x12\x00\x00\x00", 6, IOAPIC + SELECT, true));
    assert_int_equal(chip.select, 0x12);

    /* Everything else goes the long way: other widths, registers, instructions, places. */
    assert_false(move("\x66\x89\x10", 3, IOAPIC + WINDOW, true));
    assert_false(move("\x48\x89\x10", 3, IOAPIC + WINDOW, true));
    assert_false(move("\x88\x10", 2, IOAPIC + WINDOW, true));
    assert_false(move("\x09\x10", 2, IOAPIC + WINDOW, true));
    assert_false(move("\x89\x10", 2, IOAPIC + WINDOW + 2, true));
    assert_false(move("\x89\x10", 2, IOAPIC + WINDOW, false));
    assert_false(move("\x89\x10", 2, 0x5000, true));
    v->live_dr7 |= 3; /* a watchpoint may have to see it */
    assert_false(move("\x89\x10", 2, IOAPIC + WINDOW, true));
    v->live_dr7 &= ~3ULL;
    assert_int_equal(chip.select, 0x12);
}

static void test_too_many(void **state)
{
    const struct mediator m = {0x10000, 0x11000, false, NULL, NULL};

    (void)state;
    assert_int_equal(mediate_add(&m), HV_OK);
    assert_int_equal(mediate_add(&m), HV_ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_chip),
        cmocka_unit_test(test_user3_entry),
        cmocka_unit_test(test_user11_our_entry),
        cmocka_unit_test(test_user7_raise),
        cmocka_unit_test(test_other_entries),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_read_modify_write),
        cmocka_unit_test(test_eoi_register),
        cmocka_unit_test(test_not_done),
        cmocka_unit_test(test_user11_own_memory),
        cmocka_unit_test(test_icr),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
