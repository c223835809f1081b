/*
 * core/ipi.c and arch/x86/apic.c: whom an interrupt command reaches, and what becomes of INIT,
 * start-up and NMI; four CPUs, one model local APIC (this CPU's).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/apic.h"
#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/ipi.h"
#include "core/park.h"
#include "core/policy.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { CPUS = 4 };
#define PAGE 0xfee00000ULL

static uint32_t lapic[256]; /* by offset / 16 */
static uint64_t base_msr, x2_icr;
static unsigned eois;
static uint32_t icr_log[16][2]; /* high, low of commands written */
static unsigned icr_count;

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    assert_int_equal(size, 4);
    assert_int_equal(address & ~0xfffULL, PAGE);
    return lapic[(address & 0xfff) / 16];
}

void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    assert_int_equal(size, 4);
    lapic[(address & 0xfff) / 16] = value;
    if ((address & 0xfff) == APIC_ICR_LOW) {
        assert_true(icr_count < 16);
        icr_log[icr_count][0] = lapic[APIC_ICR_HIGH / 16];
        icr_log[icr_count++][1] = value;
    }
    if ((address & 0xfff) != APIC_EOI)
        return;
    eois++;
    for (unsigned i = 256; i-- > 0;) { /* the highest in service ends */
        uint32_t *isr = &lapic[APIC_ISR / 16 + i / 32];
        if (*isr & 1U << (i % 32)) {
            *isr &= ~(1U << (i % 32));
            return;
        }
    }
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    *value = msr == MSR_APIC_BASE ? base_msr : 7;
    return true;
}

bool model_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_X2APIC_ICR)
        x2_icr = value;
    else if (msr == MSR_APIC_BASE)
        base_msr = value;
    return true;
}

/* APIC ids 0, 1, 2, 3 with flat logical ids 1, 2, 4, 8. */
static int setup(void **state)
{
    (void)state;
    model_backend_reset();
    vcpu_set_count(CPUS);
    memset(lapic, 0, sizeof(lapic));
    base_msr = PAGE | APIC_BASE_ENABLE;
    for (unsigned i = 0; i < CPUS; i++) {
        lapic[APIC_ID / 16] = i << 24;
        lapic[APIC_LDR / 16] = 1U << (24 + i);
        lapic[APIC_DFR / 16] = UINT32_MAX;
        park_other_nmis(vcpu_get(i), 1);
        ipi_add_cpu(vcpu_get(i), i ? AP_WAITS : AP_BOOTSTRAP);
    }
    icr_count = eois = 0;
    return 0;
}

static enum ap_action take(unsigned cpu, uint8_t *vector)
{
    return ipi_take(vcpu_get(cpu), vector);
}

/* Which CPUs an INIT with this destination reaches, a bit each; asks all of them. */
static unsigned reached(unsigned from, uint64_t high, uint32_t low)
{
    unsigned mask = 0;
    uint8_t vector;

    icr_count = 0;
    assert_true(ipi_deliver(vcpu_get(from), high << 32 | low | 0x4500));
    for (unsigned i = 0; i < CPUS; i++) {
        if (take(i, &vector) == AP_RESET)
            mask |= 1U << i;
        park_other_nmis(vcpu_get(i), 1);
    }
    return mask;
}

static void test_destinations(void **state)
{
    enum { LOGICAL = 0x800, SELF = 0x40000, ALL = 0x80000, OTHERS = 0xc0000 };

    (void)state;
    assert_int_equal(reached(0, 2U << 24, 0), 4);
    assert_int_equal(reached(0, 9U << 24, 0), 0);
    assert_int_equal(reached(0, 0xff000000, 0), 15);
    assert_int_equal(reached(0, 0x0a000000, LOGICAL), 10);
    assert_int_equal(reached(0, 0xff000000, LOGICAL), 15);
    assert_int_equal(reached(0, 0, LOGICAL), 0);
    assert_int_equal(reached(2, 0, SELF), 4);
    assert_int_equal(reached(2, 0, ALL), 15);
    assert_int_equal(reached(2, 0, OTHERS), 11);
}

