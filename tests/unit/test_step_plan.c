/* arch/x86/step_plan.c: what stepping by TF needs, and TF's repair afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "arch/x86/step_plan.h"
#include "hv/compiler.h"

static struct step_plan plan_of(const char *hex, enum x86_bits bits, bool long_mode)
{
    uint8_t bytes[16];
    size_t count = 0;
    unsigned byte;
    struct x86_insn insn;
    int used;

    while (sscanf(hex, "%2x%n", &byte, &used) == 1) {
        bytes[count++] = (uint8_t)byte;
        hex += used;
    }
    assert_int_equal(x86_decode(bytes, count, bits, &insn), HV_OK);
    assert_int_equal(insn.length, count);
    return step_plan_make(&insn, long_mode);
}

static const struct {
    const char *hex;
    enum x86_bits bits;
    enum step_class kind;
} classes[] = {
    {"90", X86_64, STEP_PLAIN},
    {"f390", X86_64, STEP_PLAIN}, /* pause */
    {"9f", X86_64, STEP_PLAIN},   /* LAHF and SAHF do not move TF (WHPX-5's correction) */
    {"9e", X86_64, STEP_PLAIN},
    {"fa", X86_64, STEP_PLAIN}, /* cli */
    {"9c", X86_64, STEP_PUSHF},
    {"669c", X86_16, STEP_PUSHF},
    {"9d", X86_32, STEP_POPF},
    {"cf", X86_16, STEP_IRET},
    {"48cf", X86_64, STEP_IRET},
    {"0faa", X86_64, STEP_RSM},
    {"cd80", X86_32, STEP_INT_N},
    {"cd03", X86_64, STEP_INT_N},
    {"cc", X86_64, STEP_INT3},
    {"2ecc", X86_32, STEP_INT3},
    {"ce", X86_32, STEP_INTO},
    {"f1", X86_64, STEP_ICEBP},
    {"fb", X86_64, STEP_STI},
    {"8ed0", X86_64, STEP_MOV_SS},
    {"448ed0", X86_64, STEP_MOV_SS}, /* REX.R means nothing for segment registers */
    {"8e16 3412", X86_16, STEP_MOV_SS},
    {"8ed8", X86_64, STEP_PLAIN}, /* mov ds */
    {"8cd0", X86_64, STEP_PLAIN}, /* mov from ss */
    {"17", X86_16, STEP_MOV_SS},
    {"1f", X86_16, STEP_PLAIN},
    {"0fb2 00", X86_32, STEP_PLAIN}, /* lss has no shadow */
    {"f4", X86_64, STEP_HLT},
    {"0f01c9", X86_64, STEP_MWAIT},
    {"0f01fb", X86_64, STEP_MWAIT},
    {"0f01c8", X86_64, STEP_PLAIN}, /* monitor */
    {"0f01f8", X86_64, STEP_PLAIN}, /* swapgs */
    {"0f30", X86_64, STEP_WRMSR},
    {"0f01c6", X86_64, STEP_WRMSR}, /* wrmsrns */
    {"0f34", X86_64, STEP_SYSENTER},
    {"0f35", X86_64, STEP_SYSEXIT},
    {"f3a4", X86_64, STEP_REP_STRING},
    {"f348ab", X86_64, STEP_REP_STRING},
    {"f2ae", X86_64, STEP_REP_STRING},
    {"f36c", X86_64, STEP_REP_STRING},
    {"f3676f", X86_16, STEP_REP_STRING},
    {"a4", X86_64, STEP_PLAIN},
    {"f3a8 00", X86_64, STEP_PLAIN}, /* test al, not a string instruction */
    {"f3c3", X86_64, STEP_PLAIN},
    {"ea 007c0000", X86_16, STEP_FAR},
    {"9a 00000000 1000", X86_32, STEP_FAR},
    {"cb", X86_64, STEP_FAR},
    {"48cb", X86_64, STEP_FAR},
    {"ca 0400", X86_64, STEP_FAR},
    {"ff18", X86_64, STEP_FAR},
    {"ff28", X86_64, STEP_FAR},
    {"ffd8", X86_64, STEP_PLAIN}, /* undefined */
    {"ff10", X86_64, STEP_PLAIN}, /* near */
    {"ffe0", X86_64, STEP_PLAIN},
    {"c5f877", X86_64, STEP_PLAIN},
    {"c4e2799c c1", X86_64, STEP_PLAIN}, /* opcode 9c, not PUSHF */
    {"0f9cc0", X86_64, STEP_PLAIN},
    {"660f38cf c0", X86_64, STEP_PLAIN},
};

