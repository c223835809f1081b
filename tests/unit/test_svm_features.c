/* svm/features.c: which AMD processors are taken, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "svm/features.h"

#define EXTENDED 0x80000000U
#define FEATURES 0x80000001U
#define SVM_LEAF 0x8000000aU
#define VM_CR    0xc0010114U
enum { SVM = 1 << 2, NPT = 1, ALL = 0xeb };

/* A processor as an EPYC is; each test spoils it. */
static struct {
    uint32_t highest, ecx, asids, svm_edx;
    bool has_vm_cr;
    uint64_t vm_cr;
} processor;

static int setup(void **state)
{
    (void)state;
    processor.highest = 0x8000001f;
    processor.ecx = SVM;
    processor.asids = 32768;
    processor.svm_edx = ALL;
    processor.has_vm_cr = true;
    processor.vm_cr = 0;
    return 0;
}

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    if (leaf == EXTENDED)
        return (struct cpuid_result){.eax = processor.highest};
    assert_true(leaf <= processor.highest);
    if (leaf == FEATURES)
        return (struct cpuid_result){.ecx = processor.ecx};
    assert_int_equal(leaf, SVM_LEAF);
    return (struct cpuid_result){.eax = 1, .ebx = processor.asids, .edx = processor.svm_edx};
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, VM_CR);
    assert_true(processor.ecx & SVM); /* others need not have it */
    *value = processor.vm_cr;
    return processor.has_vm_cr;
}

static const char *why(void)
{
    struct svm_features f = svm_features_read();

    return svm_features_refusal(&f);
}

static void test_taken(void **state)
{
    char text[128];
    struct svm_features f = svm_features_read();

    (void)state;
    assert_null(svm_features_refusal(&f));
    svm_features_text(&f, text, sizeof(text));
    assert_string_equal(text,
                        "NPT, 32768 ASIDs, LBR virtualization, nRIP, clean bits, flush by ASID, "
                        "decode assists");
    processor.svm_edx = NPT;
    processor.asids = 4;
    processor.has_vm_cr = false;
    f = svm_features_read();
    assert_null(svm_features_refusal(&f));
    svm_features_text(&f, text, sizeof(text));
    assert_string_equal(text, "NPT, 4 ASIDs");
}

/* Off in the firmware's setup, with or without a key. */
static void test_off_in_firmware(void **state)
{
    (void)state;
    for (unsigned lock = 0; lock <= 8; lock += 8) {
        processor.vm_cr = 1 << 4 | lock;
        assert_string_equal(why(), "AMD SVM is disabled (VM_CR.SVMDIS): enable \"SVM Mode\" or "
                                   "\"Virtualization\" in the firmware's setup.");
        processor.vm_cr = lock;
        assert_null(why());
    }
    processor.vm_cr = 1 << 4;
    processor.has_vm_cr = false; /* what a failed read leaves does not count */
    assert_null(why());
}

static void test_missing(void **state)
{
    (void)state;
    processor.svm_edx = ALL & ~NPT;
    assert_non_null(strstr(why(), "nested paging (NPT)"));
    setup(NULL);
    processor.asids = 3;
    assert_non_null(strstr(why(), "fewer than 4"));
    setup(NULL);
    processor.ecx = ~(uint32_t)SVM;
    assert_non_null(strstr(why(), "has no AMD SVM"));
    setup(NULL);
    processor.highest = 0x80000008; /* the leaf that tells is not there */
    assert_non_null(strstr(why(), "has no AMD SVM"));
    processor.highest = 0;
    assert_non_null(strstr(why(), "has no AMD SVM"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_taken, setup),
        cmocka_unit_test_setup(test_off_in_firmware, setup),
        cmocka_unit_test_setup(test_missing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
