/* svm/state.c, svm/bitmaps.c, svm/features.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "svm/bitmaps.h"
#include "svm/features.h"
#include "svm/state.h"

static struct vmcb vmcb;
static struct hv_regs from, to;

/* Every byte of the registers its own random value, within what the VMCB holds. */
static int setup(void **state)
{
    (void)state;
    srand(3);
    for (size_t i = 0; i < sizeof(from); i++)
        ((uint8_t *)&from)[i] = (uint8_t)rand();
    for (unsigned i = 0; i < SEG_COUNT; i++)
        from.seg[i].attributes &= 0xfff;
    from.efer &= ~EFER_SVME;
    memset(&vmcb, 0, sizeof(vmcb));
    vmcb.save.efer = EFER_SVME;
    memset(&to, 0, sizeof(to));
    return 0;
}

static void check_segments(void)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        assert_int_equal(to.seg[i].selector, from.seg[i].selector);
        assert_int_equal(to.seg[i].attributes, from.seg[i].attributes);
        assert_int_equal(to.seg[i].limit, from.seg[i].limit);
        assert_int_equal(to.seg[i].base, from.seg[i].base);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    svm_state_commit(&vmcb, REGS_ALL | REGS_PAT, &from);
    svm_state_fetch(&vmcb, REGS_ALL | REGS_PAT, &to);
    check_segments();
    assert_int_equal(to.gdtr.base, from.gdtr.base);
    assert_int_equal(to.gdtr.limit, from.gdtr.limit);
    assert_int_equal(to.idtr.base, from.idtr.base);
    assert_int_equal(to.idtr.limit, from.idtr.limit);
    assert_int_equal(to.cr0, from.cr0);
    assert_int_equal(to.cr2, from.cr2);
    assert_int_equal(to.cr3, from.cr3);
    assert_int_equal(to.cr4, from.cr4);
    assert_int_equal(to.efer, from.efer);
    assert_memory_equal(&to.star, &from.star, sizeof(to) - offsetof(struct hv_regs, star));
    assert_int_equal(to.cr8, 0); /* the caller's */
    /* In the VMCB's own places. */
    assert_int_equal(vmcb.save.cs.base, from.seg[SEG_CS].base);
    assert_int_equal(vmcb.save.tr.selector, from.seg[SEG_TR].selector);
    assert_int_equal(vmcb.save.ldtr.limit, from.seg[SEG_LDTR].limit);
}

/* Groups that were not asked for are not touched, and only what changed is stale. */
static void test_groups(void **state)
{
    static const struct {
        unsigned group, stale;
    } cases[] = {
        {REGS_SEGMENTS, SVM_CLEAN_SEG},
        {REGS_TABLES, SVM_CLEAN_DT},
        {REGS_CONTROL, SVM_CLEAN_CR | SVM_CLEAN_CR2},
        {REGS_SYSCALL, 0},
        {REGS_PAT, SVM_CLEAN_NP},
        {0, 0},
    };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        setup(NULL);
        assert_int_equal(svm_state_commit(&vmcb, cases[i].group, &from), cases[i].stale);
        svm_state_fetch(&vmcb, REGS_ALL | REGS_PAT, &to);
        assert_int_equal(to.seg[SEG_SS].base != 0, cases[i].group == REGS_SEGMENTS);
        assert_int_equal(to.gdtr.base != 0, cases[i].group == REGS_TABLES);
        assert_int_equal(to.cr3 != 0, cases[i].group == REGS_CONTROL);
        assert_int_equal(to.lstar != 0, cases[i].group == REGS_SYSCALL);
        assert_int_equal(to.pat != 0, cases[i].group == REGS_PAT);
        memset(&to, 0, sizeof(to));
        svm_state_fetch(&vmcb, REGS_ALL & ~cases[i].group, &to);
        assert_true(to.seg[SEG_SS].base == 0 && to.gdtr.base == 0 && to.cr3 == 0 && to.lstar == 0);
        assert_int_equal(to.pat, 0);
    }
}

/* USER-11: EFER.SVME is never seen, and always set for VMRUN, however it got lost. */
static void test_user11_svme(void **state)
{
    (void)state;
    assert_int_equal(svm_state_commit(&vmcb, REGS_CONTROL, &from) & SVM_CLEAN_CR, SVM_CLEAN_CR);
    assert_int_equal(vmcb.save.efer, from.efer | EFER_SVME);
    svm_state_fetch(&vmcb, REGS_CONTROL, &to);
    assert_int_equal(to.efer, from.efer);
    vmcb.save.efer = EFER_LMA;
    assert_int_equal(svm_state_commit(&vmcb, 0, &from), SVM_CLEAN_CR);
    assert_int_equal(vmcb.save.efer, EFER_LMA | EFER_SVME);
}

