/* vmx/exit.c: raw fields to words and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "vmx/exit.h"
#include "vmx/vmcs.h"

static struct hv_exit decode(struct vmx_raw_exit raw)
{
    struct hv_exit exit;

    vmx_exit_decode(&raw, &exit);
    return exit;
}

/* #DB by its qualification, INT1 apart from it, #BP with its length: BP-2. */
static void test_bp2_debug_events(void **state)
{
    struct hv_exit e;

    (void)state;
    e = decode((struct vmx_raw_exit){.event = 0x80000301, .qualification = 0x6005});
    assert_int_equal(e.kind, HV_EXIT_DEBUG);
    assert_int_equal(e.debug.dr6, DR6_BS | DR6_BD | 5);
    e = decode((struct vmx_raw_exit){.event = 0x80000301, .qualification = 0x10800});
    assert_int_equal(e.debug.dr6, DR6_BLD | DR6_RTM);
    e = decode((struct vmx_raw_exit){.event = 0x80000501, .insn_length = 1});
    assert_int_equal(e.kind, HV_EXIT_ICEBP);
    assert_int_equal(e.insn_length, 1);
    e = decode((struct vmx_raw_exit){.event = 0x80000603, .insn_length = 2});
    assert_int_equal(e.kind, HV_EXIT_BREAKPOINT);
    assert_int_equal(e.insn_length, 2);
    e = decode((struct vmx_raw_exit){.event = 0x80000604, .insn_length = 1});
    assert_int_equal(e.kind, HV_EXIT_SOFT_INT);
    assert_int_equal(e.soft_int.vector, VECTOR_OF);
    e = decode((struct vmx_raw_exit){.event = 0x80000202});
    assert_int_equal(e.kind, HV_EXIT_NMI);
}

static void test_exceptions(void **state)
{
    struct hv_exit e = decode((struct vmx_raw_exit){
        .event = 0x80000b0e, .event_error = 7, .qualification = 0xffff800012345678});

    (void)state;
    assert_int_equal(e.kind, HV_EXIT_EXCEPTION);
    assert_int_equal(e.exception.vector, VECTOR_PF);
    assert_true(e.exception.has_error);
    assert_int_equal(e.exception.error, 7);
    assert_int_equal(e.exception.address, 0xffff800012345678);
    e = decode((struct vmx_raw_exit){.event = 0x80000306, .event_error = 9, .qualification = 1});
    assert_int_equal(e.exception.vector, VECTOR_UD);
    assert_false(e.exception.has_error);
    assert_int_equal(e.exception.error, 0);
    assert_int_equal(e.exception.address, 0);
}

static void test_io_and_ept(void **state)
{
    struct hv_exit e = decode((struct vmx_raw_exit){
        .reason = VMX_REASON_IO, .qualification = 0x3f8001b, .insn_length = 2});

    (void)state;
    assert_int_equal(e.kind, HV_EXIT_IO);
    assert_int_equal(e.io.port, 0x3f8);
    assert_int_equal(e.io.size, 4);
    assert_true(e.io.in && e.io.string);
    assert_int_equal(e.insn_length, 2);
    e = decode((struct vmx_raw_exit){
        .reason = VMX_REASON_EPT_VIOLATION, .qualification = 0x182, .guest_physical = 0xfee00300});
    assert_int_equal(e.kind, HV_EXIT_STAGE2);
    assert_int_equal(e.stage2.address, 0xfee00300);
    assert_true(e.stage2.write && !e.stage2.execute && !e.stage2.present);
    e = decode((struct vmx_raw_exit){.reason = VMX_REASON_EPT_VIOLATION, .qualification = 0x1c});
    assert_true(e.stage2.execute && e.stage2.present && !e.stage2.write);
}

static void test_task_switch(void **state)
{
    static const enum hv_task_source sources[] = {HV_TASK_CALL, HV_TASK_IRET, HV_TASK_JMP,
                                                  HV_TASK_GATE};

    (void)state;
    for (uint64_t i = 0; i < HV_ARRAY_SIZE(sources); i++) {
        struct hv_exit e = decode((struct vmx_raw_exit){
            .reason = VMX_REASON_TASK_SWITCH, .qualification = i << 30 | 0xfff8, .insn_length = 7});
        assert_int_equal(e.kind, HV_EXIT_TASK_SWITCH);
        assert_int_equal(e.task.source, sources[i]);
        assert_int_equal(e.task.selector, 0xfff8);
        assert_int_equal(e.insn_length, 7);
    }
}