static void test_classes(void **state)
{
    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(classes); i++) {
        char hex[40];
        size_t n = 0;
        enum step_class kind;

        for (const char *p = classes[i].hex; *p; p++) {
            if (*p != ' ')
                hex[n++] = *p;
        }
        hex[n] = 0;
        kind = plan_of(hex, classes[i].bits, classes[i].bits == X86_64).kind;
        if (kind != classes[i].kind)
            fail_msg("%s: class %d, not %d", hex, kind, classes[i].kind);
    }
}

/* DR-9: what BTF traps behind. */
static void test_branches(void **state)
{
    static const struct {
        const char *hex;
        uint64_t moved;
        bool branched;
    } cases[] = {
        {"90", 1, false},           {"e800000000", 5, true}, {"e900000000", 5, true},
        {"eb00", 2, true},          {"c3", 1, true},         {"c20800", 3, true},
        {"ffe0", 2, true},          {"ffd0", 2, true},       {"ffc0", 2, false}, /* inc */
        {"7510", 2, false},         {"7510", 18, true},      {"75fe", 0, true},
        {"0f8500000000", 6, false}, {"e2fe", 2, false},      {"f3a4", 0, false},
        {"f3a4", 2, false},         {"48cf", 2, true},       {"ff28", 2, true},
        {"0f05", 0x1234, true},     {"0fc3c1", 3, false},
    };

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        struct step_plan plan = plan_of(cases[i].hex, X86_64, true);
        if (step_branched(&plan, cases[i].moved) != cases[i].branched)
            fail_msg("%s, moved %u", cases[i].hex, (unsigned)cases[i].moved);
    }
}

/* WHPX-8: by which TF the guest's own trap behind an instruction is decided. */
static void test_own_trap(void **state)
{
    const uint64_t tf = RFLAGS_TF;

    (void)state;
    assert_true(step_traps(STEP_PLAIN, tf, tf));
    assert_false(step_traps(STEP_PLAIN, 0, 0));
    assert_false(step_traps(STEP_POPF, 0, tf)); /* behind the next */
    assert_true(step_traps(STEP_POPF, tf, 0));
    assert_true(step_traps(STEP_IRET, tf, 0));
    assert_false(step_traps(STEP_SYSCALL, tf, 0));
    assert_true(step_traps(STEP_SYSCALL, tf, tf));
    assert_true(step_traps(STEP_SYSRET, 0, tf));
    assert_false(step_traps(STEP_SYSRET, tf, 0));
    assert_false(step_traps(STEP_MOV_SS, tf, tf));
    assert_true(step_traps(STEP_SYSENTER, tf, tf));
}

static void test_vectors(void **state)
{
    (void)state;
    assert_int_equal(plan_of("cd80", X86_64, true).vector, 0x80);
    assert_int_equal(plan_of("cdff", X86_64, true).vector, 0xff);
    assert_int_equal(plan_of("cc", X86_64, true).vector, 3);
    assert_int_equal(plan_of("ce", X86_32, false).vector, 4);
    assert_int_equal(plan_of("f1", X86_32, false).vector, 1);
    assert_int_equal(plan_of("90", X86_32, false).vector, 0);
    assert_int_equal(plan_of("2ecc", X86_32, false).length, 2);
}

/* BP-31, WHPX-4: how much of the guest's stack has to be looked at. */
static void test_pushf_image_sizes(void **state)
{
    (void)state;
    assert_int_equal(plan_of("9c", X86_16, false).image_size, 2);
    assert_int_equal(plan_of("669c", X86_16, false).image_size, 4);
    assert_int_equal(plan_of("9c", X86_32, false).image_size, 4);
    assert_int_equal(plan_of("669c", X86_32, true).image_size, 2);
    assert_int_equal(plan_of("9c", X86_64, true).image_size, 8);
    assert_int_equal(plan_of("669c", X86_64, true).image_size, 2);
    assert_int_equal(plan_of("66489c", X86_64, true).image_size, 8);
    assert_int_equal(plan_of("489c", X86_64, true).image_size, 8);
    assert_int_equal(plan_of("9d", X86_64, true).image_size, 0);
    assert_int_equal(plan_of("90", X86_64, true).image_size, 0);
}

static void test_iret_sizes(void **state)
{
    static const uint8_t iret[] = {0x48, 0xcf};
    struct x86_insn insn;

    (void)state;
    assert_int_equal(x86_decode(iret, 2, X86_64, &insn), HV_OK);
    assert_int_equal(step_flags_size(&insn), 8);
    assert_int_equal(x86_decode(iret + 1, 1, X86_64, &insn), HV_OK);
    assert_int_equal(step_flags_size(&insn), 4); /* IRETD, unlike POPF */
    assert_int_equal(x86_decode(iret + 1, 1, X86_16, &insn), HV_OK);
    assert_int_equal(step_flags_size(&insn), 2);
}