static void test_clusters(void **state)
{
    static const struct apic_address from = {9, 0, 0};
    struct apic_address to = {1, 0x25000000, 0x0fffffff}; /* cluster 2, bits 0 and 2 */
    static const struct {
        uint32_t destination;
        bool reaches;
    } cases[] = {{0x21, true}, {0x24, true},  {0x22, false}, {0x31, false},
                 {0x2f, true}, {0x05, false}, {0xff, true},  {0x20, false}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            apic_reaches((uint64_t)cases[i].destination << 56 | 0x800, false, &from, &to),
            cases[i].reaches);
}

/* In x2APIC mode the destination is the whole high half, the logical id follows from the id. */
static void test_x2apic(void **state)
{
    static const struct apic_address from = {0, 0, 0}, to = {0x123, 0, 0};

    (void)state;
    assert_true(apic_reaches(0x123ULL << 32, true, &from, &to));
    assert_false(apic_reaches(0x23ULL << 32, true, &from, &to));
    assert_true(apic_reaches(0xffffffffULL << 32, true, &from, &to));
    assert_false(apic_reaches(0xffULL << 32, true, &from, &to));
    assert_true(apic_reaches(0x00120008ULL << 32 | 0x800, true, &from, &to));
    assert_false(apic_reaches(0x00120004ULL << 32 | 0x800, true, &from, &to));
    assert_false(apic_reaches(0x00130008ULL << 32 | 0x800, true, &from, &to));
    /* In the page an id has 8 bits, and 255 is everybody. */
    assert_true(apic_can_address(0xfe));
    assert_false(apic_can_address(0xff));
    assert_false(apic_can_address(0x100));
    base_msr |= APIC_BASE_X2APIC;
    assert_true(apic_can_address(0xff));
    assert_true(apic_can_address(0x123));
    assert_false(apic_can_address(UINT32_MAX));
    apic_send_nmi(0x123);
    assert_int_equal(x2_icr, 0x123ULL << 32 | 0x4400);
    assert_int_equal(icr_count, 0);
}

/* A start-up begins a CPU that waits, once; the CPU is kicked; what the guest has in ICR stays. */
static void test_startup(void **state)
{
    uint8_t vector = 0;

    (void)state;
    lapic[APIC_ICR_HIGH / 16] = 0x77000000;
    assert_true(ipi_waits(1));
    assert_true(ipi_deliver(vcpu_get(0), 1ULL << 56 | 0x4699));
    assert_false(ipi_waits(1));
    assert_int_equal(icr_count, 1); /* the kick, and nothing else was sent */
    assert_int_equal(icr_log[0][0], 1U << 24);
    assert_int_equal(icr_log[0][1], 0x4400);
    assert_int_equal(lapic[APIC_ICR_HIGH / 16], 0x77000000);
    assert_true(ipi_deliver(vcpu_get(0), 1ULL << 56 | 0x4698)); /* too late: no kick either */
    assert_int_equal(icr_count, 1);
    assert_int_equal(take(1, &vector), AP_START);
    assert_int_equal(vector, 0x99);
    assert_int_equal(take(1, &vector), AP_NOTHING);
    assert_true(ipi_waits(2));
    /* De-assert is nothing. */
    assert_true(ipi_deliver(vcpu_get(0), 1ULL << 56 | 0x8500));
    assert_int_equal(take(1, &vector), AP_NOTHING);
    assert_int_equal(icr_count, 1);
}

/* Everything else is the APIC's. */
static void test_others_pass(void **state)
{
    static const uint32_t passes[] = {0x4030, 0x4130, 0x4200, 0xc4030};

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_false(ipi_deliver(vcpu_get(0), 1ULL << 56 | passes[i]));
    assert_int_equal(icr_count, 0);
}

/* "Local APIC State After an INIT Reset": nothing stays in service, all is masked. */
static void test_reset(void **state)
{
    (void)state;
    lapic[APIC_ISR / 16 + 1] = 0x80000101;
    lapic[APIC_ISR / 16 + 7] = 0x10;
    lapic[APIC_SVR / 16] = 0x1ff;
    lapic[APIC_LVT_LINT1 / 16] = 0x400;
    apic_reset();
    assert_int_equal(eois, 4);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(lapic[APIC_ISR / 16 + i], 0);
    assert_int_equal(lapic[APIC_SVR / 16], 0xff);
    assert_int_equal(lapic[APIC_LVT_LINT1 / 16], 0x10000);
    assert_int_equal(lapic[APIC_LVT_TIMER / 16], 0x10000);
    assert_int_equal(lapic[APIC_DFR / 16], UINT32_MAX);
    assert_int_equal(lapic[APIC_LDR / 16], 0);
}

