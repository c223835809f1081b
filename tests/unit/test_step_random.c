/*
 * Random code on a small model of a processor, run freely and stepped: the same instructions in the
 * same order, the same registers, the same memory (BP-31, WHPX-4, -5, -8, -10, -11, HAXM-18, GEN-1,
 * GEN-4). The model knows what TF does: a trap behind each instruction, one later behind MOV SS,
 * taken out on the way to a handler, loaded by POPF, IRET and SYSRET, kept by PUSHF and SYSCALL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/step.h"
#include "core/step_trap.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum {
    CODE = 0x1000,
    CODE_MOST = 64, /* instructions; all that goes anywhere goes forwards or comes back */
    HANDLERS = 0x2000,
    SYSCALL_ENTRY = 0x2800,
    STACK = 0x8000,
    STACK_LOW = 0x7000,
    STEPS = 300,
    ROUNDS = 3000
};

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    const uint32_t vmx = 1 << 5; /* of leaf 1, hidden from the guest */

    return (struct cpuid_result){leaf + 1, 2, (subleaf + 3) & ~vmx, 4};
}

/* ---- the processor ------------------------------------------------------------------------------
 */

enum outcome { DONE, FAULT_UD, SOFT, TRAP_INT1, EXITS_CPUID };

static struct vcpu *v;
static uint8_t soft_vector, soft_length;

static uint64_t get(uint64_t address)
{
    uint64_t value;
    memcpy(&value, model_memory(address), sizeof(value));
    return value;
}

static void push(struct hv_regs *r, uint64_t value)
{
    model_memory_put(r->gpr[GPR_RSP] -= 8, value);
}

static uint64_t pop(struct hv_regs *r)
{
    uint64_t value = get(r->gpr[GPR_RSP]);
    r->gpr[GPR_RSP] += 8;
    return value;
}

/* What POPF and IRET may load here, and PUSHF shows: CF, ZF, TF, IF and the bit that is always 1.
 */
static uint64_t flags_of(uint64_t image)
{
    return (image & (0x41 | RFLAGS_TF | RFLAGS_IF)) | RFLAGS_ONE;
}

static void deliver(struct hv_regs *r, uint8_t vector, uint64_t back)
{
    uint64_t old = r->gpr[GPR_RSP];

    r->gpr[GPR_RSP] &= ~0xfULL;
    push(r, 0); /* SS */
    push(r, old);
    push(r, r->rflags);
    push(r, 0); /* CS */
    push(r, back);
    r->rflags &= ~(RFLAGS_TF | RFLAGS_RF | RFLAGS_IF);
    r->rip = HANDLERS + 16U * vector;
}

static void iret(struct hv_regs *r)
{
    r->rip = pop(r);
    pop(r);
    uint64_t image = pop(r);
    r->rflags = flags_of(image) | (image & RFLAGS_RF);
    r->gpr[GPR_RSP] = pop(r);
}

static enum outcome soft(uint8_t vector, uint8_t length)
{
    soft_vector = vector;
    soft_length = length;
    return SOFT;
}

static void syscall(struct hv_regs *r)
{
    r->gpr[GPR_RCX] = r->rip;
    r->gpr[GPR_R11] = r->rflags;
    r->rip = r->lstar;
    r->rflags &= ~r->sfmask;
}

static enum outcome two_bytes(struct hv_regs *r, uint8_t opcode)
{
    r->rip += 2;
    switch (opcode) {
    case 0x05:
        syscall(r);
        return DONE;
    case 0xa2:
        r->rip -= 2;
        return EXITS_CPUID;
    default:
        r->rip -= 2;
        return FAULT_UD;
    }
}

/* IRETQ, ADD QWORD [RSP], imm8, SYSRETQ. */
static void rex_w(struct hv_regs *r, const uint8_t *code)
{
    if (code[1] == 0xcf) {
        iret(r);
    } else if (code[1] == 0x83) {
        model_memory_put(r->gpr[GPR_RSP], get(r->gpr[GPR_RSP]) + code[4]);
        r->rip += 5;
    } else {
        r->rip = r->gpr[GPR_RCX];
        r->rflags = flags_of(r->gpr[GPR_R11]);
    }
}

/* The instruction at RIP; RIP stays where it is unless it is DONE. */
static enum outcome execute(struct hv_regs *r)
{
    const uint8_t *code = model_memory(r->rip);