/* The CPL that VMRUN wants: by mode, then SS.DPL. */
static void test_cpl(void **state)
{
    (void)state;
    for (unsigned dpl = 0; dpl < 4; dpl++) {
        setup(NULL);
        from.seg[SEG_SS].attributes = (uint16_t)(0x93 | dpl << SEG_ATTR_DPL_SHIFT);
        from.cr0 = CR0_PE;
        svm_state_commit(&vmcb, REGS_ALL, &from);
        assert_int_equal(vmcb.save.cpl, dpl);
        vmcb.save.rflags = RFLAGS_VM;
        svm_state_commit(&vmcb, REGS_SEGMENTS, &from);
        assert_int_equal(vmcb.save.cpl, 3);
        from.cr0 = 0;
        vmcb.save.rflags = 0;
        svm_state_commit(&vmcb, REGS_CONTROL, &from);
        assert_int_equal(vmcb.save.cpl, 0);
    }
}

static uint8_t msrpm[SVM_MSRPM_SIZE + 16];

static unsigned bits_set(const uint8_t *map, size_t size)
{
    unsigned count = 0;

    for (size_t i = 0; i < size; i++)
        count += (unsigned)__builtin_popcount(map[i]);
    return count;
}

/* APM vol. 2, "MSR Intercepts": two bits each, in three ranges of 2 KiB. */
static void test_msr_bitmap(void **state)
{
    const struct msr_row rows[] = {{0, 0, 1},
                                   {0x1fff, 0x2000, 3}, /* the second has no bit */
                                   {0xc0000080, 0xc0000080, 3},
                                   {0xc0010114, 0xc0010117, 2},
                                   {0x80000000, 0x80000010, 3}};

    (void)state;
    msrpm[SVM_MSRPM_SIZE] = 0xaa;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(rows); i++)
        svm_msrpm_add(msrpm, &rows[i], true);
    assert_int_equal(msrpm[0], 1);
    assert_int_equal(msrpm[0x7ff], 0xc0);
    assert_int_equal(msrpm[0x800 + 0x80 / 4], 3);
    assert_int_equal(msrpm[0x1000 + 0x114 / 4], 0xaa);
    assert_int_equal(bits_set(msrpm, SVM_MSRPM_SIZE), 1 + 2 + 2 + 4);
    assert_int_equal(msrpm[SVM_MSRPM_SIZE], 0xaa);
}

/* The processor of the features' tests. */
static uint32_t max_leaf, ext_ecx, svm_edx, svm_asids;
static uint64_t vm_cr;
static bool vm_cr_there;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = {0, 0, 0, 0};

    (void)subleaf;
    if (leaf == 0x80000000)
        r.eax = max_leaf;
    else if (leaf == 0x80000001)
        r.ecx = ext_ecx;
    else if (leaf == 0x8000000a && max_leaf >= leaf)
        r = (struct cpuid_result){1, svm_asids, 0, svm_edx};
    return r;
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, MSR_VM_CR);
    *value = vm_cr;
    return vm_cr_there;
}

static int features_setup(void **state)
{
    (void)state;
    max_leaf = 0x8000001f;
    ext_ecx = 4;
    svm_edx = 0xe9;
    svm_asids = 32768;
    vm_cr = 0;
    vm_cr_there = true;
    return 0;
}

static const char *refusal(void)
{
    struct svm_features f = svm_features_read();

    return svm_features_refusal(&f);
}

/* One clear sentence each, that says what is missing or what to do. */
static void test_refusals(void **state)
{
    (void)state;
    assert_null(refusal());
    ext_ecx = ~4U;
    assert_non_null(strstr(refusal(), "no AMD SVM"));
    features_setup(NULL);
    max_leaf = 0x80000008;
    assert_non_null(strstr(refusal(), "no AMD SVM"));
    features_setup(NULL);
    vm_cr = 0x10;
    assert_non_null(strstr(refusal(), "VM_CR.SVMDIS"));
    assert_non_null(strstr(refusal(), "firmware"));
    vm_cr = 0x08; /* locked, and enabled */
    assert_null(refusal());
    vm_cr = 0x10;
    vm_cr_there = false; /* the MSR itself is optional */
    assert_null(refusal());
    features_setup(NULL);
    svm_edx = 0xe8;
    assert_non_null(strstr(refusal(), "NPT"));
    features_setup(NULL);
    svm_asids = 3;
    assert_non_null(strstr(refusal(), "ASID"));
    svm_asids = 4;
    assert_null(refusal());
    svm_edx = 1; /* nothing optional is needed */
    assert_null(refusal());
}

static void test_text(void **state)
{
    char text[100];
    struct svm_features f = svm_features_read();

    (void)state;
    assert_true(f.nrip && f.clean_bits && f.flush_by_asid && f.decode_assists);
    svm_features_text(&f, text, sizeof(text));
    assert_string_equal(text, "NPT, 32768 ASIDs, nRIP, clean bits, flush by ASID, decode assists");
    svm_edx = 1 | 1 << 5;
    svm_asids = 16;
    f = svm_features_read();
    assert_int_equal(svm_features_text(&f, text, sizeof(text)), 25);
    assert_string_equal(text, "NPT, 16 ASIDs, clean bits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_trip, setup),
        cmocka_unit_test_setup(test_groups, setup),
        cmocka_unit_test_setup(test_user11_svme, setup),
        cmocka_unit_test_setup(test_cpl, setup),
        cmocka_unit_test(test_msr_bitmap),
        cmocka_unit_test_setup(test_refusals, features_setup),
        cmocka_unit_test_setup(test_text, features_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