/* HAXM-20 and the late traps. */
static void test_guards(void **state)
{
    (void)state;
    assert_true(plan_of("fb", X86_64, true).guard_next);
    assert_true(plan_of("8ed0", X86_64, true).guard_next);
    assert_true(plan_of("17", X86_16, false).guard_next);
    assert_false(plan_of("0fb200", X86_32, false).guard_next);
    assert_false(plan_of("f4", X86_64, true).guard_next);
    assert_true(plan_of("0f05", X86_64, true).guard_target);
    assert_true(plan_of("0f05", X86_32, false).guard_target);
    assert_true(plan_of("480f07", X86_64, true).guard_target);
    assert_false(plan_of("0f07", X86_32, false).guard_target); /* keeps TF */
    assert_false(plan_of("90", X86_64, true).guard_next);
    assert_false(plan_of("90", X86_64, true).guard_target);
}

static void test_syscall_differs_outside_long_mode(void **state)
{
    (void)state;
    assert_int_equal(plan_of("0f05", X86_64, true).kind, STEP_SYSCALL);
    assert_int_equal(plan_of("0f05", X86_32, true).kind, STEP_SYSCALL); /* compatibility mode */
    assert_int_equal(plan_of("0f05", X86_32, false).kind, STEP_SYSCALL_LEGACY);
    assert_true(plan_of("0f05", X86_32, true).repair_r11);
    assert_false(plan_of("0f05", X86_32, false).repair_r11);
    assert_int_equal(plan_of("480f07", X86_64, true).kind, STEP_SYSRET);
    assert_int_equal(plan_of("0f07", X86_32, false).kind, STEP_SYSRET_LEGACY);
}

enum { REST = 0x246 }; /* other flags, which never change here */

static void assert_repair(enum step_class kind, bool before, bool after, bool wanted)
{
    uint64_t flags_before = RFLAGS_ONE | (before ? RFLAGS_TF : 0);
    uint64_t repaired = step_repair_flags(kind, flags_before, REST | (after ? RFLAGS_TF : 0));

    if (repaired != (REST | (wanted ? RFLAGS_TF : 0)))
        fail_msg("class %d, TF %d -> %d: %llx", kind, before, after, (unsigned long long)repaired);
}

/* WHPX-10, WHPX-11: our TF goes; WHPX-8: the guest's own stays. */
static void test_plain_keeps_the_guests_own_tf(void **state)
{
    static const enum step_class kinds[] = {
        STEP_PLAIN,          STEP_PUSHF,    STEP_STI,     STEP_MOV_SS,
        STEP_SYSCALL_LEGACY, STEP_SYSENTER, STEP_SYSEXIT, STEP_REP_STRING,
        STEP_SYSRET_LEGACY,  STEP_FAR,      STEP_HLT,
    };

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(kinds); i++) {
        assert_repair(kinds[i], false, true, false);
        assert_repair(kinds[i], true, true, true);
    }
}

/* WHPX-5, BP-31: POPF, IRET, SYSRET set and clear the guest's TF. */
static void test_loads_of_tf_are_the_guests(void **state)
{
    static const enum step_class kinds[] = {STEP_POPF, STEP_IRET, STEP_SYSRET, STEP_RSM};

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(kinds); i++) {
        assert_repair(kinds[i], false, false, false);
        assert_repair(kinds[i], false, true, true);
        assert_repair(kinds[i], true, false, false);
        assert_repair(kinds[i], true, true, true);
    }
}

/* SYSCALL with TF in SFMASK takes the guest's own TF away, without it leaves it. */
static void test_syscall_masks_tf(void **state)
{
    (void)state;
    assert_repair(STEP_SYSCALL, false, false, false);
    assert_repair(STEP_SYSCALL, false, true, false);
    assert_repair(STEP_SYSCALL, true, true, true);
    assert_repair(STEP_SYSCALL, true, false, false);
}

/* BP-31: PUSHF's image and SYSCALL's R11. */
static void test_image(void **state)
{
    (void)state;
    assert_int_equal(step_repair_image(0x346, 0x246), 0x246);
    assert_int_equal(step_repair_image(0x346, 0x346), 0x346);
    assert_int_equal(step_repair_image(0x246, 0x346), 0x346);
    assert_int_equal(step_repair_image(0x302, 0x10202), 0x202); /* RF is not TF's business */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_own_trap),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_pushf_image_sizes),
        cmocka_unit_test(test_iret_sizes),
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_syscall_differs_outside_long_mode),
        cmocka_unit_test(test_plain_keeps_the_guests_own_tf),
        cmocka_unit_test(test_loads_of_tf_are_the_guests),
        cmocka_unit_test(test_syscall_masks_tf),
        cmocka_unit_test(test_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
