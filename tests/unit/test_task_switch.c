/* core/task_switch.c, core/segment.c: SDM vol. 3, "Task Switching". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/segment.h"
#include "core/task_switch.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { GDT = 0x2000, LDT = 0x2800, OLD = 0x3000, NEW = 0x3100, CODE = 0x5000, STACK = 0x6000 };
enum {
    SEL_CODE = 0x08,
    SEL_DATA = 0x10,
    SEL_OLD = 0x18,
    SEL_NEW = 0x20,
    SEL_LDT = 0x28,
    SEL_USER_CODE = 0x33,
    SEL_USER_DATA = 0x3b,
    SEL_NEW16 = 0x40,
    SEL_BAD = 0x48,   /* the descriptor that a test spoils */
    SEL_LOCAL = 0x0c, /* in the LDT */
    GDT_LIMIT = 0x4f,
};
enum { TYPE_TSS = 0x89, TYPE_BUSY_TSS = 0x8b };

static struct vcpu *v;
static struct hv_exit out;

static void put(gpa_t address, uint32_t value, unsigned size)
{
    memcpy(model_memory(address), &value, size);
}

static uint32_t get(gpa_t address, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, model_memory(address), size);
    return value;
}

static void descriptor(uint16_t selector, uint32_t base, uint32_t limit, uint32_t attributes)
{
    uint64_t d = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
                 (uint64_t)(attributes & 0xff) << 40 | (uint64_t)(limit & 0xf0000) << 32 |
                 (uint64_t)(attributes & 0xf00) << 44 | (uint64_t)(base >> 24) << 56;

    model_memory_put((selector & 4 ? LDT : GDT) + (selector & ~7U), d);
}

static uint8_t type(uint16_t selector)
{
    return *model_memory(GDT + (selector & ~7U) + 5);
}

/* The new task: 32 bits, each register with a value of its own. */
static void new_task(void)
{
    static const uint16_t segments[] = {SEL_DATA, SEL_CODE, SEL_DATA, SEL_DATA, 0, 0};

    put(NEW + 28, 0x7000, 4);
    put(NEW + 32, CODE + 0x10, 4);
    put(NEW + 36, 0x202, 4);
    for (unsigned i = 0; i < 8; i++)
        put(NEW + 40 + 4 * i, 0xa0000000 + i, 4);
    put(NEW + 40 + 4 * GPR_RSP, STACK, 4);
    for (unsigned i = 0; i < 6; i++)
        put(NEW + 72 + 4 * i, segments[i], 2);
}

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    model_code_bits(v, 32);
    v->regs.gdtr = (struct hv_table){GDT, GDT_LIMIT};
    descriptor(SEL_CODE, 0, 0xfffff, 0xc9a); /* not accessed yet */
    descriptor(SEL_DATA, 0, 0xfffff, 0xc93);
    descriptor(SEL_OLD, OLD, 103, TYPE_BUSY_TSS);
    descriptor(SEL_NEW, NEW, 103, TYPE_TSS);
    descriptor(SEL_LDT, LDT, 0x1f, 0x82);
    descriptor(SEL_USER_CODE, 0, 0xfffff, 0xcfb);
    descriptor(SEL_USER_DATA, 0, 0xfffff, 0xcf3);
    descriptor(SEL_NEW16, NEW, 43, 0x81);
    descriptor(SEL_LOCAL, 0x10000, 0xffff, 0x93);
    new_task();
    v->regs.seg[SEG_TR] =
        (struct hv_segment){.selector = SEL_OLD, .attributes = 0x8b, .limit = 103, .base = OLD};
    for (unsigned i = 0; i < SEG_LDTR; i++)
        v->regs.seg[i].selector = (uint16_t)(0x100 + i);
    for (unsigned i = 0; i < 8; i++)
        v->regs.gpr[i] = 0xb0000000 + i;
    v->regs.rip = 0x1000;
    v->regs.rflags = 0x246;
    v->interrupt_shadow = true;
    out = (struct hv_exit){.kind = HV_EXIT_TASK_SWITCH, .insn_length = 7};
    out.task.selector = SEL_NEW;
    out.task.source = HV_TASK_CALL;
    return 0;
}

