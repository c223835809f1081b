/* core/run.c on a backend that follows a script: NMIs, dummy pages, what goes up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/mediate.h"
#include "core/run.h"
#include "core/stage2.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/model/stage2.h"
#include "tests/unit/own_view.h"
#include "tests/unit/script.h"

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_result){leaf, subleaf, 0, 0};
}

#define DEVICE 0xfec00000ULL

static uint8_t pool[256 * 4096] HV_ALIGNED(4096);
static struct vcpu *v;
static struct hv_exit out;
static unsigned befores, writes;
static uint8_t written;

static void before(struct vcpu *cpu, gpa_t address, uint8_t *page)
{
    (void)cpu;
    befores++;
    page[address & 0xfff] = 0x5a;
}

static void after_write(struct vcpu *cpu, gpa_t address, const uint8_t *page)
{
    (void)cpu;
    writes++;
    written = page[address & 0xfff];
}

static int group_setup(void **state)
{
    const struct stage2_config config = {&npt, 36, true, (hpa_t)pool, sizeof(pool)};
    const struct mediator m = {DEVICE, DEVICE + 4096, false, before, after_write};

    (void)state;
    return stage2_init(&config) == HV_OK && mediate_add(&m) == HV_OK ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    v->regs.rflags = 0x202;
    befores = writes = 0;
    memset(model_memory(0x1000), 0x90, 64);
    return 0;
}

#define RUN(...) SCRIPT(core_run(v, &out), __VA_ARGS__)

static void nop(struct hv_regs *r)
{
    r->rip++;
}

/* The dummy page as the guest's instruction sees it. */
static uint8_t *dummy(void)
{
    hpa_t hpa;
    unsigned access;

    assert_true(own_view(0, DEVICE + 0x10, &hpa, &access));
    return (uint8_t *)hpa;
}

static void store_to_device(struct hv_regs *r)
{
    r->rip++;
    assert_int_equal(*dummy(), 0x5a);
    *dummy() = 0x77;
}

static void watched_store(struct hv_regs *r)
{
    store_to_device(r);
}

/* Core's own exits do not come up; the rest does, with the guest as it was. */
static void test_up(void **state)
{
    static const enum hv_exit_kind up[] = {
        HV_EXIT_NMI,      HV_EXIT_DEBUG,   HV_EXIT_BREAKPOINT, HV_EXIT_ICEBP,
        HV_EXIT_SHUTDOWN, HV_EXIT_INVALID, HV_EXIT_UNKNOWN,
    };

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(up); i++) {
        struct model_entry script[] = {FREE(NULL, HV_EXIT_NONE), FREE(NULL, HV_EXIT_CPUID),
                                       FREE(nop, up[i])};

        setup(NULL);
        memcpy(model_memory(0x1000), "\x0f\xa2", 2);
        model_script(script, 3);
        core_run(v, &out);
        assert_int_equal(out.kind, up[i]);
        assert_int_equal(v->regs.rip, 0x1003);
        assert_int_equal(model_records[2].rip, 0x1002);
        assert_int_equal(v->regs.rflags, 0x202);
        assert_int_equal(v->exits[HV_EXIT_CPUID], 1);
    }
}

/* A device of ours wants to be looked at: behind the instruction, and only while it does. */
static void test_noticed(void **state)
{
    (void)state;
    memcpy(model_memory(0x1000), "\x0f\xa2\x0f\xa2", 4);
    v->noticed = true;
    RUN(FREE(NULL, HV_EXIT_CPUID));
    assert_int_equal(out.kind, HV_EXIT_NONE);
    assert_int_equal(v->regs.rip, 0x1002);
    v->noticed = false;
    RUN(FREE(NULL, HV_EXIT_CPUID), FREE(nop, HV_EXIT_NMI));
    assert_int_equal(out.kind, HV_EXIT_NMI);
}

