/* svm/run.c: events on their way in and out, and what an exit tells (BP-2, BP-3, WHPX-6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_vmrun.h"

enum { RIP = 0x1000, SOFT_INT3 = (int)0x80000403 };

/* How the guest ends. */
static uint64_t exit_code, exit_info1, exit_info2, exit_int_info, exit_next_rip;

static void ends(struct vmcb *b)
{
    b->control.exit_code = exit_code;
    b->control.exit_info1 = exit_info1;
    b->control.exit_info2 = exit_info2;
    b->control.exit_int_info = exit_int_info;
    b->control.next_rip = exit_next_rip;
}

static int setup(void **state)
{
    (void)state;
    start(ALL_FEATURES);
    guest = ends;
    exit_code = SVM_EXIT_INTR;
    exit_info1 = exit_info2 = exit_int_info = exit_next_rip = 0;
    v->regs.rip = RIP;
    v->regs.seg[SEG_CS].base = 0;
    return 0;
}

static void setup_without(uint32_t features)
{
    setup(NULL);
    start(ALL_FEATURES & ~features);
    guest = ends;
    v->regs.rip = RIP;
    v->regs.seg[SEG_CS].base = 0;
}

static void run_mode(enum hv_run_mode mode)
{
    svm_backend.run(v, mode, &out);
}

static void soft(uint8_t vector, uint8_t length)
{
    v->event = (struct hv_event){.type = HV_EVENT_SOFT, .vector = vector, .insn_length = length};
}

static void test_exception(void **state)
{
    (void)state;
    vcpu_raise_error(v, VECTOR_GP, 0x18);
    run_mode(RUN_FREE);
    assert_int_equal(given.control.event_injection, 0x1880000b0d);
    assert_int_equal(given.save.rip, RIP);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    run_mode(RUN_FREE); /* once */
    assert_int_equal(given.control.event_injection, 0);
}

/* BP-3, BP-5: INT3 pushes the address behind it, whether the processor takes that from nRIP... */
static void test_bp3_soft_with_nrip(void **state)
{
    (void)state;
    soft(VECTOR_BP, 1);
    run_mode(RUN_FREE);
    assert_int_equal(given.control.event_injection, (uint32_t)SOFT_INT3);
    assert_int_equal(given.save.rip, RIP);
    assert_int_equal(given.control.next_rip, RIP + 1);
    soft(0x80, 3);
    run_mode(RUN_FREE);
    assert_int_equal(given.control.next_rip, RIP + 3);
}

/* ... or from RIP. */
static void test_bp3_soft_without_nrip(void **state)
{
    (void)state;
    setup_without(NRIP);
    soft(VECTOR_BP, 1);
    run_mode(RUN_FREE);
    assert_int_equal(given.control.event_injection, (uint32_t)SOFT_INT3);
    assert_int_equal(given.save.rip, RIP + 1);
    vcpu_raise(v, VECTOR_UD); /* others never move it */
    v->regs.rip = RIP;
    run_mode(RUN_FREE);
    assert_int_equal(given.save.rip, RIP);
}

/* A delivery that an exit interrupted is done again at the next entry. */
static void test_delivery_interrupted(void **state)
{
    (void)state;
    exit_code = SVM_EXIT_NPF;
    exit_int_info = 0x1580000b0e;
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, VECTOR_PF);
    assert_int_equal(v->event.error, 0x15);
    exit_int_info = 0;
    run_mode(RUN_FREE);
    assert_int_equal(given.control.event_injection, 0x1580000b0e);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    exit_int_info = 0x80000041; /* a device's interrupt: nobody else knows of it */
    run_mode(RUN_FREE);
    exit_int_info = 0;
    run_mode(RUN_FREE);
    assert_int_equal(given.control.event_injection, 0x80000041);
}

/* The same of INT n: the second push is of the same address. */
static void test_soft_interrupted(void **state)
{
    (void)state;
    exit_code = SVM_EXIT_NPF;
    exit_int_info = 0x80000480;
    exit_next_rip = RIP + 2;
    soft(0x80, 2);
    run_mode(RUN_FREE);
    assert_int_equal(v->event.type, HV_EVENT_SOFT);
    assert_int_equal(v->event.insn_length, 2);
    run_mode(RUN_FREE);
    assert_int_equal(given.control.next_rip, RIP + 2);
    assert_int_equal(given.save.rip, RIP);

    setup_without(NRIP);
    exit_code = SVM_EXIT_NPF;
    exit_int_info = 0x80000480;
    soft(0x80, 2);
    run_mode(RUN_FREE);
    assert_int_equal(given.save.rip, RIP + 2);
    run_mode(RUN_FREE); /* not moved on twice */
    assert_int_equal(given.save.rip, RIP + 2);
    assert_int_equal(given.control.event_injection, 0x80000480);
}

/* NMIs: blocked from their delivery on, not before it. */
static void test_nmi(void **state)
{
    (void)state;
    v->event = (struct hv_event){.type = HV_EVENT_NMI, .vector = 2};
    exit_int_info = 0x80000202;
    exit_code = SVM_EXIT_NPF;
    run_mode(RUN_FREE);
    assert_int_equal(given.control.event_injection, 0x80000202);
    assert_false(v->nmi_blocked);
    assert_int_equal(v->event.type, HV_EVENT_NMI);
    exit_int_info = 0;
    run_mode(RUN_FREE);
    assert_true(v->nmi_blocked);
}

