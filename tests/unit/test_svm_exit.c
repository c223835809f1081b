/* svm/exit.c: raw fields to neutral words and back. APM vol. 2, "SVM Intercept Exit Codes". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "svm/exit.h"

static struct vmcb vmcb;
static struct hv_exit out;

static void decode(uint64_t code, uint64_t info1, uint64_t info2, int opcode)
{
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&out, 0xee, sizeof(out));
    vmcb.save.rip = 0x1000;
    vmcb.control.exit_code = code;
    vmcb.control.exit_info1 = info1;
    vmcb.control.exit_info2 = info2;
    svm_exit_decode(&vmcb, opcode, &out);
}

static void test_plain_kinds(void **state)
{
    static const struct {
        uint64_t code, info1;
        enum hv_exit_kind kind;
    } cases[] = {
        {0x20, 0, HV_EXIT_DR},
        {0x2f, 0, HV_EXIT_DR},
        {0x30, 0, HV_EXIT_DR},
        {0x3f, 0, HV_EXIT_DR},
        {0x60, 0, HV_EXIT_NONE},
        {0x61, 0, HV_EXIT_NMI},
        {0x72, 0, HV_EXIT_CPUID},
        {0x74, 0, HV_EXIT_IRET},
        {0x78, 0, HV_EXIT_HLT},
        {0x7a, 0, HV_EXIT_VIRT_INSN},
        {0x7c, 0, HV_EXIT_MSR_READ},
        {0x7c, 1, HV_EXIT_MSR_WRITE},
        {0x7f, 0, HV_EXIT_SHUTDOWN},
        {0x80, 0, HV_EXIT_VIRT_INSN},
        {0x81, 0, HV_EXIT_VIRT_INSN},
        {0x82, 0, HV_EXIT_VIRT_INSN},
        {0x83, 0, HV_EXIT_VIRT_INSN},
        {0x84, 0, HV_EXIT_VIRT_INSN},
        {0x85, 0, HV_EXIT_VIRT_INSN},
        {0x86, 0, HV_EXIT_VIRT_INSN},
        {0x88, 0, HV_EXIT_ICEBP},
        {0x8b, 0, HV_EXIT_MWAIT},
        {0x43, 0, HV_EXIT_BREAKPOINT},
        {UINT64_MAX, 0, HV_EXIT_INVALID},
        {UINT32_MAX, 0, HV_EXIT_INVALID},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(cases[i].code, cases[i].info1, 0, -1);
        assert_int_equal(out.kind, cases[i].kind);
        assert_int_equal(out.insn_length, 0);
        assert_false(svm_exit_needs_opcode(&vmcb));
    }
}

/* What nobody asked for is told in raw words. */
static void test_unknown(void **state)
{
    static const uint64_t codes[] = {0x00, 0x0f, 0x62, 0x77, 0x79, 0x7e, 0x87, 0x89, 0x401, 1000};

    (void)state;
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        decode(codes[i], 11, 22, -1);
        assert_int_equal(out.kind, HV_EXIT_UNKNOWN);
        assert_int_equal(out.raw.code, codes[i]);
        assert_int_equal(out.raw.info1, 11);
        assert_int_equal(out.raw.info2, 22);
    }
    decode(UINT64_MAX, 1, 2, -1);
    assert_int_equal(out.raw.code, UINT64_MAX);
}

/* GEN-2: the causes and no always-set bits. */
static void test_debug(void **state)
{
    (void)state;
    memset(&vmcb, 0, sizeof(vmcb));
    vmcb.control.exit_code = 0x41;
    vmcb.save.dr6 = DR6_RESET | DR6_BS | DR6_B(0) | DR6_B(3);
    svm_exit_decode(&vmcb, -1, &out);
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(out.debug.dr6, DR6_BS | 9);
    vmcb.save.dr6 = DR6_RESET | DR6_BD | DR6_BT;
    svm_exit_decode(&vmcb, -1, &out);
    assert_int_equal(out.debug.dr6, DR6_BD | DR6_BT);
    vmcb.save.dr6 = DR6_RESET & ~DR6_BLD; /* 0 says so */
    svm_exit_decode(&vmcb, -1, &out);
    assert_int_equal(out.debug.dr6, DR6_BLD);
}

/* SDM vol. 3, "Exception and Interrupt Reference": which push an error code. */
static void test_exceptions(void **state)
{
    const uint32_t with_error = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 |
                                1 << 21 | 1 << 29 | 1 << 30;

    (void)state;
    for (unsigned vector = 0; vector < 32; vector++) {
        if (vector == VECTOR_DB || vector == VECTOR_BP)
            continue;
        decode(0x40 + vector, 0x123, 0xfffff000, -1);
        assert_int_equal(out.kind, HV_EXIT_EXCEPTION);
        assert_int_equal(out.exception.vector, vector);
        assert_int_equal(out.exception.has_error, with_error >> vector & 1);
        assert_int_equal(out.exception.error, 0x123);
        assert_int_equal(out.exception.address, 0xfffff000);
    }
}

static void test_io(void **state)
{
    static const struct {
        uint32_t info;
        uint16_t port;
        uint8_t size;
        bool in, string;
    } cases[] = {
        {0x03f80011, 0x3f8, 1, true, false}, {0xffff0020, 0xffff, 2, false, false},
        {0x0cf80041, 0xcf8, 4, true, false}, {0x0060001d, 0x60, 1, true, true},
        {0x01f0002c, 0x1f0, 2, false, true},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(0x7b, cases[i].info, 0x1002, -1);
        assert_int_equal(out.kind, HV_EXIT_IO);
        assert_int_equal(out.io.port, cases[i].port);
        assert_int_equal(out.io.size, cases[i].size);
        assert_int_equal(out.io.in, cases[i].in);
        assert_int_equal(out.io.string, cases[i].string);
        assert_int_equal(out.insn_length, 2);
    }
}

