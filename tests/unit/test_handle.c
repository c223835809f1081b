/* core/handle.c, core/exit.c: what core does about each kind of exit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/handle.h"
#include "core/policy.h"
#include "core/stage2.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/model/stage2.h"

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_result){leaf, subleaf, UINT32_MAX, 0xdddd};
}

static uint64_t written_msr;

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    *value = 0x1122334455667788;
    return msr == 0x10;
}

bool model_wrmsr(uint32_t msr, uint64_t value)
{
    written_msr = value;
    return msr == 0x10;
}

static uint32_t written_port[4];

uint8_t model_inb(uint16_t port)
{
    return (uint8_t)(port + 0x80);
}

void model_outb(uint16_t port, uint8_t value)
{
    written_port[port & 3] = value;
}

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    v->regs.rflags = RFLAGS_ONE | RFLAGS_RF;
    v->interrupt_shadow = true;
    return 0;
}

static void code(const char *bytes, size_t size)
{
    memcpy(model_memory(0x1000), bytes, size);
    v->regs.rip = 0x1000;
    v->event.type = HV_EVENT_NONE;
}

static enum core_result handle_kind(enum hv_exit_kind kind)
{
    struct hv_exit exit = {.kind = kind};

    return core_handle(v, &exit);
}

static void check_exception(uint8_t vector, bool has_error)
{
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, vector);
    assert_int_equal(v->event.has_error, has_error);
    assert_int_equal(v->event.error, 0);
    assert_int_equal(v->regs.rip, 0x1000);
}

/* Carried out: RIP behind it, RF and the interrupt shadow end with it. */
static void check_done(unsigned length)
{
    assert_int_equal(v->regs.rip, 0x1000 + length);
    assert_false(v->regs.rflags & RFLAGS_RF);
    assert_false(v->interrupt_shadow);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
}

static void test_cpuid(void **state)
{
    (void)state;
    code("\x66\x0f\xa2", 3);
    v->regs.gpr[GPR_RAX] = 0xffffffff80000001;
    v->regs.gpr[GPR_RCX] = 0xffffffff00000007;
    assert_int_equal(handle_kind(HV_EXIT_CPUID), CORE_DONE);
    assert_int_equal(v->regs.gpr[GPR_RAX], 0x80000001);
    assert_int_equal(v->regs.gpr[GPR_RBX], 7);
    assert_int_equal(v->regs.gpr[GPR_RCX], 0xffffeffb);
    assert_int_equal(v->regs.gpr[GPR_RDX], 0xdddd);
    check_done(3);
    /* The processor's length goes before the decoder's. */
    struct hv_exit exit = {.kind = HV_EXIT_CPUID, .insn_length = 2};
    code("\x90", 1);
    assert_int_equal(core_handle(v, &exit), CORE_DONE);
    check_done(2);
}

static void test_msr(void **state)
{
    (void)state;
    code("\x0f\x32", 2);
    v->regs.gpr[GPR_RAX] = v->regs.gpr[GPR_RDX] = UINT64_MAX;
    v->regs.gpr[GPR_RCX] = 0xffffffff00000010;
    assert_int_equal(handle_kind(HV_EXIT_MSR_READ), CORE_DONE);
    assert_int_equal(v->regs.gpr[GPR_RAX], 0x55667788);
    assert_int_equal(v->regs.gpr[GPR_RDX], 0x11223344);
    check_done(2);
    code("\x0f\x30", 2);
    v->regs.gpr[GPR_RAX] = 0xaaaaaaaa00000001;
    v->regs.gpr[GPR_RDX] = 0xbbbbbbbb00000002;
    assert_int_equal(handle_kind(HV_EXIT_MSR_WRITE), CORE_DONE);
    assert_int_equal(written_msr, 0x200000001);
    check_done(2);

    /* Not there, or hidden: #GP, and nothing has changed. */
    static const uint32_t bad[] = {0x11, MSR_VM_HSAVE_PA, MSR_VM_CR};
    for (unsigned i = 0; i < 3; i++) {
        code("\x0f\x32", 2);
        v->regs.gpr[GPR_RCX] = bad[i];
        v->regs.gpr[GPR_RAX] = 0x1234;
        assert_int_equal(handle_kind(HV_EXIT_MSR_READ), CORE_RAISED);
        check_exception(VECTOR_GP, true);
        assert_int_equal(v->regs.gpr[GPR_RAX], 0x1234);
        assert_int_equal(handle_kind(HV_EXIT_MSR_WRITE), CORE_RAISED);
        check_exception(VECTOR_GP, true);
    }
}

