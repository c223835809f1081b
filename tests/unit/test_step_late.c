/*
 * core/step_trap.c and step_soft.c where TF's trap comes late or not at all: shadows, and BTF of
 * the guest's (HAXM-20, DR-9).
 */
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/step_script.h"

static void jump(struct hv_regs *r)
{
    r->rip += 2;
}

static void write_btf(struct hv_regs *r)
{
    r->rip += 2;
    v->debug_regs.debugctl = DEBUGCTL_BTF;
}

/*
 * DR-9: the guest's BTF would make branch steps of ours: it is off for the entry, back behind it.
 * Its own TF then traps behind branches only, which ends BTF.
 */
static void test_dr9_btf(void **state)
{
    (void)state;
    code("\x90", 1);
    v->debug_regs.debugctl = DEBUGCTL_BTF | DEBUGCTL_LBR;
    STEP(DONE(nop));
    assert_int_equal(model_records[0].debugctl, DEBUGCTL_LBR);
    check_done(0x1001, 0x202);
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_BTF | DEBUGCTL_LBR);

    setup(NULL);
    code("\x90\xeb\x00", 3); /* a jump to the next instruction is one, too */
    v->debug_regs.debugctl = DEBUGCTL_BTF | DEBUGCTL_LBR;
    v->regs.rflags |= RFLAGS_TF;
    STEP(DONE(nop));
    check_done(0x1001, 0x302);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    STEP(DONE(jump));
    check_done(0x1003, 0x302);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
    assert_int_equal(v->debug_regs.debugctl, 0);

    /* A fault before the instruction changes nothing. */
    setup(NULL);
    v->debug_regs.debugctl = DEBUGCTL_BTF;
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_DE, false, 0, 0}}},
         DELIVERED(enter_handler));
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_BTF);
    /* CPUID is carried out here. */
    setup(NULL);
    code("\x0f\xa2", 2);
    v->debug_regs.debugctl = DEBUGCTL_BTF;
    v->regs.rflags |= RFLAGS_TF;
    STEP(ENDS(HV_EXIT_CPUID, NULL));
    check_done(0x1002, 0x302);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
}

/* DR-9: behind a WRMSR that sets BTF our TF may not trap: a debug register stands there. */
static void test_dr9_wrmsr(void **state)
{
    (void)state;
    code("\x0f\x30", 2);
    v->regs.gpr[GPR_RCX] = 0xffffffff000001d9; /* ECX counts */
    STEP({RUN_STEP, write_btf, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3)}}});
    assert_int_equal(model_records[0].live_dr[3], 0x1002);
    assert_int_equal(model_records[0].live_dr7, 0x400 | DR7_G(3));
    check_done(0x1002, 0x202);
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_BTF); /* what it wrote */
    /* Reserved bits: the guest's #GP. */
    setup(NULL);
    code("\x0f\x30", 2);
    v->regs.gpr[GPR_RCX] = 0x1d9;
    v->debug_regs.debugctl = DEBUGCTL_BTF;
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_GP, true, 0, 0}}},
         DELIVERED(enter_handler));
    assert_int_equal(v->debug_regs.debugctl, DEBUGCTL_BTF);
    /* Other MSRs need none. */
    setup(NULL);
    code("\x0f\x30", 2);
    v->regs.gpr[GPR_RCX] = 0xc0000084;
    STEP(DONE(jump));
    assert_int_equal(model_records[0].live_dr7, DR7_RESET);
}

/* A descriptor that AX selects for SS. */
static void descriptor_at(gpa_t address)
{
    vcpu_change(v, REGS_TABLES);
    v->regs.gdtr = (struct hv_table){address - 0x10, 0x17};
    model_memory_put(address, 0x00cf92000000ffff);
    v->regs.gpr[GPR_RAX] = 0x12340010;
}

static void sti(struct hv_regs *r)
{
    r->rip++;
    r->rflags |= RFLAGS_IF;
}

/*
 * HAXM-20: the trap of STI, MOV SS and POP SS may be late: where the processor has to do them (one
 * may fault, or hit what somebody watches) a debug register stands behind them.
 */