    r->rflags &= ~RFLAGS_RF;
    switch (code[0]) {
    case 0x0f:
        return two_bytes(r, code[1]);
    case 0xcc:
        return soft(3, 1);
    case 0xcd:
        return soft(code[1], 2);
    case 0xf1:
        return TRAP_INT1;
    case 0x48:
        rex_w(r, code);
        return DONE;
    case 0xeb:
        r->rip += 2U + code[1];
        return DONE;
    case 0x68: /* push imm32 */
        push(r, code[1] | (uint64_t)code[2] << 8);
        r->rip += 5;
        return DONE;
    case 0x8e:
        r->rip += 2;
        return DONE;
    default:
        break;
    }
    r->rip++;
    switch (code[0]) {
    case 0x90:
        break;
    case 0x9c:
        push(r, r->rflags);
        break;
    case 0x9d:
        r->rflags = flags_of(pop(r));
        break;
    case 0x50:
        push(r, r->gpr[GPR_RAX]);
        break;
    case 0x58:
        r->gpr[GPR_RAX] = pop(r);
        break;
    case 0xf8:
        r->rflags &= ~RFLAGS_CF;
        break;
    case 0xf9:
        r->rflags |= RFLAGS_CF;
        break;
    case 0xfa:
        r->rflags &= ~RFLAGS_IF;
        break;
    case 0xfb:
        r->rflags |= RFLAGS_IF;
        break;
    default:
        r->rip--;
        return FAULT_UD;
    }
    return DONE;
}

static bool is(const struct hv_regs *r, const char *bytes, size_t size)
{
    return memcmp(model_memory(r->rip), bytes, size) == 0;
}

/* Whether TF traps behind what is at RIP: by the TF it leaves, or never here, or by what was. */
static bool traps_behind(const struct hv_regs *before, const struct hv_regs *after)
{
    if (is(before, "\x0f\x05", 2) || is(before, "\x48\x0f\x07", 3))
        return after->rflags & RFLAGS_TF;
    return !is(before, "\x8e", 1) && (before->rflags & RFLAGS_TF);
}

/* ---- free, and stepped --------------------------------------------------------------------------
 */

static uint64_t free_path[STEPS], stepped_path[STEPS];

static bool is_over(const struct hv_regs *r)
{
    return is(r, "\xf4", 1) || r->gpr[GPR_RSP] < STACK_LOW;
}

static unsigned run_freely(void)
{
    struct hv_regs *r = &v->regs;
    unsigned n;

    for (n = 0; n < STEPS && !is_over(r); n++) {
        struct hv_regs before = *r;
        struct cpuid_result c;

        free_path[n] = r->rip;
        switch (execute(r)) {
        case DONE:
            break;
        case EXITS_CPUID:
            c = model_cpuid((uint32_t)r->gpr[GPR_RAX], (uint32_t)r->gpr[GPR_RCX]);
            r->gpr[GPR_RAX] = c.eax;
            r->gpr[GPR_RBX] = c.ebx;
            r->gpr[GPR_RCX] = c.ecx;
            r->gpr[GPR_RDX] = c.edx;
            r->rip += 2;
            break;
        case FAULT_UD:
            r->rflags |= RFLAGS_RF;
            deliver(r, VECTOR_UD, r->rip);
            continue;
        case SOFT:
            deliver(r, soft_vector, r->rip + soft_length);
            continue;
        case TRAP_INT1:
            deliver(r, VECTOR_DB, r->rip + 1);
            continue;
        }
        if (traps_behind(&before, r)) {
            v->debug_regs.dr6 |= DR6_BS;
            deliver(r, VECTOR_DB, r->rip);
        }
    }
    return n;
}

/* The backend: one entry of the model, with everything trapped that a step traps. */
static void enter(struct vcpu *cpu, enum hv_run_mode mode, struct hv_exit *exit)
{
    struct hv_regs *r = &cpu->regs, before = *r;

    *exit = (struct hv_exit){.kind = HV_EXIT_DEBUG};
    if (mode == RUN_TO_FETCH) {
        deliver(r, cpu->event.vector, r->rip + cpu->event.insn_length);
        cpu->event = (struct hv_event){.type = HV_EVENT_NONE};
        exit->kind = HV_EXIT_FETCH;
        return;
    }
    switch (execute(r)) {
    case DONE:
        if (traps_behind(&before, r))
            exit->debug.dr6 = DR6_BS;
        else if (cpu->live_dr7 & DR7_G(3) && cpu->live_dr[3] == r->rip)
            exit->debug.dr6 = DR6_B(3);
        else
            fail_msg("nothing ends the step of %02x", *model_memory(before.rip));
        return;
    case EXITS_CPUID:
        exit->kind = HV_EXIT_CPUID;
        break;
    case FAULT_UD:
        exit->kind = HV_EXIT_EXCEPTION;
        exit->exception.vector = VECTOR_UD;
        break;
    case SOFT:
        exit->kind = soft_length == 1 ? HV_EXIT_BREAKPOINT : HV_EXIT_SOFT_INT;
        exit->soft_int.vector = soft_vector;
        exit->insn_length = soft_length;
        break;
    case TRAP_INT1:
        exit->kind = HV_EXIT_ICEBP;
        break;
    }
    r->rflags = before.rflags; /* it has not run */
}

static void fetch(struct vcpu *cpu, unsigned groups)
{
    (void)cpu;
    (void)groups;
}

