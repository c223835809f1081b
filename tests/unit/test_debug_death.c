/* USER-4, debug/death.c: what ends the guest, in a whole session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "core/handle.h"
#include "core/ipi.h"
#include "core/stage2.h"
#include "debug/catch.h"
#include "tests/model/stage2.h"
#include "tests/unit/death_session.h"
#include "tests/unit/own_view.h"

static const struct acpi_fadt usual = {
    .reset_port = 0x604, .reset_value = 9, .pm1_control = {0x404, 0}};

static int setup_usual(void **state)
{
    fadt = usual;
    return setup_death(state);
}

static struct model_entry out_to(uint16_t port, uint8_t size)
{
    return (struct model_entry){
        RUN_FREE, NULL, {.kind = HV_EXIT_IO, .insn_length = 1, .io = {port, size, false, false}}};
}

static uint64_t rax;

static void set_rax(struct hv_regs *r)
{
    r->gpr[GPR_RAX] = rax;
}

/* Does a write of this value stop, and is it done, by the processor itself, when it goes on? */
static bool stops(const char *first, uint16_t port, uint8_t size, uint64_t value)
{
    struct model_entry guest[] = {out_to(port, size), STEPS(nop), FREE(NULL, HV_EXIT_NONE)};
    const char *gdb[] = {first, "c", NULL};

    setup_death(NULL);
    rax = value;
    guest[0].guest = set_rax;
    session(true, true, guest, 3, gdb);
    core_set_catch(NULL);
    assert_int_equal(count_sent("$T0f"), count_sent("$T"));
    assert_true(model_records[1].passing);
    assert_int_equal(model_records[2].rip, PC + 1);
    return count_sent("$T0f");
}

/* Resets and power off by each port; what is no reset passes unseen. */
static void test_user4_ports(void **state)
{
    static const struct {
        uint16_t port;
        uint8_t size;
        uint64_t value;
        bool ends;
    } cases[] = {
        {0xcf9, 1, 6, true},      {0xcf9, 1, 0xe, true},     {0xcf9, 1, 2, false},
        {0xcf8, 4, 0x600, false}, {0x92, 1, 3, true},        {0x92, 1, 2, false},
        {0x64, 1, 0xfe, true},    {0x64, 1, 0xf0, true},     {0x64, 1, 0xff, false},
        {0x64, 1, 0xd1, false},   {0x64, 1, 0x60, false},    {0x604, 1, 9, true},
        {0x604, 1, 8, false},     {0x404, 2, 0x3c00, true},  {0x404, 2, 0x1c00, false},
        {0x404, 4, 0x2000, true}, {0x404, 1, 0x2000, false}, {0x92, 1, 0xabcdef01, true},
    };

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        if (stops("qSupported c", cases[i].port, cases[i].size, cases[i].value) != cases[i].ends)
            fail_msg("port %x value %llx", cases[i].port, (unsigned long long)cases[i].value);
        if (cases[i].ends && cases[i].port < 0x400) {
            assert_non_null(
                strstr(console(), "gdbvisor: the guest's CPU 0 resets the machine by "));
            assert_non_null(strstr(console(), ", at 1000 (64-bit mode)\n"));
        }
    }
    assert_false(stops(turn("stop reset off", "qRcmd,636174636820696f2030 c"), 0xcf9, 1, 6));
}

/* USER-10: with no gdb nothing of it is trapped. */
static void test_user10_without_gdb(void **state)
{
    GUEST(FREE(nop, HV_EXIT_NONE));
    static const char *const gdb[] = {NULL};

    (void)state;
    session(true, false, guest, 1, gdb);
    assert_int_equal(model_records[0].traps, 0);
    assert_int_equal(model_records[0].exceptions, 1 << VECTOR_DF);
    core_set_catch(NULL);
}

static void to_handler(struct hv_regs *r)
{
    r->rip = 0x3000;
}

#define DOUBLE_FAULT(mode)                                                                         \
    ENTRY(mode, NULL, .kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_DF, true, 0, 0})