static void raised(uint8_t vector, uint32_t error)
{
    assert_int_equal(task_switch(v, &out), CORE_RAISED);
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, vector);
    assert_true(v->event.has_error);
    assert_int_equal(v->event.error, error);
}

static void in_new_task(void)
{
    assert_int_equal(v->regs.rip, CODE + 0x10);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(v->regs.gpr[i], i == GPR_RSP ? STACK : 0xa0000000 + i);
    assert_int_equal(v->regs.seg[SEG_CS].selector, SEL_CODE);
    assert_int_equal(v->regs.seg[SEG_CS].attributes, 0xc9b);
    assert_int_equal(v->regs.seg[SEG_CS].limit, UINT32_MAX);
    assert_int_equal(v->regs.seg[SEG_SS].selector, SEL_DATA);
    assert_int_equal(v->regs.seg[SEG_FS].attributes & SEG_ATTR_PRESENT, 0);
    assert_int_equal(v->regs.seg[SEG_LDTR].attributes & SEG_ATTR_PRESENT, 0);
    assert_int_equal(v->regs.seg[SEG_TR].selector, SEL_NEW);
    assert_int_equal(v->regs.seg[SEG_TR].base, NEW);
    assert_int_equal(v->regs.seg[SEG_TR].attributes, 0x8b);
    assert_int_equal(type(SEL_CODE), 0x9b); /* accessed */
    assert_true(v->regs.cr0 & CR0_TS);
    assert_false(v->interrupt_shadow);
    assert_int_equal(v->changed & (REGS_SEGMENTS | REGS_CONTROL), REGS_SEGMENTS | REGS_CONTROL);
}

static void old_is_saved(uint32_t rip, uint32_t flags)
{
    assert_int_equal(get(OLD + 32, 4), rip);
    assert_int_equal(get(OLD + 36, 4), flags);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(OLD + 40 + 4 * i, 4), 0xb0000000 + i);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(get(OLD + 72 + 4 * i, 2), 0x100 + i);
    assert_int_equal(get(OLD + 28, 4), 0); /* CR3 is never saved */
    assert_int_equal(get(OLD + 96, 4), 0);
}

static void test_call(void **state)
{
    (void)state;
    v->debug_regs.dr7 = DR7_RESET | DR7_L(1) | DR7_G(1) | DR7_LE;
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    in_new_task();
    old_is_saved(0x1007, 0x246);
    assert_int_equal(v->regs.rflags, 0x202 | RFLAGS_NT);
    assert_int_equal(get(NEW, 2), SEL_OLD);
    assert_int_equal(type(SEL_OLD), TYPE_BUSY_TSS);
    assert_int_equal(type(SEL_NEW), TYPE_BUSY_TSS);
    assert_int_equal(v->debug_regs.dr7, DR7_RESET | DR7_G(1));
    assert_int_equal(v->regs.cr3, 0); /* paging is off */
}

static void test_jmp(void **state)
{
    (void)state;
    out.task.source = HV_TASK_JMP;
    v->regs.rflags |= RFLAGS_NT | RFLAGS_RF; /* RF ends with the instruction */
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    in_new_task();
    old_is_saved(0x1007, 0x246 | RFLAGS_NT);
    assert_int_equal(v->regs.rflags, 0x202);
    assert_int_equal(get(NEW, 2), 0);
    assert_int_equal(type(SEL_OLD), TYPE_TSS);
    assert_int_equal(type(SEL_NEW), TYPE_BUSY_TSS);
}

static void test_iret(void **state)
{
    (void)state;
    out.task.source = HV_TASK_IRET;
    out.insn_length = 1;
    v->regs.rflags |= RFLAGS_NT;
    v->nmi_blocked = true;
    descriptor(SEL_NEW, NEW, 103, TYPE_BUSY_TSS);
    put(NEW + 36, 0x4202, 4); /* it was called itself */
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    in_new_task();
    old_is_saved(0x1001, 0x246); /* NT goes */
    assert_int_equal(v->regs.rflags, 0x202 | RFLAGS_NT);
    assert_int_equal(type(SEL_OLD), TYPE_TSS);
    assert_int_equal(type(SEL_NEW), TYPE_BUSY_TSS);
    assert_false(v->nmi_blocked);
}