/* In system management mode: what we read at RIP is not what the guest executes. */
static void test_code_out_of_sight(void **state)
{
    static const char *const seen[] = {"\xff\xff", "\x90", "\x66\x0f\xa3\xc0"};
    static const enum hv_exit_kind kinds[] = {HV_EXIT_CPUID, HV_EXIT_MSR_READ, HV_EXIT_MSR_WRITE};

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(seen) * HV_ARRAY_SIZE(kinds); i++) {
        const char *bytes = seen[i / HV_ARRAY_SIZE(kinds)];

        code(bytes, strlen(bytes));
        v->regs.gpr[GPR_RCX] = 0x10;
        assert_int_equal(handle_kind(kinds[i % HV_ARRAY_SIZE(kinds)]), CORE_DONE);
        check_done(2);
    }
}

static void io(uint16_t port, uint8_t size, bool in)
{
    struct hv_exit exit = {.kind = HV_EXIT_IO, .insn_length = 1, .io = {port, size, in, false}};

    code("\xec", 1);
    assert_int_equal(core_handle(v, &exit), CORE_DONE);
    check_done(1);
}

/* IN of 1 and 2 bytes leaves the rest of RAX, of 4 clears the upper half. */
static void test_io(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t want[] = {0x1122334455667790, 0x1122334455669190, 0x93929190};
        v->regs.gpr[GPR_RAX] = 0x1122334455667788;
        io(0x10, (uint8_t)(1 << i), true);
        assert_int_equal(v->regs.gpr[GPR_RAX], want[i]);
    }
    v->regs.gpr[GPR_RAX] = 0x1122334455667788;
    io(0x10, 4, false);
    assert_int_equal(written_port[0], 0x88);
    assert_int_equal(written_port[3], 0x55);
    assert_int_equal(v->regs.gpr[GPR_RAX], 0x1122334455667788);
}

static void test_halts(void **state)
{
    (void)state;
    code("\xf4", 1);
    assert_int_equal(handle_kind(HV_EXIT_HLT), CORE_HALT);
    assert_int_equal(v->regs.rip, 0x1000);
    code("\x0f\x01\xc9", 3);
    assert_int_equal(handle_kind(HV_EXIT_MWAIT), CORE_DONE);
    check_done(3);
}

/* HAXM-13: MOV DR in both directions, by the bytes at RIP. */
static void test_haxm13_mov_dr(void **state)
{
    (void)state;
    code("\x0f\x23\xcb", 3); /* mov dr1, rbx */
    v->regs.gpr[GPR_RBX] = 0xffff888812345678;
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_DONE);
    assert_int_equal(v->debug_regs.dr[1], 0xffff888812345678);
    check_done(3);
    code("\x41\x0f\x21\xc9", 4); /* mov r9, dr1 */
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_DONE);
    assert_int_equal(v->regs.gpr[GPR_R9], 0xffff888812345678);
    check_done(4);
    code("\x0f\x21\xf0", 3); /* mov rax, dr6 */
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_DONE);
    assert_int_equal(v->regs.gpr[GPR_RAX], DR6_RESET);
    code("\x44\x0f\x23\xc0", 4); /* mov dr8, rax */
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_RAISED);
    check_exception(VECTOR_UD, false);
    model_ring(v, 3);
    code("\x0f\x21\xf0", 3);
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_RAISED);
    check_exception(VECTOR_GP, true);
    model_ring(v, 0);
    model_code_bits(v, 32);
    code("\x0f\x23\xfb", 3); /* mov dr7, ebx: no upper half to be refused */
    v->regs.gpr[GPR_RBX] = 0xffffffff00000403;
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_DONE);
    assert_int_equal(v->debug_regs.dr7, 0x403);
    code("\x90\x90\x90", 3); /* the code has changed meanwhile: not core's */
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_UP);
    v->regs.rip = MODEL_MEMORY_SIZE;
    assert_int_equal(handle_kind(HV_EXIT_DR), CORE_UP);
}