static void ends_in_a_shadow(struct vmcb *b)
{
    ends(b);
    b->control.interrupt_shadow = 1;
    b->save.rip = RIP + 1;
    b->save.rsp = 0x7000;
    b->save.rax = 0x1234;
    b->save.rflags = 0x246;
}

static void test_state_out(void **state)
{
    (void)state;
    guest = ends_in_a_shadow;
    run_mode(RUN_FREE);
    assert_int_equal(given.control.interrupt_shadow, 0);
    assert_true(v->interrupt_shadow);
    assert_int_equal(v->regs.rip, RIP + 1);
    assert_int_equal(v->regs.gpr[GPR_RSP], 0x7000);
    assert_int_equal(v->regs.gpr[GPR_RAX], 0x1234);
    assert_int_equal(v->regs.rflags, 0x246);
    assert_int_equal(v->valid, 0);
    run_mode(RUN_FREE);
    assert_int_equal(given.control.interrupt_shadow, 1); /* goes in as it came out */
    v->interrupt_shadow = false;
    v->regs.rflags = 0; /* bit 1 is always set for VMRUN */
    run_mode(RUN_FREE);
    assert_int_equal(given.control.interrupt_shadow, 0);
    assert_int_equal(given.save.rflags, RFLAGS_ONE);
}

/* The instruction's length by nRIP, where that makes sense. */
static void test_instruction_length(void **state)
{
    static const struct {
        uint64_t next;
        unsigned length;
    } cases[] = {{RIP + 2, 2}, {RIP + 15, 15}, {RIP + 16, 0}, {RIP, 0}, {RIP - 1, 0}, {0, 0}};

    (void)state;
    exit_code = SVM_EXIT_CPUID;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        exit_next_rip = cases[i].next;
        run_mode(RUN_FREE);
        assert_int_equal(out.kind, HV_EXIT_CPUID);
        assert_int_equal(out.insn_length, cases[i].length);
    }
    setup_without(NRIP);
    exit_code = SVM_EXIT_CPUID;
    exit_next_rip = RIP + 2;
    run_mode(RUN_FREE);
    assert_int_equal(out.insn_length, 0);
    assert_int_equal(v->exits[HV_EXIT_CPUID], 1);
}

/* INVD would lose what the host has written. */
static void test_invd(void **state)
{
    (void)state;
    run_mode(RUN_FREE);
    assert_true(given.control.intercept3 & SVM_INTERCEPT_INVD);
    exit_code = SVM_EXIT_INVD;
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_INVD);
}

static void code(const char *bytes, size_t size)
{
    memcpy(model_memory(RIP), bytes, size);
}

/* BP-2: INT n, INT3, INTO with prefixes, where the exit itself tells nothing. */
static void test_bp2_software_interrupts(void **state)
{
    (void)state;
    exit_code = SVM_EXIT_SWINT;
    code("\xcc", 1);
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(out.insn_length, 1);
    code("\x66\xcc", 2);
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(out.insn_length, 2);
    code("\xcd\x03", 2);
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(out.soft_int.vector, 3);
    assert_int_equal(out.insn_length, 2);
    code("\xf2\xcd\x80", 3);
    run_mode(RUN_FREE);
    assert_int_equal(out.soft_int.vector, 0x80);
    assert_int_equal(out.insn_length, 3);
    code("\xce", 1);
    run_mode(RUN_FREE);
    assert_int_equal(out.soft_int.vector, VECTOR_OF);
    /* Not readable: what the exit says. */
    v->regs.rip = MODEL_MEMORY_SIZE;
    exit_info1 = 0x21;
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(out.soft_int.vector, 0x21);
}

/* WHPX-6: RUN_TO_FETCH ends where the next instruction would be fetched, and only there. */
static void test_whpx6_fetch(void **state)
{
    (void)state;
    exit_code = SVM_EXIT_NPF;
    exit_info1 = SVM_NPF_PRESENT | SVM_NPF_FETCH;
    exit_info2 = RIP;
    run_mode(RUN_TO_FETCH);
    assert_int_equal(out.kind, HV_EXIT_FETCH);
    assert_int_equal(given.control.interrupt_control & SVM_V_INTR_MASKING, SVM_V_INTR_MASKING);
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    exit_info1 = SVM_NPF_WRITE; /* the delivery's own stack */
    run_mode(RUN_TO_FETCH);
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    assert_true(out.stage2.write);
}

static unsigned lines;

static void line(const char *text)
{
    assert_in_range(strlen(text), 10, 99);
    lines++;
}

/* USER-4's evidence. */
static void test_dump(void **state)
{
    (void)state;
    memset(&v->regs, 0xff, sizeof(v->regs));
    exit_code = exit_info1 = exit_info2 = exit_int_info = UINT64_MAX;
    run_mode(RUN_FREE);
    assert_int_equal(out.kind, HV_EXIT_INVALID);
    svm_backend.dump(v, line);
    assert_int_equal(lines, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_exception, setup),
        cmocka_unit_test_setup(test_bp3_soft_with_nrip, setup),
        cmocka_unit_test_setup(test_bp3_soft_without_nrip, setup),
        cmocka_unit_test_setup(test_delivery_interrupted, setup),
        cmocka_unit_test_setup(test_soft_interrupted, setup),
        cmocka_unit_test_setup(test_nmi, setup),
        cmocka_unit_test_setup(test_state_out, setup),
        cmocka_unit_test_setup(test_instruction_length, setup),
        cmocka_unit_test_setup(test_invd, setup),
        cmocka_unit_test_setup(test_bp2_software_interrupts, setup),
        cmocka_unit_test_setup(test_whpx6_fetch, setup),
        cmocka_unit_test_setup(test_dump, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