/* In front of the handler; then the handler. With no gdb it goes straight there. */
static void test_user4_double_fault(void **state)
{
    GUEST(DOUBLE_FAULT(RUN_FREE), DOUBLE_FAULT(RUN_STEP),
          ENTRY(RUN_TO_FETCH, to_handler, .kind = HV_EXIT_FETCH), FREE(NULL, HV_EXIT_NONE));
    static const struct model_entry alone[] = {DOUBLE_FAULT(RUN_FREE), FREE(NULL, HV_EXIT_NONE)};
    static const char *const nobody[] = {NULL};
    GDB("qSupported c", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T0b"), 1);
    assert_non_null(strstr(console(), "the guest's CPU 0 has a double fault, at 1000 (64-bit"));
    assert_int_equal(model_records[2].event.vector, VECTOR_DF);
    assert_true(model_records[2].event.has_error);
    setup_death(NULL);
    session(true, false, alone, 2, nobody);
    assert_string_equal(why_over, "guest runs");
    assert_int_equal(model_records[1].event.vector, VECTOR_DF);
    assert_int_equal(sent_length, 0);
    core_set_catch(NULL);
}

static const char by_acpi[] = "CPU 0 resets the machine by ACPI's reset register, at 1000";

/* PCI configuration space: the byte 2 of the register that port 0xcf8 has chosen. */
static uint32_t pci_address;

uint32_t model_inl(uint16_t port)
{
    assert_int_equal(port, 0xcf8);
    return pci_address;
}

static void test_user4_pci(void **state)
{
    static const struct {
        uint32_t address;
        uint16_t port;
        uint8_t size;
        uint64_t value;
        bool ends;
    } cases[] = {
        {0x8000fbc4, 0xcfe, 1, 9, true},      {0x8000fbc4, 0xcfc, 4, 0x12093456, true},
        {0x8000fbc4, 0xcfe, 2, 0x1209, true}, {0x8000fbc4, 0xcfe, 1, 8, false},
        {0x8000fbc4, 0xcfd, 1, 9, false},     {0x8000fbc4, 0xcfc, 2, 0x0909, false},
        {0x8000fbc8, 0xcfe, 1, 9, false},     {0x0000fbc4, 0xcfe, 1, 9, false},
    };

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        pci_address = cases[i].address;
        fadt = (struct acpi_fadt){.reset_pci = 0x8000fbc6, .reset_value = 9};
        if (stops("qSupported c", cases[i].port, cases[i].size, cases[i].value) != cases[i].ends)
            fail_msg("case %u", i);
        assert_int_equal(cases[i].ends, strstr(console(), by_acpi) != NULL);
        unsigned count;
        const struct port_row *rows = death_watched(&count);
        assert_int_equal(rows[count - 1].first, 0xcfe);
        assert_int_equal(rows[count - 1].last, 0xcfe);
    }
}

/* A register in memory: writes of its page fault while gdb wants to see them. */
#define REGISTER 0x80010ULL /* a page of model memory, as good as a device's */

static unsigned rights(gpa_t address)
{
    unsigned access;
    hpa_t hpa;

    assert_true(own_view(0, address, &hpa, &access));
    assert_int_equal(hpa, address);
    return access;
}

static const char *store; /* the instruction at PC */

static void to_store(struct hv_regs *r)
{
    memcpy(model_memory(PC), store, 8);
    r->gpr[GPR_RCX] = 0x12093456;
    assert_int_equal(rights(REGISTER), STAGE2_READ);
}

static void do_store(struct hv_regs *r)
{
    assert_int_equal(rights(REGISTER), STAGE2_READ | STAGE2_WRITE); /* on the page itself */
    r->rip++;
}

static bool stops_store(const char *first, const char *bytes, gpa_t address)
{
    const struct hv_exit write = {.kind = HV_EXIT_STAGE2, .stage2 = {address, true, false, true}};
    struct model_entry told[] = {{RUN_FREE, to_store, write},
                                 {RUN_STEP, NULL, write},
                                 STEPS(do_store),
                                 FREE(NULL, HV_EXIT_NONE)},
                       passed[] = {
                           {RUN_FREE, to_store, write}, STEPS(do_store), FREE(NULL, HV_EXIT_NONE)};
    const char *gdb[] = {first, "c", NULL};
    bool ends = bytes[0] == 'T';

    setup_death(NULL);
    store = bytes + 1;
    session(true, true, ends ? told : passed, ends ? 4 : 3, gdb);
    core_set_catch(NULL);
    assert_int_equal(model_records[ends ? 3 : 2].rip, PC + 1);
    assert_int_equal(count_sent("$T0f"), count_sent("$T"));
    assert_int_equal(ends, strstr(console(), by_acpi) != NULL);
    assert_int_equal(rights(REGISTER), STAGE2_READ);
    return count_sent("$T0f") == ends;
}

static void test_user4_memory(void **state)
{
    static const struct {
        const char *bytes; /* T: to be told */
        gpa_t address;
    } cases[] = {
        {"T\xc6\x03\x09\x90\x90\x90\x90\x90", REGISTER},     /* mov byte [rbx], 9 */
        {"T\x89\x0b\x90\x90\x90\x90\x90\x90", REGISTER - 2}, /* mov [rbx], ecx */
        {"-\x89\x0b\x90\x90\x90\x90\x90\x90", REGISTER - 1},
        {"-\x89\x0b\x90\x90\x90\x90\x90\x90", REGISTER - 4},
        {"-\xc6\x03\x08\x90\x90\x90\x90\x90", REGISTER},
        {"-\xc6\x03\x09\x90\x90\x90\x90\x90", REGISTER + 1},
        {"-\xaa\x90\x90\x90\x90\x90\x90\x90", REGISTER}, /* stosb: not known before */
    };
    GUEST(FREE(NULL, HV_EXIT_NONE));

    (void)state;
    fadt = (struct acpi_fadt){.reset_memory = REGISTER, .reset_value = 9};
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        if (!stops_store("qSupported c", cases[i].bytes, cases[i].address))
            fail_msg("case %u", i);
    }
    setup_death(state);
    const char *off[] = {turn("stop reset off", "c"), NULL};
    session(true, true, guest, 1, off);
    assert_int_equal(rights(REGISTER), STAGE2_READ | STAGE2_WRITE);
    core_set_catch(NULL);
}