static unsigned run_stepped(void)
{
    static const struct hv_backend model = {
        .run = enter, .step = core_step_by_trap, .fetch = fetch};
    struct hv_exit exit;
    unsigned n = 0;

    hv_backend = &model;
    while (n < STEPS && !(v->event.type == HV_EVENT_NONE && is_over(&v->regs))) {
        if (v->event.type == HV_EVENT_NONE) /* else the instruction there waits */
            stepped_path[n++] = v->regs.rip;
        core_step(v, &exit);
        assert_true(!(v->regs.rflags & RFLAGS_TF) || exit.kind != HV_EXIT_FETCH);
        if (exit.kind == HV_EXIT_BREAKPOINT) { /* the guest's own, as debug/judge.c has it */
            vcpu_raise_soft(v, VECTOR_BP, 1);
        } else if (exit.kind == HV_EXIT_ICEBP) {
            vcpu_skip(v, 1);
            vcpu_raise(v, VECTOR_DB);
        } else {
            assert_int_equal(exit.kind, HV_EXIT_STEP);
        }
    }
    while (v->event.type != HV_EVENT_NONE)
        core_step(v, &exit);
    return n;
}

/* ---- random code --------------------------------------------------------------------------------
 */

static uint32_t seed;

static uint32_t next(uint32_t bound)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % bound;
}

static const struct {
    const char *bytes;
    uint8_t size;
} pieces[] = {
    {"\x90", 1},
    {"\x9c", 1},
    {"\x50", 1},
    {"\x58", 1},
    {"\xf8", 1},
    {"\xf9", 1},
    {"\xfa", 1},
    {"\xfb", 1},
    {"\x0f\xa2", 2},
    {"\xcc", 1},
    {"\xcd\x30", 2},
    {"\xcd\x03", 2},
    {"\xf1", 1},
    {"\xeb\x00", 2},
    {"\x0f\x05", 2},
    {"\x8e\xd0", 2},
    {"\x0f\x0b", 2},
    {"\x9c\x9d", 2},
    {"\x68\x02\x02\x00\x00\x9d", 6}, /* POPF: TF off */
    {"\x68\x02\x03\x00\x00\x9d", 6}, /* POPF: TF on */
    {"\x68\x43\x01\x00\x00\x9d", 6}, /* and IF off */
    {"\x9c\x58\x50\x9d", 4},
};

/* Registers, handlers that return, and code from the seed. */
static void make(uint32_t from)
{
    uint8_t *code;

    seed = from;
    v = model_backend_reset();
    vcpu_change(v, REGS_ALL);
    v->regs.lstar = SYSCALL_ENTRY;
    v->regs.sfmask = next(2) ? RFLAGS_TF | RFLAGS_IF : 0;
    v->regs.rip = CODE;
    v->regs.gpr[GPR_RSP] = STACK;
    v->regs.rflags = next(4) ? RFLAGS_ONE : RFLAGS_ONE | RFLAGS_TF;
    v->regs.gdtr = (struct hv_table){0, 0};
    for (unsigned vector = 0; vector < 0x40; vector++) {
        code = model_memory(HANDLERS + 16 * vector);
        memcpy(code, "\x9c\x58\x48\xcf", 4); /* PUSHF, POP RAX, IRETQ */
    }
    /* #UD goes on behind UD2, where RF is still set. */
    memcpy(model_memory(HANDLERS + 16 * VECTOR_UD), "\x48\x83\x04\x24\x02\x9c\x58\x48\xcf", 9);
    memcpy(model_memory(SYSCALL_ENTRY), "\x9c\x58\x90\x48\x0f\x07", 6);
    code = model_memory(CODE);
    for (unsigned n = 0, count = 4 + next(CODE_MOST - 4); n < count; n++) {
        unsigned piece = next(HV_ARRAY_SIZE(pieces));
        memcpy(code, pieces[piece].bytes, pieces[piece].size);
        code += pieces[piece].size;
    }
    *code = 0xf4;
}

static void test_random(void **state)
{
    static uint8_t memory[STACK - STACK_LOW];
    unsigned total = 0;

    (void)state;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        make(round);
        unsigned count = run_freely();
        struct hv_regs end = v->regs;
        uint64_t dr6 = v->debug_regs.dr6;
        memcpy(memory, model_memory(STACK_LOW), sizeof(memory));
        total += count;

        make(round);
        unsigned stepped = run_stepped();
        for (unsigned n = 0; n < count && n < stepped; n++) {
            if (free_path[n] != stepped_path[n])
                fail_msg("round %u, instruction %u at %x, not %x", round, n,
                         (unsigned)stepped_path[n], (unsigned)free_path[n]);
        }
        assert_int_equal(stepped, count);
        assert_memory_equal(end.gpr, v->regs.gpr, sizeof(end.gpr));
        assert_int_equal(v->regs.rip, end.rip);
        assert_int_equal(v->regs.rflags, end.rflags);
        assert_int_equal(v->debug_regs.dr6, dr6);
        assert_memory_equal(memory, model_memory(STACK_LOW), sizeof(memory));
    }
    assert_true(total > 20 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