static unsigned rows;
static bool icr_exits;

static void see_row(uint8_t *map, const struct msr_row *row, bool own)
{
    (void)map;
    (void)own;
    rows++;
    icr_exits |= row->first == MSR_X2APIC_ICR;
}

/* How many rows there are; icr_exits: whether x2APIC's ICR is one of them. */
static unsigned msr_rows(void)
{
    uint8_t maps[POLICY_MAPS];

    rows = 0;
    icr_exits = false;
    msr_policy_build(maps, 1, see_row);
    return rows / 2;
}

/* Where INIT and start-ups are exits nothing is held back; what comes is noted by the CPU itself.
 */
static void test_by_exits(void **state)
{
    uint8_t vector = 0;
    unsigned rows_before;

    (void)state;
    rows_before = msr_rows();
    ipi_init_by_exits();
    assert_true(ipi_by_exits());
    assert_false(ipi_deliver(vcpu_get(0), 1ULL << 56 | 0x4500));
    assert_false(ipi_deliver(vcpu_get(0), 1ULL << 56 | 0x4400));
    assert_int_equal(icr_count, 0);
    /* x2APIC's ICR is the guest's, and no other row is missing. */
    assert_true(icr_exits);
    assert_int_equal(msr_rows(), rows_before - 1);
    assert_false(icr_exits);
    /* The page stays where it is: kicks need it. */
    assert_false(ipi_write_base(vcpu_get(0), 0xfef00000 | APIC_BASE_ENABLE));

    assert_true(ipi_needs_startup(1));
    ipi_note_startup(vcpu_get(1), 0x9a);
    assert_true(ipi_startup_noted(1, &vector));
    assert_int_equal(vector, 0x9a);
    assert_false(ipi_needs_startup(1) || ipi_waits(1));
    assert_int_equal(take(1, &vector), AP_START);
    assert_false(ipi_startup_noted(1, &vector));
    ipi_note_init(vcpu_get(1));
    assert_true(ipi_needs_startup(1));
    assert_false(ipi_waits(1)); /* first it has to take it */
    assert_int_equal(take(1, &vector), AP_RESET);
    assert_true(ipi_waits(1));
    ipi_note_init(vcpu_get(0));
    assert_false(ipi_needs_startup(0));       /* the bootstrap CPU */
    assert_int_equal(icr_count, 0);           /* nobody was kicked */
    assert_int_equal(ipi_init(0), HV_ENOSPC); /* the old way again; no tables in this test */
    assert_false(ipi_by_exits());
}

static bool restarts(unsigned cpu, const struct hv_exit *exit)
{
    return ipi_restarts(vcpu_get(cpu), exit);
}

static bool restarts_by_page(unsigned cpu, uint32_t high, uint32_t low)
{
    struct vcpu *v = vcpu_get(cpu);
    struct hv_exit exit = {.kind = HV_EXIT_STAGE2,
                           .stage2 = {PAGE + APIC_ICR_LOW, true, false, true}};

    *v = *vcpu_get(0); /* 64-bit code */
    v->number = cpu;
    v->regs.rip = 0x1000;
    memcpy(model_memory(0x1000), "\x89\x08", 2); /* mov [rax], ecx */
    v->regs.gpr[GPR_RCX] = low;
    lapic[APIC_ICR_HIGH / 16] = high;
    bool result = restarts(cpu, &exit);
    exit.stage2.address += 0x10; /* another register, and a read */
    assert_false(restarts(cpu, &exit));
    exit.stage2.address = PAGE + APIC_ICR_LOW;
    exit.stage2.write = false;
    assert_false(restarts(cpu, &exit));
    return result;
}