static void test_haxm20_shadows(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_WRITE, 1, 0x3015};
    static const char *const codes[] = {"\xfb", "\x8e\xd0", "\x17", "\x8e\xd0"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        setup(NULL);
        model_code_bits(v, 32);
        vcpu_change(v, REGS_SEGMENTS);
        v->regs.seg[SEG_CS].base = 0x100000;
        v->regs.rip = 0x500;
        memcpy(model_memory(0x100500), codes[i], 2);
        model_shadow_after = true;
        if (i == 0)
            model_ring(v, 3);
        if (i == 3) {
            descriptor_at(0x3010);
            debug_regs_set_user(0, &watch);
        }
        debug_regs_update(v);
        uint64_t dr7 = v->live_dr7;
        STEP({RUN_STEP, sti, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3)}}});
        assert_int_equal(model_records[0].live_dr[3], 0x100500 + strlen(codes[i]));
        assert_int_equal(model_records[0].live_dr7, dr7 | DR7_G(3));
        check_done(0x501, 0x202);
        assert_int_equal(out.debug.dr6, 0);
        assert_int_equal(v->live_dr7, dr7);
        assert_true(v->interrupt_shadow); /* the guest's, still */
    }
    /* The trap of the guest's own TF is held back by MOV SS, in a guarded step too. */
    setup(NULL);
    code("\x8e\xd0", 2);
    v->regs.rflags |= RFLAGS_TF;
    STEP({RUN_STEP, jump, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3)}}});
    check_done(0x1002, 0x302);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
}

/* Steps without an entry. */
static void step_soft_only(const char *bytes, size_t size)
{
    code(bytes, size);
    model_script(NULL, 0);
    core_step(v, &out);
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(out.debug.dr6, 0);
}

/* HAXM-20: STI's shadow is there if IF was off; the guest's own TF traps behind it. */
static void test_haxm20_sti(void **state)
{
    (void)state;
    v->regs.rflags = RFLAGS_ONE | RFLAGS_RF;
    step_soft_only("\xfb", 1);
    check_done(0x1001, 0x202);
    assert_true(v->interrupt_shadow);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    step_soft_only("\xfb", 1);
    check_done(0x1002, 0x202);
    assert_false(v->interrupt_shadow);
    v->regs.rflags = RFLAGS_ONE | RFLAGS_TF;
    step_soft_only("\xfb", 1);
    check_done(0x1003, 0x302);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
    /* Ring 3 may with IOPL 3. */
    setup(NULL);
    model_ring(v, 3);
    v->regs.rflags = RFLAGS_ONE | 3 << RFLAGS_IOPL_SHIFT;
    step_soft_only("\xfb", 1);
    check_done(0x1001, 0x3202);
    /* LOCK STI is #UD; an execution breakpoint stands on it: the processor's. */
    setup(NULL);
    code("\xf0\xfb", 2);
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_UD, false, 0, 0}}},
         DELIVERED(enter_handler));
    setup(NULL);
    code("\xfb", 1);
    v->debug_regs.dr[1] = 0x1000;
    v->debug_regs.dr7 = 0x404;
    debug_regs_update(v);
    STEP({RUN_STEP, NULL, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(1)}}});
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(v->regs.rip, 0x1000);
}