/* GEN-1, WHPX-8: the guest's own TF traps behind what was carried out for it. */
static void test_whpx8_guest_tf(void **state)
{
    (void)state;
    code("\x0f\xa2", 2);
    v->regs.rflags |= RFLAGS_TF;
    assert_int_equal(handle_kind(HV_EXIT_CPUID), CORE_DONE);
    assert_int_equal(v->regs.rip, 0x1002);
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
    /* A fault is no trap. */
    v->debug_regs.dr6 = DR6_RESET;
    code("\x0f\x32", 2);
    v->regs.gpr[GPR_RCX] = 0x11;
    assert_int_equal(handle_kind(HV_EXIT_MSR_READ), CORE_RAISED);
    check_exception(VECTOR_GP, true);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET);
}

static void test_events(void **state)
{
    struct hv_exit exit = {.kind = HV_EXIT_EXCEPTION,
                           .exception = {VECTOR_PF, true, 0x12, 0xffff800000001234}};

    (void)state;
    v->valid = v->changed = 0;
    assert_int_equal(core_handle(v, &exit), CORE_RAISED);
    assert_int_equal(v->event.vector, VECTOR_PF);
    assert_true(v->event.has_error);
    assert_int_equal(v->event.error, 0x12);
    assert_int_equal(v->regs.cr2, 0xffff800000001234);
    assert_true(v->changed & REGS_CONTROL);

    v->event.type = HV_EVENT_NONE;
    exit.exception.vector = VECTOR_DE;
    exit.exception.has_error = false;
    exit.exception.error = 0;
    exit.exception.address = 0x99;
    assert_int_equal(core_handle(v, &exit), CORE_RAISED);
    check_exception(VECTOR_DE, false);
    assert_int_equal(v->regs.cr2, 0xffff800000001234);

    code("\x66\xcd\x80", 3);
    exit = (struct hv_exit){.kind = HV_EXIT_SOFT_INT, .soft_int = {0x80}};
    assert_int_equal(core_handle(v, &exit), CORE_RAISED);
    assert_int_equal(v->event.type, HV_EVENT_SOFT);
    assert_int_equal(v->event.vector, 0x80);
    assert_int_equal(v->event.insn_length, 3);
    assert_int_equal(v->regs.rip, 0x1000);

    assert_int_equal(handle_kind(HV_EXIT_VIRT_INSN), CORE_RAISED);
    check_exception(VECTOR_UD, false);
    assert_int_equal(handle_kind(HV_EXIT_BAD_CR), CORE_RAISED);
    check_exception(VECTOR_GP, true);
}

static void test_iret(void **state)
{
    (void)state;
    v->nmi_blocked = true;
    v->core_traps = TRAP_IRET;
    assert_int_equal(handle_kind(HV_EXIT_IRET), CORE_RETRY);
    assert_false(v->nmi_blocked);
    assert_int_equal(v->core_traps, 0); /* else the retry would exit again, for ever */
    assert_int_equal(v->regs.rip, 0x1000);
}