static void test_plain_kinds(void **state)
{
    static const struct {
        uint32_t reason;
        enum hv_exit_kind kind;
    } cases[] = {
        {VMX_REASON_TRIPLE_FAULT, HV_EXIT_SHUTDOWN},
        {VMX_REASON_CPUID, HV_EXIT_CPUID},
        {VMX_REASON_HLT, HV_EXIT_HLT},
        {VMX_REASON_MWAIT, HV_EXIT_MWAIT},
        {VMX_REASON_VMCALL, HV_EXIT_VIRT_INSN},
        {VMX_REASON_VMXON, HV_EXIT_VIRT_INSN},
        {VMX_REASON_INVEPT, HV_EXIT_VIRT_INSN},
        {VMX_REASON_INVVPID, HV_EXIT_VIRT_INSN},
        {VMX_REASON_GETSEC, HV_EXIT_VIRT_INSN},
        {VMX_REASON_SEAMCALL, HV_EXIT_VIRT_INSN},
        {VMX_REASON_TDCALL, HV_EXIT_VIRT_INSN},
        {VMX_REASON_RDMSR, HV_EXIT_MSR_READ},
        {VMX_REASON_WRMSR, HV_EXIT_MSR_WRITE},
        {VMX_REASON_XSETBV, HV_EXIT_XSETBV},
        {VMX_REASON_INVD, HV_EXIT_INVD},
        {VMX_REASON_DR, HV_EXIT_DR},
        {VMX_REASON_NMI_WINDOW, HV_EXIT_NONE},
        {VMX_REASON_EXTERNAL, HV_EXIT_NONE},
        {VMX_REASON_EPT_MISCONFIGURED, HV_EXIT_UNKNOWN},
        {VMX_REASON_MTF, HV_EXIT_STEP},
    };

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++)
        assert_int_equal(decode((struct vmx_raw_exit){.reason = cases[i].reason}).kind,
                         cases[i].kind);
    /* CR0: the guest tries again; CR4: only what is hidden exits. */
    assert_int_equal(decode((struct vmx_raw_exit){.reason = VMX_REASON_CR}).kind, HV_EXIT_NONE);
    assert_int_equal(
        decode((struct vmx_raw_exit){.reason = VMX_REASON_CR, .qualification = 4}).kind,
        HV_EXIT_BAD_CR);
    struct hv_exit e = decode((struct vmx_raw_exit){.reason = 0x80000021, .qualification = 3});
    assert_int_equal(e.kind, HV_EXIT_INVALID);
    assert_int_equal(e.raw.code, 0x80000021);
    assert_int_equal(e.raw.info1, 3);
}

static uint32_t encode(struct hv_event event, bool protected_mode, uint32_t *error)
{
    return vmx_event_encode(&event, protected_mode, error);
}

/* BP-3: INT3 goes back as a software exception, INT n as a software interrupt. */
static void test_bp3_encode(void **state)
{
    uint32_t error;

    (void)state;
    assert_int_equal(encode((struct hv_event){.type = HV_EVENT_NONE}, true, &error), 0);
    assert_int_equal(encode((struct hv_event){.type = HV_EVENT_SOFT, .vector = 3, .insn_length = 1},
                            true, &error),
                     0x80000603);
    assert_int_equal(encode((struct hv_event){.type = HV_EVENT_SOFT, .vector = 3, .insn_length = 2},
                            true, &error),
                     0x80000403);
    assert_int_equal(encode((struct hv_event){.type = HV_EVENT_SOFT, .vector = 1, .insn_length = 1},
                            true, &error),
                     0x80000501);
    assert_int_equal(encode((struct hv_event){.type = HV_EVENT_NMI, .vector = 2}, true, &error),
                     0x80000202);
    assert_int_equal(
        encode((struct hv_event){.type = HV_EVENT_EXTERNAL, .vector = 0x20}, true, &error),
        0x80000020);
}

/* An error code goes with the vectors that have one, and never into real mode. */
static void test_encode_errors(void **state)
{
    struct hv_event gp = {
        .type = HV_EVENT_EXCEPTION, .vector = VECTOR_GP, .has_error = true, .error = 0x18};
    uint32_t error;

    (void)state;
    assert_int_equal(encode(gp, true, &error), 0x80000b0d);
    assert_int_equal(error, 0x18);
    assert_int_equal(encode(gp, false, &error), 0x8000030d);
    assert_int_equal(error, 0);
    gp.has_error = false; /* the processor would refuse it */
    assert_int_equal(encode(gp, true, &error), 0x80000b0d);
    assert_int_equal(error, 0);
    assert_int_equal(
        encode((struct hv_event){.type = HV_EVENT_EXCEPTION, .vector = VECTOR_DB}, true, &error),
        0x80000301);
}

/* What an exit interrupted comes back the same. */
static void test_interrupted(void **state)
{
    static const uint32_t infos[] = {0x80000603, 0x80000480, 0x80000501, 0x80000b0e,
                                     0x80000306, 0x80000202, 0x80000041};

    (void)state;
    assert_int_equal(vmx_event_interrupted(0x603, 0, 1).type, HV_EVENT_NONE);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(infos); i++) {
        uint32_t length = infos[i] == 0x80000480 ? 2 : 1, error;
        struct hv_event event = vmx_event_interrupted(infos[i], 0x15, length);

        assert_int_equal(vmx_event_encode(&event, true, &error), infos[i]);
        assert_int_equal(error, infos[i] & VMX_EVENT_ERROR ? 0x15 : 0);
        if (event.type == HV_EVENT_SOFT)
            assert_int_equal(event.insn_length, length);
    }
}

static void test_undone_iret(void **state)
{
    struct vmx_raw_exit pf = {.event = 0x80001b0e}, ept = {.reason = 48, .qualification = 0x1000};

    (void)state;
    assert_true(vmx_exit_undid_iret(&pf, 0));
    assert_true(vmx_exit_undid_iret(&ept, 0));
    assert_false(vmx_exit_undid_iret(&ept, 0x80000202));
    pf.event = 0x80001b08; /* a double fault: undefined there */
    assert_false(vmx_exit_undid_iret(&pf, 0));
    ept.reason = VMX_REASON_IO;
    assert_false(vmx_exit_undid_iret(&ept, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bp2_debug_events), cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_io_and_ept),       cmocka_unit_test(test_task_switch),
        cmocka_unit_test(test_plain_kinds),      cmocka_unit_test(test_bp3_encode),
        cmocka_unit_test(test_encode_errors),    cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_undone_iret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