/* HAXM-20: MOV SS and POP SS in every mode that has them. */
static void test_haxm20_mov_ss(void **state)
{
    const struct hv_segment *ss = &v->regs.seg[SEG_SS];

    (void)state;
    descriptor_at(0x3010);
    v->regs.rflags |= RFLAGS_TF;
    step_soft_only("\x8e\xd0", 2);
    check_done(0x1002, 0x302);
    assert_true(v->interrupt_shadow);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_int_equal(ss->selector, 0x10);
    assert_int_equal(ss->attributes, 0xc93);
    assert_int_equal(ss->limit, UINT32_MAX);

    /* Real mode, a 16-bit stack; virtual-8086 mode. */
    setup(NULL);
    model_code_bits(v, 16);
    v->regs.cr0 &= ~CR0_PE;
    v->regs.gpr[GPR_RAX] = 0x7890abcd;
    step_soft_only("\x8e\xd0", 2);
    check_done(0x1002, 0x202);
    assert_int_equal(ss->selector, 0xabcd);
    assert_int_equal(ss->base, 0xabcd0);
    v->regs.seg[SEG_SS].attributes = 0x93;
    v->regs.seg[SEG_SS].base = 0x4000;
    v->regs.gpr[GPR_RSP] = 0x12340100;
    memcpy(model_memory(0x4100), "\x34\x12", 2);
    step_soft_only("\x17", 1);
    assert_int_equal(ss->base, 0x12340);
    assert_int_equal(v->regs.gpr[GPR_RSP], 0x12340102);
    v->regs.cr0 |= CR0_PE;
    v->regs.rflags |= RFLAGS_VM;
    step_soft_only("\x8e\xd0", 2);
    assert_int_equal(ss->base, 0xabcd0);
    assert_int_equal(ss->attributes, 0xf3);

    /* A 32-bit stack. */
    setup(NULL);
    model_code_bits(v, 32);
    vcpu_change(v, REGS_TABLES);
    v->regs.gdtr = (struct hv_table){0x3000, 0x17};
    model_memory_put(0x3010, 0x00cf93000000ffff);
    model_memory_put(0x8000, 0x55550010);
    step_soft_only("\x17", 1);
    assert_int_equal(ss->selector, 0x10);
    assert_int_equal(v->regs.gpr[GPR_RSP], 0x8004);

    /* Beyond the stack's limit, which is the lower one when it expands down: #SS, not for us. */
    for (unsigned down = 0; down < 2; down++) {
        setup(NULL);
        model_code_bits(v, 32);
        vcpu_change(v, REGS_TABLES);
        v->regs.gdtr = (struct hv_table){0x3000, 0x17};
        model_memory_put(0x3010, 0x00cf93000000ffff);
        model_memory_put(0x8000, 0x10);
        v->regs.seg[SEG_SS].limit = down ? 0x9000 : 0x8002;
        v->regs.seg[SEG_SS].attributes |= SEG_ATTR_DB | (down ? 4 : 0);
        code("\x17", 1);
        STEP({RUN_STEP, NULL, {.kind = HV_EXIT_EXCEPTION, .exception = {VECTOR_SS, true, 0, 0}}},
             DELIVERED(enter_handler));
        check_done(0x2000, 0x202);
    }
}

/* HAXM-20: MOV SS from memory; what may fault, or is watched by stage 2, is the processor's. */
static void test_haxm20_mov_ss_memory(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_ACCESS, 1, 0x4101};
    static const struct debug_slot watch_next = {true, DEBUG_ACCESS, 2, 0x4102};
    const struct hv_segment *ss = &v->regs.seg[SEG_SS];

    (void)state;
    model_code_bits(v, 16);
    v->regs.cr0 &= ~CR0_PE;
    v->regs.seg[SEG_DS].base = 0x4000;
    v->regs.seg[SEG_DS].limit = 0xffff;
    v->regs.gpr[GPR_RBX] = 0x100;
    v->regs.rflags |= RFLAGS_TF;
    model_memory_put(0x4102, 0xabcd);
    step_soft_only("\x8e\x57\x02", 3);
    check_done(0x1003, 0x302);
    assert_int_equal(ss->selector, 0xabcd);
    assert_int_equal(ss->base, 0xabcd0);
    assert_true(v->interrupt_shadow);
    assert_int_equal(v->event.type, HV_EVENT_NONE); /* the trap waits behind the next one */

    /* One byte of it beyond the limit, or watched; then neither. */
    for (unsigned i = 0; i < 3; i++) {
        setup(NULL);
        model_code_bits(v, 32);
        descriptor_at(0x3010);
        code("\x8e\x17", 2);
        model_memory_put(0x4100, 0x10);
        v->regs.gpr[GPR_RDI] = 0x4100;
        v->regs.seg[SEG_DS].limit = i == 0 ? 0x4100 : 0x4101;
        debug_regs_set_user(0, i == 1 ? &watch : &watch_next);
        if (i == 2) {
            debug_regs_update(v);
            step_soft_only("\x8e\x17", 2);
            assert_int_equal(ss->selector, 0x10);
            break;
        }
        debug_regs_update(v);
        STEP({RUN_STEP, jump, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3)}}});
        check_done(0x1002, 0x202);
    }
}