/* A state that was refused at a MOV to CR is that instruction's #GP, once. */
static void test_user11_refused_state(void **state)
{
    (void)state;
    code("\x0f\x22\xe0", 3); /* mov cr4, rax */
    assert_int_equal(handle_kind(HV_EXIT_INVALID), CORE_RAISED);
    check_exception(VECTOR_GP, true);
    assert_int_equal(handle_kind(HV_EXIT_INVALID), CORE_UP);
    assert_int_equal(handle_kind(HV_EXIT_NONE), CORE_RETRY);
    assert_int_equal(handle_kind(HV_EXIT_INVALID), CORE_RAISED); /* the same place, later */
    assert_int_equal(handle_kind(HV_EXIT_NONE), CORE_RETRY);
    code("\x0f\x20\xe0", 3);
    assert_int_equal(handle_kind(HV_EXIT_INVALID), CORE_UP);
    v->regs.rip = MODEL_MEMORY_SIZE - 1; /* its second byte is not there */
    *model_memory(MODEL_MEMORY_SIZE - 1) = 0x0f;
    assert_int_equal(handle_kind(HV_EXIT_INVALID), CORE_UP);
}

static void test_stage2(void **state)
{
    static uint8_t pool[1300 * 4096] HV_ALIGNED(4096);
    const struct stage2_config config = {&npt, 46, false, (hpa_t)pool, sizeof(pool)};
    const struct guest_memory_config memory = {
        .self_start = 0x7f800000, .self_size = 0x400000, .phys_bits = 46};
    struct hv_exit exit = {.kind = HV_EXIT_STAGE2, .stage2 = {.address = 1ULL << 45}};

    (void)state;
    assert_int_equal(stage2_init(&config), HV_OK);
    guest_memory_init(&memory);
    assert_int_equal(core_handle(v, &exit), CORE_RETRY); /* was not mapped yet */
    assert_int_equal(model_flushes, 1);
    assert_int_equal(core_handle(v, &exit), CORE_STAGE2);
    assert_int_equal(v->hidden_accesses, 0);
    exit.stage2.address = 0x7f800000;
    assert_int_equal(core_handle(v, &exit), CORE_STAGE2);
    assert_int_equal(v->hidden_accesses, 1);
    assert_int_equal(model_flushes, 1);
}

static void test_not_core(void **state)
{
    static const enum hv_exit_kind up[] = {
        HV_EXIT_NMI,  HV_EXIT_DEBUG,    HV_EXIT_BREAKPOINT, HV_EXIT_ICEBP, HV_EXIT_FETCH,
        HV_EXIT_STEP, HV_EXIT_SHUTDOWN, HV_EXIT_UNKNOWN,    HV_EXIT_INIT,
    };

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(up); i++)
        assert_int_equal(handle_kind(up[i]), CORE_UP);
    assert_int_equal(handle_kind(HV_EXIT_NONE), CORE_RETRY);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_int_equal(v->regs.rip, 0x1000);
}

static enum core_result second_fault(uint8_t first, uint8_t second, struct hv_exit *exit)
{
    *exit = (struct hv_exit){.kind = HV_EXIT_EXCEPTION, .exception = {second, true, 5, 0x77}};
    vcpu_raise_error(v, first, 3);
    return core_handle(v, exit);
}

/* SDM vol. 3, "Interrupt 8 - Double Fault Exception (#DF)": the table of what makes one. */
static void test_double_faults(void **state)
{
    static const struct {
        uint8_t first, second, becomes;
    } cases[] = {{VECTOR_GP, VECTOR_NP, VECTOR_DF}, {VECTOR_DE, VECTOR_TS, VECTOR_DF},
                 {VECTOR_PF, VECTOR_PF, VECTOR_DF}, {VECTOR_PF, VECTOR_GP, VECTOR_DF},
                 {VECTOR_GP, VECTOR_PF, VECTOR_PF}, {VECTOR_UD, VECTOR_GP, VECTOR_GP},
                 {VECTOR_GP, VECTOR_UD, VECTOR_UD}, {VECTOR_PF, VECTOR_AC, VECTOR_AC},
                 {VECTOR_DF, VECTOR_UD, VECTOR_UD}};
    struct hv_exit exit;

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        assert_int_equal(second_fault(cases[i].first, cases[i].second, &exit), CORE_RAISED);
        assert_int_equal(v->event.vector, cases[i].becomes);
        assert_int_equal(v->event.error, cases[i].becomes == VECTOR_DF ? 0 : 5);
    }
    assert_int_equal(second_fault(VECTOR_DF, VECTOR_PF, &exit), CORE_UP);
    assert_int_equal(exit.kind, HV_EXIT_SHUTDOWN);
    /* What is not an exception is just not delivered. */
    v->event = (struct hv_event){.type = HV_EVENT_SOFT, .vector = VECTOR_GP, .insn_length = 2};
    exit = (struct hv_exit){.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_NP, true, 0x33, 0}};
    assert_int_equal(core_handle(v, &exit), CORE_RAISED);
    assert_int_equal(v->event.vector, VECTOR_NP);
}