static void test_task_switch(void **state)
{
    static const struct {
        uint64_t info2, int_info;
        enum hv_task_source source;
    } cases[] = {
        {0, 0, HV_TASK_CALL},
        {1ULL << 36, 0, HV_TASK_IRET},
        {1ULL << 38, 0, HV_TASK_JMP},
        {1ULL << 44 | 8, 0x80000b0d, HV_TASK_GATE},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&vmcb, 0, sizeof(vmcb));
        vmcb.control.exit_code = 0x7d;
        vmcb.control.exit_info1 = 0x38;
        vmcb.control.exit_info2 = cases[i].info2;
        vmcb.control.exit_int_info = cases[i].int_info;
        svm_exit_decode(&vmcb, -1, &out);
        assert_int_equal(out.kind, HV_EXIT_TASK_SWITCH);
        assert_int_equal(out.task.selector, 0x38);
        assert_int_equal(out.task.source, cases[i].source);
        assert_int_equal(out.insn_length, 0); /* not told */
    }
}

static void test_nested_page_fault(void **state)
{
    (void)state;
    decode(0x400, 0x100000000, 0xfec00010, -1);
    assert_int_equal(out.kind, HV_EXIT_STAGE2);
    assert_int_equal(out.stage2.address, 0xfec00010);
    assert_false(out.stage2.write || out.stage2.execute || out.stage2.present);
    decode(0x400, 0x100000003, 0, -1);
    assert_true(out.stage2.write && out.stage2.present);
    assert_false(out.stage2.execute);
    decode(0x400, 0x200000015, 0, -1);
    assert_true(out.stage2.execute && out.stage2.present);
    assert_false(out.stage2.write);
}

/* INT n, and INT3 and INTO by a processor that reports them so. */
static void test_soft_interrupts(void **state)
{
    (void)state;
    decode(0x75, 0x80, 0, 0xcd);
    assert_true(svm_exit_needs_opcode(&vmcb));
    assert_int_equal(out.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(out.soft_int.vector, 0x80);
    decode(0x75, 0, 0, 0xcc);
    assert_int_equal(out.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(out.insn_length, 1);
    decode(0x75, 3, 0, 0xcd); /* CD 03 is INT n */
    assert_int_equal(out.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(out.soft_int.vector, 3);
    decode(0x75, 0, 0, 0xce);
    assert_int_equal(out.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(out.soft_int.vector, VECTOR_OF);
    assert_int_equal(out.insn_length, 1);
    decode(0x75, 0x21, 0, -1);
    assert_int_equal(out.soft_int.vector, 0x21);
}

static struct hv_event event(enum hv_event_type type, uint8_t vector)
{
    return (struct hv_event){.type = type, .vector = vector};
}

/* APM vol. 2, "Event Injection": type in bits 8-10, error valid 11, valid 31. */
static void test_bp3_encode(void **state)
{
    struct hv_event e = event(HV_EVENT_EXCEPTION, VECTOR_PF);

    (void)state;
    e.has_error = true;
    e.error = 0x80000015;
    assert_int_equal(svm_event_encode(&e), 0x8000001580000b0e);
    e = event(HV_EVENT_EXCEPTION, VECTOR_DB);
    e.error = 5; /* means nothing */
    assert_int_equal(svm_event_encode(&e), 0x80000301);
    e = event(HV_EVENT_NMI, 2);
    assert_int_equal(svm_event_encode(&e), 0x80000202);
    e = event(HV_EVENT_EXTERNAL, 0x30);
    assert_int_equal(svm_event_encode(&e), 0x80000030);
    e = event(HV_EVENT_SOFT, VECTOR_BP);
    assert_int_equal(svm_event_encode(&e), 0x80000403);
    e = event(HV_EVENT_NONE, 3);
    assert_int_equal(svm_event_encode(&e), 0);
}

/* EXITINTINFO has the same layout: what was encoded comes back. */
static void test_interrupted(void **state)
{
    (void)state;
    for (enum hv_event_type type = HV_EVENT_EXTERNAL; type <= HV_EVENT_SOFT; type++) {
        struct hv_event e = event(type, type == HV_EVENT_NMI        ? 2
                                        : type == HV_EVENT_EXTERNAL ? 99
                                                                    : 13);
        if (type == HV_EVENT_EXCEPTION) {
            e.has_error = true;
            e.error = 0xabcd;
        }
        struct hv_event back = svm_event_interrupted(svm_event_encode(&e));
        assert_int_equal(back.type, e.type);
        assert_int_equal(back.vector, e.vector);
        assert_int_equal(back.has_error, e.has_error);
        assert_int_equal(back.error, e.error);
    }
    assert_int_equal(svm_event_interrupted(0).type, HV_EVENT_NONE);
    assert_int_equal(svm_event_interrupted(0x30e).type, HV_EVENT_NONE); /* not valid */
    /* A processor that calls all of them exceptions. */
    assert_int_equal(svm_event_interrupted(0x80000302).type, HV_EVENT_NMI);
    assert_int_equal(svm_event_interrupted(0x80000320).type, HV_EVENT_EXTERNAL);
    assert_int_equal(svm_event_interrupted(0x8000031f).type, HV_EVENT_EXCEPTION);
    /* A type that does not exist. */
    assert_int_equal(svm_event_interrupted(0x80000701).type, HV_EVENT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_kinds),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_debug),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_task_switch),
        cmocka_unit_test(test_nested_page_fault),
        cmocka_unit_test(test_soft_interrupts),
        cmocka_unit_test(test_bp3_encode),
        cmocka_unit_test(test_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