/* Where the old task goes on, what is pushed, and that the event is not delivered again. */
static void test_gate(void **state)
{
    static const struct {
        struct hv_event event;
        uint32_t rip;
    } cases[] = {
        {{HV_EVENT_EXTERNAL, 0x20, false, 0, 0}, 0x1000},
        {{HV_EVENT_NMI, 2, false, 0, 0}, 0x1000},
        {{HV_EVENT_SOFT, 0x40, false, 0, 2}, 0x1002},
        {{HV_EVENT_EXCEPTION, VECTOR_UD, false, 0, 0}, 0x1000},
        {{HV_EVENT_EXCEPTION, VECTOR_GP, true, 0x7ff8, 0}, 0x1000},
    };

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        setup(NULL);
        out.task.source = HV_TASK_GATE;
        v->event = cases[i].event;
        v->regs.rflags |= RFLAGS_RF;
        assert_int_equal(task_switch(v, &out), CORE_DONE);
        assert_int_equal(get(OLD + 32, 4), cases[i].rip);
        assert_int_equal(get(OLD + 36, 4), cases[i].rip == 0x1000 ? 0x10246 : 0x246);
        assert_int_equal(get(NEW, 2), SEL_OLD);
        assert_int_equal(v->event.type, HV_EVENT_NONE);
        assert_int_equal(v->nmi_blocked, cases[i].event.type == HV_EVENT_NMI);
        assert_true(v->regs.rflags & RFLAGS_NT);
        if (cases[i].event.has_error) {
            assert_int_equal(v->regs.gpr[GPR_RSP], STACK - 4);
            assert_int_equal(get(STACK - 4, 4), 0x7ff8);
        } else {
            assert_int_equal(v->regs.gpr[GPR_RSP], STACK);
        }
    }
}

static void test_16_bit(void **state)
{
    (void)state;
    out.task.selector = SEL_NEW16;
    out.task.source = HV_TASK_GATE;
    v->event = (struct hv_event){HV_EVENT_EXCEPTION, VECTOR_GP, true, 0x1234, 0};
    memset(model_memory(NEW), 0, 104);
    put(NEW + 14, 0x55, 2);
    put(NEW + 16, 0x3202, 2);
    for (unsigned i = 0; i < 8; i++)
        put(NEW + 18 + 2 * i, 0xc00 + i, 2);
    put(NEW + 34, SEL_DATA, 2);
    put(NEW + 36, SEL_CODE, 2);
    put(NEW + 38, SEL_LOCAL, 2);
    put(NEW + 42, SEL_LDT, 2);
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    old_is_saved(0x1000, 0x246); /* the old one is 32-bit all the same */
    assert_int_equal(v->regs.rip, 0x55);
    assert_int_equal(v->regs.rflags, 0x7202);
    assert_int_equal(v->regs.gpr[GPR_RAX], 0xb0000c00);
    assert_int_equal(v->regs.gpr[GPR_RSP], 0xb0000c02); /* the stack is 16-bit: a word is pushed */
    assert_int_equal(get(0x10000 + 0xc02, 2), 0x1234);
    assert_int_equal(v->regs.seg[SEG_LDTR].base, LDT);
    assert_int_equal(v->regs.seg[SEG_SS].base, 0x10000);
    assert_int_equal(v->regs.seg[SEG_DS].attributes & SEG_ATTR_PRESENT, 0);
    assert_int_equal(v->regs.seg[SEG_TR].attributes, 0x83);
    assert_int_equal(type(SEL_NEW16), 0x83);

    /* And back: two-byte registers are saved. */
    out.task.selector = SEL_OLD;
    out.task.source = HV_TASK_IRET;
    out.insn_length = 1;
    put(OLD + 76, SEL_CODE, 2);
    put(OLD + 80, SEL_DATA, 2);
    for (unsigned i = 0; i < 6; i++) {
        if (i != SEG_CS && i != SEG_SS)
            put(OLD + 72 + 4 * i, 0, 2);
    }
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    assert_int_equal(get(NEW + 14, 2), 0x56);
    assert_int_equal(get(NEW + 16, 2), 0x3202);
    assert_int_equal(get(NEW + 18 + 2 * GPR_RSP, 2), 0xc02);
    assert_int_equal(get(NEW + 38, 2), SEL_LOCAL);
    assert_int_equal(get(NEW + 42, 2), SEL_LDT); /* not saved over */
    assert_int_equal(v->regs.gpr[GPR_RBX], 0xb0000003);
    assert_int_equal(v->regs.rflags, 0x246);
    assert_int_equal(type(SEL_NEW16), 0x81);
}