/* HAXM-20: a descriptor of the LDT that a debug register watches; one of the GDT in its place is
 * not meant. */
static void test_haxm20_mov_ss_local(void **state)
{
    static const struct debug_slot watch = {true, DEBUG_ACCESS, 1, 0x3015};
    const struct hv_segment *ss = &v->regs.seg[SEG_SS];

    (void)state;
    for (unsigned global = 0; global < 2; global++) {
        setup(NULL);
        vcpu_change(v, REGS_TABLES | REGS_SEGMENTS);
        v->regs.gdtr = (struct hv_table){global ? 0x3000 : 0x4000, 0x17};
        v->regs.seg[SEG_LDTR] = (struct hv_segment){
            .attributes = 0x82, .base = global ? 0x4000 : 0x3000, .limit = 0x17};
        model_memory_put(0x3010, 0x00cf92000000ffff);
        model_memory_put(0x4010, 0x00cf92000000ffff);
        v->regs.gpr[GPR_RAX] = 0x14;
        debug_regs_set_user(0, &watch);
        debug_regs_update(v);
        code("\x8e\xd0", 2);
        if (global) {
            step_soft_only("\x8e\xd0", 2);
            assert_int_equal(ss->selector, 0x14);
        } else {
            STEP({RUN_STEP, jump, {.kind = HV_EXIT_DEBUG, .debug = {DR6_B(3) | DR6_B(0)}}});
            assert_int_equal(out.debug.dr6, DR6_B(0));
        }
        check_done(0x1002, 0x202);
    }
}

/*
 * HAXM-20, BP-31: the shadow holds a debug register back, too (SDM vol. 3, "Masking Exceptions and
 * Interrupts When Switching Stacks"): where the processor has to do the MOV SS, the step may be
 * two instructions. RIP tells, nothing of the guest's is lost.
 */
static void two_instructions(struct hv_regs *r)
{
    r->rip += 2;
    pushf(r);
}

static void test_haxm20_mov_ss_late(void **state)
{
    (void)state;
    code("\x8e\xd0\x9c", 3); /* there is no such descriptor */
    STEP(DONE(two_instructions));
    check_done(0x1003, 0x202);
    assert_int_equal(out.debug.dr6, 0);
    assert_int_equal(v->event.type, HV_EVENT_NONE);
    assert_int_equal(*model_memory(v->regs.gpr[GPR_RSP] + 1), 0x02); /* no TF in what was pushed */
    /* The guest's own TF traps behind the second. */
    setup(NULL);
    code("\x8e\xd0\x9c", 3);
    v->regs.rflags |= RFLAGS_TF;
    STEP(DONE(two_instructions));
    check_done(0x1003, 0x302);
    assert_int_equal(*model_memory(v->regs.gpr[GPR_RSP] + 1), 0x03);
    assert_int_equal(v->event.vector, VECTOR_DB);
    assert_int_equal(v->debug_regs.dr6, DR6_RESET | DR6_BS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_dr9_btf, setup),
        cmocka_unit_test_setup(test_dr9_wrmsr, setup),
        cmocka_unit_test_setup(test_haxm20_shadows, setup),
        cmocka_unit_test_setup(test_haxm20_sti, setup),
        cmocka_unit_test_setup(test_haxm20_mov_ss, setup),
        cmocka_unit_test_setup(test_haxm20_mov_ss_memory, setup),
        cmocka_unit_test_setup(test_haxm20_mov_ss_local, setup),
        cmocka_unit_test_setup(test_haxm20_mov_ss_late, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
