/*
 * core/step.c on a backend that follows a script: what its tests share. Include it once, after
 * cmocka.h.
 */
#ifndef TESTS_UNIT_STEP_SCRIPT_H
#define TESTS_UNIT_STEP_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/step.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/script.h"

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (struct cpuid_result){leaf, subleaf, 0, 0};
}

static struct vcpu *v;
static struct hv_exit out;

HV_UNUSED static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    v->regs.rflags = RFLAGS_ONE | RFLAGS_IF;
    return 0;
}

#define STEP(...) SCRIPT(core_step(v, &out), __VA_ARGS__)

HV_UNUSED static void code(const char *bytes, size_t size)
{
    memcpy(model_memory(v->regs.rip), bytes, size);
}

/* What the guest's instructions do; RFLAGS has our TF in it meanwhile, as it would. */
HV_UNUSED static void nop(struct hv_regs *r)
{
    r->rip++;
}

HV_UNUSED static void pushf(struct hv_regs *r)
{
    r->rip++;
    r->gpr[GPR_RSP] -= 8;
    model_memory_put(r->gpr[GPR_RSP], r->rflags);
}

HV_UNUSED static void popf_0x202(struct hv_regs *r)
{
    r->rip++;
    r->rflags = 0x202;
}

HV_UNUSED static void popf_tf(struct hv_regs *r)
{
    r->rip++;
    r->rflags = 0x302;
}

HV_UNUSED static void enter_handler(struct hv_regs *r)
{
    r->gpr[GPR_RSP] -= 24;
    model_memory_put(r->gpr[GPR_RSP] + 16, r->rflags);
    r->rip = 0x2000;
    r->rflags &= ~(RFLAGS_TF | RFLAGS_RF);
}

HV_UNUSED static void check_done(uint64_t rip, uint64_t rflags)
{
    assert_int_equal(out.kind, HV_EXIT_STEP);
    assert_int_equal(v->regs.rip, rip);
    assert_int_equal(v->regs.rflags, rflags);
}

#endif