/* Before anything is changed: the faults of the old task. */
static void test_bad_tss(void **state)
{
    static const struct {
        enum hv_task_source source;
        uint16_t selector, limit;
        uint8_t attributes, vector;
    } cases[] = {
        {HV_TASK_CALL, SEL_NEW, 103, TYPE_BUSY_TSS, VECTOR_GP}, /* busy */
        {HV_TASK_JMP, SEL_NEW, 103, 0x93, VECTOR_GP},           /* no TSS */
        {HV_TASK_IRET, SEL_NEW, 103, TYPE_TSS, VECTOR_TS},      /* not busy */
        {HV_TASK_GATE, SEL_NEW, 103, 0x09, VECTOR_NP},          /* not present */
        {HV_TASK_CALL, SEL_NEW, 102, TYPE_TSS, VECTOR_TS},      /* too short */
        {HV_TASK_CALL, 0x50, 103, TYPE_TSS, VECTOR_GP},         /* beyond the GDT */
        {HV_TASK_IRET, 0x50, 103, TYPE_TSS, VECTOR_TS},
        {HV_TASK_CALL, SEL_NEW | 4, 103, TYPE_TSS, VECTOR_GP}, /* in the LDT */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup(NULL);
        out.task.source = cases[i].source;
        out.task.selector = cases[i].selector;
        descriptor(SEL_NEW, NEW, cases[i].limit, cases[i].attributes);
        struct hv_regs before = v->regs;
        raised(cases[i].vector, cases[i].selector & 0xfffc);
        before.rflags |= RFLAGS_RF; /* for the fault's frame */
        assert_memory_equal(&before, &v->regs, sizeof(before));
        assert_int_equal(get(OLD + 32, 4), 0);
        assert_int_equal(type(SEL_OLD), TYPE_BUSY_TSS);
    }
    /* An interrupt's faults say that they are of the outside world. */
    setup(NULL);
    out.task.source = HV_TASK_GATE;
    v->event.type = HV_EVENT_EXTERNAL;
    descriptor(SEL_NEW, NEW, 103, 0x09);
    raised(VECTOR_NP, SEL_NEW | 1);
    /* An old TSS with no room, and one that is nowhere. */
    setup(NULL);
    v->regs.seg[SEG_TR].limit = 0x5e;
    raised(VECTOR_TS, SEL_OLD);
    setup(NULL);
    v->regs.seg[SEG_TR].base = 0xf0000000;
    raised(VECTOR_TS, SEL_OLD);
}

/* The faults of the new task: it is the current one by then. */
static void test_bad_segments(void **state)
{
    enum { ES = 72, CS = 76, SS = 80, DS = 84, GS = 92, LDTR = 96 };
    static const struct {
        uint8_t where;
        uint16_t selector;
        uint32_t attributes; /* of SEL_BAD; 0: it is left alone */
        uint8_t vector;
    } cases[] = {
        {CS, 0, 0, VECTOR_TS},
        {CS, SEL_DATA, 0, VECTOR_TS},
        {CS, SEL_BAD, 0xc1b, VECTOR_NP},
        {CS, SEL_BAD, 0xcfb, VECTOR_TS}, /* DPL 3 from a selector of 0 */
        {CS, SEL_BAD, 0xcff, VECTOR_TS}, /* conforming, but down */
        {CS, 0x100, 0, VECTOR_TS},
        {SS, 0, 0, VECTOR_TS},
        {SS, SEL_CODE, 0, VECTOR_TS},
        {SS, SEL_DATA | 3, 0, VECTOR_TS},
        {SS, SEL_USER_DATA, 0, VECTOR_TS},
        {SS, SEL_BAD, 0xc91, VECTOR_TS}, /* read only */
        {SS, SEL_BAD, 0xc13, VECTOR_SS},
        {DS, SEL_BAD, 0xc13, VECTOR_NP},
        {ES, SEL_BAD, 0xc99, VECTOR_TS}, /* execute only */
        {GS, SEL_DATA | 3, 0, VECTOR_TS},
        {ES, SEL_NEW, 0, VECTOR_TS},
        {LDTR, SEL_DATA, 0, VECTOR_TS},
        {LDTR, SEL_BAD, 0x02, VECTOR_TS},
        {LDTR, SEL_LDT | 4, 0, VECTOR_TS},
        {DS, SEL_LOCAL, 0, VECTOR_TS}, /* there is no LDT */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setup(NULL);
        if (cases[i].attributes)
            descriptor(SEL_BAD, 0, 0xfffff, cases[i].attributes);
        put(NEW + cases[i].where, cases[i].selector, 2);
        raised(cases[i].vector, cases[i].selector & 0xfffc);
        assert_int_equal(v->regs.seg[SEG_TR].selector, SEL_NEW);
        assert_int_equal(v->regs.rip, CODE + 0x10);
        old_is_saved(0x1007, 0x246);
    }
}