static bool restarts_by_msr(unsigned cpu, uint32_t high, uint32_t low)
{
    uint64_t *gpr = vcpu_get(cpu)->regs.gpr;

    gpr[GPR_RCX] = MSR_X2APIC_ICR;
    gpr[GPR_RDX] = high;
    gpr[GPR_RAX] = low;
    bool result = restarts(cpu, &(struct hv_exit){.kind = HV_EXIT_MSR_WRITE});
    assert_false(restarts(cpu, &(struct hv_exit){.kind = HV_EXIT_MSR_READ}));
    gpr[GPR_RCX]--;
    assert_false(restarts(cpu, &(struct hv_exit){.kind = HV_EXIT_MSR_WRITE}));
    return result;
}

/* USER-4: an INIT to the CPU that boots is seen before it is sent, or when it has come. */
static void test_user4_restarts(void **state)
{
    const struct hv_exit init = {.kind = HV_EXIT_INIT};

    (void)state;
    ipi_init(0);
    assert_true(restarts_by_page(0, 0, 0x44500)); /* itself */
    assert_true(restarts_by_page(0, 0, 0x84500)); /* all */
    assert_true(restarts_by_page(2, 0, 0xc4500)); /* all others, one of them CPU 0 */
    assert_true(restarts_by_page(1, 0, 0x4500));  /* CPU 0 */
    assert_false(restarts_by_page(0, 0, 0xc4500));
    assert_false(restarts_by_page(0, 1U << 24, 0x4500));
    assert_false(restarts_by_page(1, 0, 0x44500)); /* itself: CPU 0 runs on */
    assert_false(restarts_by_page(0, 0, 0x88500)); /* de-assert */
    assert_false(restarts_by_page(0, 0, 0x84608));
    assert_false(restarts_by_page(0, 0, 0x84400));
    assert_true(restarts_by_msr(0, 0, 0x84500));
    assert_false(restarts_by_msr(0, 1U << 24, 0x4500));
    assert_true(restarts(0, &init));
    assert_false(restarts(1, &init));
    ipi_init_by_exits(); /* a command is the guest's own there */
    assert_false(restarts_by_page(0, 0, 0x84500));
    assert_false(restarts_by_msr(0, 0, 0x84500));
    assert_true(restarts(0, &init));
}

/* One kick at a time is on its way to a CPU, and it is told from the guest's NMIs. */
static void test_kicks(void **state)
{
    (void)state;
    park_kick(3);
    park_kick(3);
    assert_int_equal(icr_count, 1);
    assert_int_equal(park_other_nmis(vcpu_get(3), 1), 0);
    assert_int_equal(park_other_nmis(vcpu_get(3), 1), 1);
    /* Two have come, or the second comes a moment later: one is the guest's. */
    park_kick(3);
    assert_int_equal(icr_count, 2);
    assert_int_equal(park_other_nmis(vcpu_get(3), 2), 1);
    park_kick(3);
    model_nmis_pending = 1;
    model_nmis = 0;
    assert_int_equal(park_other_nmis(vcpu_get(3), 1), 1);
    assert_int_equal(model_nmis, 1);
    /* No kick: nothing is awaited. */
    assert_int_equal(park_other_nmis(vcpu_get(3), 2), 2);
    assert_int_equal(model_nmis, 1);
}

/* A CPU that takes another address is kicked there. */
static void test_new_address(void **state)
{
    (void)state;
    x2_icr = 0;
    assert_true(ipi_write_base(vcpu_get(2), base_msr | APIC_BASE_X2APIC)); /* where its id is 7 */
    assert_true(ipi_deliver(vcpu_get(0), 7ULL << 32 | 0x4500));
    assert_int_equal(take(2, &(uint8_t){0}), AP_RESET);
    park_other_nmis(vcpu_get(2), 1);
    park_kick(2);
    assert_int_equal(x2_icr, 7ULL << 32 | 0x4400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_destinations, setup),
        cmocka_unit_test_setup(test_clusters, setup),
        cmocka_unit_test_setup(test_x2apic, setup),
        cmocka_unit_test_setup(test_new_address, setup),
        cmocka_unit_test_setup(test_startup, setup),
        cmocka_unit_test_setup(test_others_pass, setup),
        cmocka_unit_test_setup(test_reset, setup),
        cmocka_unit_test_setup(test_kicks, setup),
        cmocka_unit_test_setup(test_by_exits, setup),
        cmocka_unit_test_setup(test_user4_restarts, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
