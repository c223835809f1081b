/* USER-4, debug/death.c by itself: what is an end of the guest, and what only looks like one. */
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
#include "debug/death.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { HALT = 0x1000, RAM_END = MODEL_MEMORY_SIZE };

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, MSR_APIC_BASE);
    *value = 0xfee00000 | APIC_BASE_ENABLE;
    return true;
}

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    (void)address;
    (void)size;
    return 0;
}

static struct vcpu *v;
static struct debug_config config;
static const struct debug_link some_link;

static int setup(void **state)
{
    (void)state;
    vcpu_set_count(2);
    v = model_backend_reset();
    memset(&debug, 0, sizeof(debug));
    memset(&config, 0, sizeof(config));
    config.link = &some_link;
    debug.config = &config;
    debug.attached = true;
    debug.stops = DEATH_ALL;
    vcpu_get(1)->number = 1;
    for (unsigned i = 0; i < 2; i++) {
        ipi_add_cpu(vcpu_get(i), i ? AP_RUNS : AP_BOOTSTRAP);
        death_forget_halt(vcpu_get(i));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vcpu_set_count(1);
    return 0;
}

static bool writes(uint16_t port, uint8_t size, uint64_t value)
{
    const struct hv_exit exit = {.kind = HV_EXIT_IO, .io = {.port = port, .size = size}};

    v->regs.gpr[GPR_RAX] = value;
    return death_find(v, &exit);
}

/* Reads, and what a string instruction writes, which RAX does not have. */
static void test_only_writes(void **state)
{
    struct hv_exit exit = {.kind = HV_EXIT_IO, .io = {.port = 0x64, .size = 1}};

    (void)state;
    v->regs.gpr[GPR_RAX] = 0xfe;
    assert_true(death_find(v, &exit));
    exit.io.in = true;
    assert_false(death_find(v, &exit));
    exit.io.in = false;
    exit.io.string = true;
    assert_false(death_find(v, &exit));
}

/* What the FADT does not have is no port 0; both control registers; port 0xcf9 is known already. */
static void test_acpi(void **state)
{
    unsigned count;

    (void)state;
    assert_false(writes(0, 1, 0));
    assert_false(writes(0, 2, 1 << 13));
    death_watched(&count);
    assert_int_equal(count, 3);
    config.fadt =
        (struct acpi_fadt){.reset_port = 0xcf9, .reset_value = 6, .pm1_control = {0x404, 0x504}};
    death_watched(&count);
    assert_int_equal(count, 5);
    assert_true(writes(0x404, 2, 1 << 13));
    assert_true(writes(0x504, 2, 1 << 13));
    assert_false(writes(0x504, 2, 1 << 12));
    config.fadt = (struct acpi_fadt){.reset_port = 0x604, .reset_value = 9};
    assert_int_equal(death_watched(&count)[3].first, 0x604);
    assert_int_equal(count, 4);
    assert_true(writes(0x604, 1, 9));
}

/* Each by its own switch, none without gdb; a double fault is known of where there is a line. */
static void test_switches(void **state)
{
    static const struct {
        unsigned stops, traps;
    } cases[] = {{DEATH_ALL, TRAP_WATCHED | TRAP_HLT},
                 {DEATH_RESET, TRAP_WATCHED},
                 {DEATH_HALT, TRAP_HLT},
                 {DEATH_DOUBLE_FAULT, 0}};
    const struct hv_exit df = {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_DF, true, 0, 0}};
    const struct hv_exit hlt = {.kind = HV_EXIT_HLT};
    unsigned count;

    (void)state;
    vcpu_set_count(1);
    v->regs.rflags &= ~RFLAGS_IF;
    for (unsigned i = 0; i < 2 * HV_ARRAY_SIZE(cases); i++) {
        bool attached = i < HV_ARRAY_SIZE(cases);
        unsigned stops = cases[i % HV_ARRAY_SIZE(cases)].stops;

        debug.stops = stops;
        debug.attached = attached;
        assert_int_equal(death_traps(), attached ? cases[i].traps : 0);
        death_watched(&count);
        assert_int_equal(count, attached && (stops & DEATH_RESET) ? 3 : 0);
        assert_int_equal(writes(0xcf9, 1, 6), attached && (stops & DEATH_RESET));
        assert_int_equal(death_find(v, &df), attached && (stops & DEATH_DOUBLE_FAULT));
        assert_int_equal(death_find(v, &hlt), attached && (stops & DEATH_HALT));
        assert_int_equal(death_exceptions(), 1 << VECTOR_DF);
    }
    config.link = NULL;
    assert_int_equal(death_exceptions(), 0);
}

/* Another exception that somebody wants to see is no death. */
static void test_exception(void **state)
{
    const struct hv_exit pf = {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_PF, true, 0, 0}};

    (void)state;
    assert_false(death_find(v, &pf));
}

static bool halts(struct vcpu *cpu)
{
    const struct hv_exit exit = {.kind = HV_EXIT_HLT};

    cpu->regs.rip = HALT;
    cpu->regs.rflags &= ~RFLAGS_IF;
    return death_find(cpu, &exit);
}

/* The last one; not while another runs, or runs again. */
static void test_last_halt(void **state)
{
    struct vcpu *other = vcpu_get(1);

    (void)state;
    *other = *v;
    other->number = 1;
    assert_false(halts(v));
    assert_true(halts(other));
    death_forget_halt(v);
    assert_false(halts(other));
    assert_true(halts(v));
    v->regs.rflags |= RFLAGS_IF;
    const struct hv_exit idle = {.kind = HV_EXIT_HLT};
    assert_false(death_find(v, &idle));
    /* One that waits for its start-up interrupt does nothing either. */
    death_forget_halt(other);
    assert_false(halts(v));
    ipi_add_cpu(other, AP_WAITS);
    assert_true(halts(v));
    /* The user has been told: not again until another stop, or when a CPU was moved. */
    debug.heard = 1;
    death_told(&idle);
    death_goes_on();
    assert_false(halts(v));
    debug.heard = 2;
    death_told(&(struct hv_exit){.kind = HV_EXIT_IO}); /* something else */
    assert_true(halts(v));
    death_told(&idle);
    assert_false(halts(v));
    v->regs.rip = HALT + 1;
    death_goes_on();
    assert_true(halts(v));
}

/* The bytes in front of HLT that ask for an SMI, whole; and where there is nothing to read. */
static void test_smi(void **state)
{
    static const struct {
        const char *before;
        bool waits;
    } cases[] = {
        {"\x90\x90\xe6\xb2", true},  {"\xe6\xb2\xf3\x90", true},  {"\x90\x90\xe6\xb3", false},
        {"\x90\x90\xe7\xb2", false}, {"\xe6\xb2\x90\x90", false}, {"\xe6\xb2\xf3\x91", false},
        {"\xe7\xb2\xf3\x90", false}, {"\xe6\xb3\xf3\x90", false}, {"\x90\x90\x90\x90", false},
    };

    (void)state;
    vcpu_set_count(1);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        memcpy(model_memory(HALT - 4), cases[i].before, 4);
        assert_int_equal(halts(v), !cases[i].waits);
    }
    v->regs.rip = RAM_END + 4;
    const struct hv_exit exit = {.kind = HV_EXIT_HLT};
    assert_true(death_find(v, &exit));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_writes), TEST(test_acpi),      TEST(test_switches),
        TEST(test_exception),   TEST(test_last_halt), TEST(test_smi),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