static void test_user_task(void **state)
{
    (void)state;
    put(NEW + 76, SEL_USER_CODE, 2);
    put(NEW + 80, SEL_USER_DATA, 2);
    put(NEW + 72, SEL_USER_DATA, 2);
    put(NEW + 84, SEL_USER_DATA, 2);
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    assert_int_equal(vcpu_cpl(v), 3);
    setup(NULL); /* kernel data is not for it */
    put(NEW + 76, SEL_USER_CODE, 2);
    put(NEW + 80, SEL_USER_DATA, 2);
    raised(VECTOR_TS, SEL_DATA);
}

static void test_v86_task(void **state)
{
    (void)state;
    put(NEW + 36, 0x20202, 4);
    put(NEW + 76, 0x1234, 2);
    put(NEW + 80, 0, 2);
    assert_int_equal(task_switch(v, &out), CORE_DONE);
    assert_int_equal(v->regs.seg[SEG_CS].base, 0x12340);
    assert_int_equal(v->regs.seg[SEG_CS].attributes, 0xf3);
    assert_int_equal(v->regs.seg[SEG_CS].limit, 0xffff);
    assert_int_equal(v->regs.seg[SEG_SS].base, 0);
    assert_int_equal(vcpu_code_bits(v), 16);
}

/* The T bit: #DB with BT, in the new task. */
static void test_debug_trap(void **state)
{
    (void)state;
    put(NEW + 100, 1, 2);
    assert_int_equal(task_switch(v, &out), CORE_RAISED);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_false(v->event.has_error);
    assert_true(v->debug_regs.dr6 & DR6_BT);
    in_new_task();
}

/* Through core_handle(): the new task's TF traps behind its first instruction, not before. */
static void test_trap_flag(void **state)
{
    (void)state;
    put(NEW + 36, 0x302, 4);
    assert_int_equal(core_handle(v, &out), CORE_DONE);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_true(v->regs.rflags & RFLAGS_TF);
}

/* No stack for the error code. */
static void test_no_stack(void **state)
{
    (void)state;
    out.task.source = HV_TASK_GATE;
    v->event = (struct hv_event){HV_EVENT_EXCEPTION, VECTOR_GP, true, 8, 0};
    put(NEW + 40 + 4 * GPR_RSP, 0xf0000000, 4);
    raised(VECTOR_SS, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_call, setup),
        cmocka_unit_test_setup(test_jmp, setup),
        cmocka_unit_test_setup(test_iret, setup),
        cmocka_unit_test_setup(test_gate, setup),
        cmocka_unit_test_setup(test_16_bit, setup),
        cmocka_unit_test_setup(test_bad_tss, setup),
        cmocka_unit_test_setup(test_bad_segments, setup),
        cmocka_unit_test_setup(test_user_task, setup),
        cmocka_unit_test_setup(test_v86_task, setup),
        cmocka_unit_test_setup(test_debug_trap, setup),
        cmocka_unit_test_setup(test_trap_flag, setup),
        cmocka_unit_test_setup(test_no_stack, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