/* What core raises is delivered at the next entry, and only then. */
static void test_raised(void **state)
{
    (void)state;
    RUN(FREE(NULL, HV_EXIT_VIRT_INSN), FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[0].event.type, HV_EVENT_NONE);
    assert_int_equal(model_records[1].event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(model_records[1].event.vector, VECTOR_UD);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
}

/* WHPX-8: the guest's own TF gets its #DB behind CPUID in a free run, too. */
static void test_whpx8_tf_behind_an_exit(void **state)
{
    (void)state;
    v->regs.rflags |= RFLAGS_TF;
    memcpy(model_memory(0x1000), "\x0f\xa2", 2);
    RUN(FREE(NULL, HV_EXIT_CPUID), FREE(NULL, HV_EXIT_NMI));
    assert_int_equal(model_records[1].event.vector, VECTOR_DB);
    assert_int_equal(model_records[1].rip, 0x1002);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
}

/* An NMI of the guest's goes in; until its IRET no other does, then the next one. */
static void test_nmi(void **state)
{
    (void)state;
    core_forward_nmi(v);
    RUN(FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[0].event.type, HV_EVENT_NMI);
    assert_int_equal(model_records[0].event.vector, 2);
    assert_int_equal(model_records[0].traps, TRAP_IRET);
    assert_true(v->nmi_blocked);

    core_forward_nmi(v); /* in the handler: it waits, however often the guest exits */
    core_forward_nmi(v); /* and there is one to wait, as on the processor */
    RUN(FREE(NULL, HV_EXIT_NONE), FREE(NULL, HV_EXIT_IRET), DONE(nop), FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[1].event.type, HV_EVENT_NONE);
    assert_int_equal(model_records[2].traps, TRAP_IRET);
    /* The IRET runs under a step, without its trap; the NMI comes in front of what follows. */
    assert_int_equal(model_records[3].traps, 0);
    assert_int_equal(model_records[3].event.type, HV_EVENT_NONE);
    assert_int_equal(model_records[4].event.type, HV_EVENT_NMI);
    assert_int_equal(model_records[4].traps, TRAP_IRET);
    assert_false(v->nmi_pending);

    /* The second handler's IRET: none is left, nothing is trapped any more. */
    RUN(FREE(NULL, HV_EXIT_IRET), DONE(nop), FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[7].event.type, HV_EVENT_NONE);
    assert_int_equal(model_records[7].traps, 0);
    assert_int_equal(v->regs.rflags, 0x202);
}

/* An NMI that its own delivery's fault interrupted: the backend hands it back. */
static void test_nmi_handed_back(void **state)
{
    (void)state;
    v->event = (struct hv_event){.type = HV_EVENT_NMI, .vector = 2};
    v->nmi_blocked = false;
    RUN(FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[0].event.type, HV_EVENT_NMI);
    assert_true(v->nmi_blocked);
    RUN(FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[1].traps, TRAP_IRET);
}

/* A shadow or another event goes first, but only that: the NMI does not wait for an exit. */
static void test_nmi_behind_a_shadow(void **state)
{
    (void)state;
    core_forward_nmi(v);
    v->interrupt_shadow = true;
    RUN(DONE(nop), FREE(nop, HV_EXIT_NMI));
    assert_true(model_records[0].interrupt_shadow);
    assert_int_equal(model_records[0].event.type, HV_EVENT_NONE);
    assert_int_equal(model_records[1].event.type, HV_EVENT_NMI);
    assert_int_equal(model_records[1].rip, 0x1001);

    setup(NULL);
    core_forward_nmi(v);
    vcpu_raise_error(v, VECTOR_GP, 0);
    RUN({RUN_TO_FETCH, nop, {.kind = HV_EXIT_FETCH}}, FREE(nop, HV_EXIT_NMI));
    assert_int_equal(model_records[0].event.vector, VECTOR_GP);
    assert_int_equal(model_records[1].event.type, HV_EVENT_NMI);
    /* What comes up meanwhile comes up. */
    setup(NULL);
    core_forward_nmi(v);
    v->interrupt_shadow = true;
    RUN({RUN_STEP, NULL, {.kind = HV_EXIT_BREAKPOINT}});
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_true(v->nmi_pending);
}

#define FAULT(mode, w)                                                                             \
    {                                                                                              \
        mode, NULL,                                                                                \
        {                                                                                          \
            .kind = HV_EXIT_STAGE2, .stage2 = {.address = DEVICE + 0x10, .write = w }              \
        }                                                                                          \
    }

static void check_closed(void)
{
    hpa_t hpa;
    unsigned access;

    assert_false(own_view(0, DEVICE + 0x10, &hpa, &access));
}

/* A mediated access is one step, then the guest runs on. */
static void test_mediated(void **state)
{
    (void)state;
    RUN(FAULT(RUN_FREE, true), DONE(store_to_device), FREE(nop, HV_EXIT_NMI));
    assert_int_equal(befores, 1);
    assert_int_equal(writes, 1);
    assert_int_equal(written, 0x77);
    check_closed();
    assert_int_equal(v->regs.rflags, 0x202);
    /* A read-modify-write faults twice. */
    RUN(FAULT(RUN_FREE, false), FAULT(RUN_STEP, true), DONE(store_to_device),
        FREE(nop, HV_EXIT_NMI));
    assert_int_equal(befores, 2);
    assert_int_equal(writes, 2);
    check_closed();
}

/* One that hit a watchpoint besides comes up as that. */
static void test_mediated_and_watched(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_WRITE, 1, 0x9999};

    (void)state;
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        debug_regs_set_user(i, &watch);
    debug_regs_update(v);
    RUN(FAULT(RUN_FREE, true),
        {RUN_STEP, watched_store, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS | DR6_B(2)}}});
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(out.debug.dr6, DR6_B(2));
    assert_int_equal(writes, 1);
    check_closed();
}

