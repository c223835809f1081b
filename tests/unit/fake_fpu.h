/*
 * The processor's x87, SSE and AVX registers as a model: what FXSAVE, XSAVE and their opposites
 * move. Include it once, after cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_FPU_H
#define TESTS_UNIT_FAKE_FPU_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"

enum { FPU_LEGACY = 512, FPU_AVX = 832, FPU_XSTATE_BV = 512 };

static struct {
    uint8_t bytes[FPU_AVX];
    bool avx;      /* the processor has it, */
    uint64_t xcr0; /* and this the guest has enabled */
    unsigned saves, restores;
} fpu;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    if (leaf == 0) /* no leaf 7 */
        return (struct cpuid_result){1, 0, 0, 0};
    assert_int_equal(leaf, 1);
    return (struct cpuid_result){0, 0, fpu.avx ? 1U << 26 | 1U << 28 : 0, 0};
}

uint64_t model_read_register(const char *name)
{
    if (!strcmp(name, "tsc"))
        return 1000;
    assert_string_equal(name, "xcr0");
    assert_true(fpu.avx); /* else XGETBV is #UD */
    return fpu.xcr0;
}

/* A mask only where XSAVE may be used, and only what the guest has enabled. */
static size_t fpu_moved(uint64_t mask)
{
    assert_true(mask == 0 || (fpu.avx && (mask & ~fpu.xcr0) == 0));
    return mask ? FPU_AVX : FPU_LEGACY;
}

void model_fpu_save(void *area, uint64_t mask)
{
    assert_int_equal((uintptr_t)area % (mask ? 64 : 16), 0);
    memcpy(area, fpu.bytes, fpu_moved(mask));
    fpu.saves++;
}

/* XRSTOR takes only the parts whose bit is set in XSTATE_BV. */
void model_fpu_restore(const void *area, uint64_t mask)
{
    const uint8_t *from = area;
    size_t size = fpu_moved(mask);

    memcpy(fpu.bytes, from, FPU_LEGACY);
    if (size == FPU_AVX) {
        assert_int_equal(from[FPU_XSTATE_BV] & 3, 3);
        if (from[FPU_XSTATE_BV] & 4)
            memcpy(fpu.bytes + FPU_LEGACY, from + FPU_LEGACY, size - FPU_LEGACY);
    }
    fpu.restores++;
}

#endif