static void interrupts_off(struct hv_regs *r)
{
    r->rflags &= ~RFLAGS_IF;
}

/* The last one halts: told once, then it halts for real until an NMI. */
static void test_user4_halt(void **state)
{
    GUEST(FREE(interrupts_off, HV_EXIT_HLT), FREE(NULL, HV_EXIT_HLT),
          ENTRY(RUN_HALTED, nop, .kind = HV_EXIT_NMI), FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported c", "c", "\3", "c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T06"), 1);
    assert_int_equal(count_sent("$T02"), 1);
    assert_non_null(strstr(console(), "halts with interrupts off, as all others do, at 1000"));
    assert_int_equal(model_records[3].rip, PC + 1);
    core_set_catch(NULL);
}

static const struct hv_exit hlt = {.kind = HV_EXIT_HLT};

static void wake(struct vcpu *other)
{
    death_forget_halt(v);
    death_forget_halt(other);
}

/* The user has heard of it, and lets all go, which the stop has woken. */
static void tell_halt(struct vcpu *other)
{
    debug.heard++;
    death_told(&hlt);
    death_goes_on();
    wake(other);
}

/* Two CPUs: told when the second one halts, and once, whichever of them comes back last. */
static void test_user4_halts(void **state)
{
    (void)state;
    vcpu_set_count(2);
    struct vcpu *other = vcpu_get(1);
    interrupts_off(&v->regs);
    *other = *v;
    other->number = 1;
    other->regs.rip = 0x2000;
    ipi_add_cpu(other, AP_RUNS);
    debug.attached = true;
    debug.stops = DEATH_ALL;
    assert_false(death_find(v, &hlt));
    wake(other); /* it was an NMI's */
    assert_false(death_find(other, &hlt));
    assert_true(death_find(v, &hlt));
    tell_halt(other);
    assert_false(death_find(v, &hlt));
    assert_false(death_find(other, &hlt)); /* as it was */
    tell_halt(other);
    v->regs.rip += 2;
    assert_false(death_find(v, &hlt));
    assert_true(death_find(other, &hlt)); /* another halt */
    tell_halt(other);
    debug.heard++; /* a stop for something else */
    assert_false(death_find(v, &hlt));
    assert_true(death_find(other, &hlt));
    debug.heard++;
    death_told(&hlt);
    other->regs.rip++; /* by the user */
    death_goes_on();
    wake(other);
    other->regs.rip--;
    assert_false(death_find(v, &hlt));
    assert_true(death_find(other, &hlt));
    wake(other);
    ipi_add_cpu(other, AP_WAITS);
    assert_true(death_find(v, &hlt));
    wake(other);
}

/* A BIOS that has asked for an SMI halts until its own handler takes it from there. */
static void test_smi(void **state)
{
    static const uint8_t before[2][4] = {{0xe6, 0xb2, 0xf3, 0x90}, {0x90, 0x90, 0xe6, 0xb2}};
    GUEST(FREE(interrupts_off, HV_EXIT_HLT), ENTRY(RUN_HALTED, nop, .kind = HV_EXIT_NONE),
          FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported c");

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        setup_death(state);
        memcpy(model_memory(PC - 4), before[i], 4);
        SESSION();
        assert_int_equal(count_sent("$T"), 0);
    }
    memset(model_memory(PC - 4), 0, 4);
    core_set_catch(NULL);
}

/* An idle CPU: it halts, and the interrupt that ends it is the guest's. */
static void test_idle(void **state)
{
    GUEST(FREE(NULL, HV_EXIT_HLT), ENTRY(RUN_HALTED, nop, .kind = HV_EXIT_NONE),
          FREE(NULL, HV_EXIT_NONE));
    GDB("qSupported c");

    (void)state;
    SESSION();
    assert_int_equal(count_sent("$T"), 0);
    assert_int_equal(model_records[2].mode, RUN_FREE);
    core_set_catch(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_user4_ports, setup_usual),
        cmocka_unit_test_setup(test_user10_without_gdb, setup_usual),
        cmocka_unit_test_setup(test_user4_double_fault, setup_usual),
        cmocka_unit_test_setup(test_user4_pci, setup_usual),
        cmocka_unit_test_setup(test_user4_memory, setup_usual),
        cmocka_unit_test_setup(test_user4_halt, setup_usual),
        cmocka_unit_test_setup(test_user4_halts, setup_usual),
        cmocka_unit_test_setup(test_smi, setup_usual),
        cmocka_unit_test_setup(test_idle, setup_usual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