/* One that was not carried out has written nothing: it faulted, or an NMI came. */
static void test_mediated_not_done(void **state)
{
    (void)state;
    RUN(FAULT(RUN_FREE, true),
        {RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_PF, true, 0, 0x123}}},
        {RUN_TO_FETCH, nop, {.kind = HV_EXIT_FETCH}}, FREE(nop, HV_EXIT_NMI));
    assert_int_equal(befores, 1);
    assert_int_equal(writes, 0);
    check_closed();
    RUN(FAULT(RUN_FREE, true), {RUN_STEP, NULL, {.kind = HV_EXIT_NMI}});
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(writes, 0);
    check_closed();
}

/* A fault where all is mapped is nothing that core could mend. */
static void test_stage2_goes_up(void **state)
{
    (void)state;
    RUN({RUN_FREE, NULL, {.kind = HV_EXIT_STAGE2, .stage2 = {.address = 0x5000, .write = true}}});
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    assert_int_equal(out.stage2.address, 0x5000);
}

/* A control register's write that nobody wants to see: one step with nothing of debug's trapped. */
static void test_pass(void **state)
{
    static const struct model_entry script[] = {
        {RUN_FREE, NULL, {.kind = HV_EXIT_CR_WRITE, .cr = {0}}},
        {RUN_STEP, NULL, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}}};

    (void)state;
    v->traps = TRAP_CR0_WRITES | TRAP_WATCHED | TRAP_BREAKPOINT;
    v->exceptions = 1 << VECTOR_PF;
    model_script(script, 3);
    core_run(v, &out);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(model_records[0].traps, v->traps);
    assert_int_equal(model_records[0].exceptions, 1 << VECTOR_PF | 1 << VECTOR_BP);
    assert_int_equal(model_records[1].traps, TRAP_BREAKPOINT);
    assert_int_equal(model_records[1].exceptions, 1 << VECTOR_BP);
    assert_int_equal(model_records[2].traps, v->traps);
    assert_false(v->passing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_up, setup),
        cmocka_unit_test_setup(test_raised, setup),
        cmocka_unit_test_setup(test_noticed, setup),
        cmocka_unit_test_setup(test_whpx8_tf_behind_an_exit, setup),
        cmocka_unit_test_setup(test_nmi, setup),
        cmocka_unit_test_setup(test_nmi_handed_back, setup),
        cmocka_unit_test_setup(test_nmi_behind_a_shadow, setup),
        cmocka_unit_test_setup(test_mediated, setup),
        cmocka_unit_test_setup(test_mediated_and_watched, setup),
        cmocka_unit_test_setup(test_mediated_not_done, setup),
        cmocka_unit_test_setup(test_stage2_goes_up, setup),
        cmocka_unit_test_setup(test_pass, setup),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