static enum hv_exit_kind caught;

static bool is_caught(struct vcpu *cpu, const struct hv_exit *exit)
{
    assert_ptr_equal(cpu, v);
    return exit->kind == caught;
}

/* What debug catches comes up with nothing done, and is done when it is passed. */
static void test_catch(void **state)
{
    struct hv_exit exit = {.kind = HV_EXIT_CPUID};

    (void)state;
    code("\x0f\xa2", 2);
    core_set_catch(is_caught);
    caught = HV_EXIT_CPUID;
    assert_int_equal(core_handle(v, &exit), CORE_UP);
    assert_int_equal(exit.kind, HV_EXIT_CPUID);
    assert_int_equal(v->regs.rip, 0x1000);
    v->passing = true;
    assert_int_equal(core_handle(v, &exit), CORE_DONE);
    check_done(2);
    v->passing = false;
    caught = HV_EXIT_NONE;
    code("\x0f\xa2", 2);
    assert_int_equal(core_handle(v, &exit), CORE_DONE);
    core_set_catch(NULL);
}

/* What only debug has asked for is not carried out by core but by the processor. */
static void test_watched(void **state)
{
    (void)state;
    assert_int_equal(handle_kind(HV_EXIT_CR_WRITE), CORE_PASS);
    code("\xec", 1);
    assert_int_equal(handle_kind(HV_EXIT_IO), CORE_DONE);
    v->traps = TRAP_WATCHED;
    code("\xec", 1);
    assert_int_equal(handle_kind(HV_EXIT_IO), CORE_PASS);
    assert_int_equal(handle_kind(HV_EXIT_MSR_READ), CORE_PASS);
    assert_int_equal(handle_kind(HV_EXIT_MSR_WRITE), CORE_PASS);
    assert_int_equal(v->regs.rip, 0x1000);
    v->regs.gpr[GPR_RCX] = MSR_EFER; /* core's own */
    assert_int_equal(handle_kind(HV_EXIT_MSR_READ), CORE_DONE);
    code("\xec", 1);
    v->passing = true; /* it exits all the same */
    assert_int_equal(handle_kind(HV_EXIT_IO), CORE_DONE);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < HV_EXIT_KINDS; kind++) {
        assert_non_null(hv_exit_name((enum hv_exit_kind)kind));
        assert_in_range(strlen(hv_exit_name((enum hv_exit_kind)kind)), 3, 24);
    }
    assert_string_equal(hv_exit_name(HV_EXIT_SHUTDOWN), "shutdown");
    assert_string_equal(hv_exit_name(HV_EXIT_KINDS), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cpuid, setup),
        cmocka_unit_test_setup(test_msr, setup),
        cmocka_unit_test_setup(test_code_out_of_sight, setup),
        cmocka_unit_test_setup(test_io, setup),
        cmocka_unit_test_setup(test_halts, setup),
        cmocka_unit_test_setup(test_haxm13_mov_dr, setup),
        cmocka_unit_test_setup(test_whpx8_guest_tf, setup),
        cmocka_unit_test_setup(test_events, setup),
        cmocka_unit_test_setup(test_iret, setup),
        cmocka_unit_test_setup(test_user11_refused_state, setup),
        cmocka_unit_test_setup(test_stage2, setup),
        cmocka_unit_test_setup(test_not_core, setup),
        cmocka_unit_test_setup(test_double_faults, setup),
        cmocka_unit_test_setup(test_catch, setup),
        cmocka_unit_test_setup(test_watched, setup),
        cmocka_unit_test_setup(test_names, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
