/* Whatever vmx/run.c enters with passes the processor's checks; and the report when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_vmentry.h"
#include "vmx/report.h"
#include "vmx/shadow.h"
#include "vmx/state.h"

static int setup(void **state)
{
    (void)state;
    power_on();
    start();
    return 0;
}

/* All that was reported, a line each. */
static char told[2000];

static void keep_line(const char *text)
{
    size_t length = strlen(told);
    snprintf(told + length, sizeof(told) - length, "%s\n", text);
}

static struct hv_segment segment(uint16_t selector, uint16_t attributes, uint32_t limit)
{
    return (struct hv_segment){selector, attributes, limit, 0};
}

static void set_data(uint16_t attributes, uint32_t limit)
{
    vcpu_change(v, REGS_ALL);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        v->regs.seg[i] = segment(0, attributes, limit);
}

static void to_flat32(void)
{
    set_data(0xc93, UINT32_MAX);
    v->regs.seg[SEG_CS] = segment(0x10, 0xc9b, UINT32_MAX);
    v->regs.cr0 = CR0_PE | CR0_ET;
    v->regs.rip = 0x100000;
}

static void to_pae(void)
{
    model_memory_put(0x5000, 0x6001);
    model_memory_put(0x5018, 0x7001);
    to_flat32();
    v->regs.cr0 |= CR0_PG;
    v->regs.cr4 = CR4_PAE;
    v->regs.cr3 = 0x5000;
}

static void to_long(void)
{
    to_flat32();
    v->regs.seg[SEG_CS] = segment(0x10, 0xa9b, UINT32_MAX);
    v->regs.seg[SEG_DS] = v->regs.seg[SEG_ES] = segment(0, 0, 0);
    v->regs.seg[SEG_LDTR] = segment(0, 0, 0);
    v->regs.seg[SEG_FS].base = 0xffff888000000000;
    v->regs.cr0 |= CR0_PG | CR0_WP;
    v->regs.cr4 = CR4_PAE | CR4_PGE;
    v->regs.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    v->regs.rip = 0xffffffff81000000;
}

static void to_compatible(void)
{
    to_long();
    v->regs.seg[SEG_CS] = segment(0x23, 0xcfb, UINT32_MAX);
    v->regs.seg[SEG_SS] = segment(0x2b, 0xcf3, UINT32_MAX);
    v->regs.rip = 0x8048000;
}

static void to_v8086(void)
{
    set_data(0xf3, 0xffff);
    v->regs.seg[SEG_CS] = segment(0x1000, 0xf3, 0xffff);
    v->regs.seg[SEG_CS].base = 0x10000;
    v->regs.cr0 = CR0_PE | CR0_PG;
    v->regs.rflags |= RFLAGS_VM;
}

/* LGDT; MOV to CR0: protected mode with what real mode left in the segments, and a null SS later.
 */
static void to_just_protected(void)
{
    vcpu_change(v, REGS_ALL);
    v->regs.cr0 |= CR0_PE;
}

static void to_null_ss(void)
{
    to_long();
    v->regs.seg[SEG_SS] = segment(0, 0, 0);
    v->regs.seg[SEG_FS] = v->regs.seg[SEG_GS] = segment(0, 0, 0);
}

static void stay(void)
{
}

static const struct {
    const char *name;
    void (*go)(void);
} modes[] = {{"reset", stay},
             {"flat32", to_flat32},
             {"pae", to_pae},
             {"long", to_long},
             {"compatibility", to_compatible},
             {"v8086", to_v8086},
             {"just protected", to_just_protected},
             {"null ss", to_null_ss}};

static const struct hv_event events[] = {
    {.type = HV_EVENT_NONE},
    {.type = HV_EVENT_NMI, .vector = VECTOR_NMI},
    {.type = HV_EVENT_EXCEPTION, .vector = VECTOR_DB},
    {.type = HV_EVENT_EXCEPTION, .vector = VECTOR_GP, .has_error = true},
    {.type = HV_EVENT_EXCEPTION, .vector = VECTOR_PF, .has_error = true, .error = 7},
    {.type = HV_EVENT_SOFT, .vector = VECTOR_BP, .insn_length = 1},
    {.type = HV_EVENT_SOFT, .vector = 0x80, .insn_length = 2},
};

/* One mode with every event, every flag that matters and every kind of blocking. */
static void enter_all(unsigned mode)
{
    power_on();
    start();
    modes[mode].go();
    v->changed = REGS_ALL;
    struct vcpu fresh = *v;

    for (unsigned i = 0; i < 3 << 8; i++) {
        const struct hv_event *event = &events[i % 8 % HV_ARRAY_SIZE(events)];
        enum hv_run_mode how = (enum hv_run_mode)(i >> 8);

        if (how == RUN_STEP && event->type != HV_EVENT_NONE)
            continue;
        *v = fresh;
        v->event = *event;
        v->regs.rflags |= (i & 8 ? RFLAGS_IF : 0) | (i & 16 ? RFLAGS_TF : 0);
        v->interrupt_shadow = i & 32;
        v->nmi_blocked = i & 64;
        v->nmi_pending = i & 128;
        v->traps = i & 128 ? TRAP_DEBUG : 0;
        enter(how);
    }
}

static void test_all_entries(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < HV_ARRAY_SIZE(modes); mode++)
        enter_all(mode);
}

/* HAXM-20: all that vmx_shadow_make() can be asked, in a state that is valid but for it. */
static void test_haxm20_every_shadow(void **state)
{
    const struct vmx_features can = vmx_features_read();
    struct vmx_faults faults;
    unsigned held = 0;

    (void)state;
    enter(RUN_FREE);
    for (unsigned i = 0; i < 1 << 13; i++) {
        struct vmx_fields f = entered;
        uint64_t saved =
            (i & 0x200 ? VMX_PENDING_BS : 0) | (i & 0x400 ? VMX_PENDING_BREAKPOINTS : 0);
        f.guest.rflags = RFLAGS_ONE | (i & 1 ? RFLAGS_TF : 0) | (i & 2 ? RFLAGS_IF : 0);
        f.guest.debugctl = i & 4 ? DEBUGCTL_BTF : 0;
        enum hv_run_mode mode = (enum hv_run_mode)((i >> 11) % 3);
        struct vmx_shadow s = vmx_shadow_make(mode, f.guest.rflags, i >> 5 & 0xf, saved, i & 8,
                                              i & 16, f.guest.debugctl & DEBUGCTL_BTF);

        f.guest.interruptibility = s.interruptibility;
        f.guest.pending_debug = s.pending_debug;
        vmx_check_entry(&faults, &f, &can);
        assert_int_equal(faults.count, 0);
        held += (s.interruptibility & ~VMX_BLOCKED_NMI) != 0;
    }
    assert_true(held > 1000);
}

/* What gdb can write and no processor takes is told by its name. */
static void refuse_state(void)
{
    vmcs[VMCS_EXIT_REASON] = VMX_REASON_NO_ENTRY | VMX_REASON_BAD_STATE;
    vmcs[VMCS_EXIT_QUALIFICATION] = 0;
}

static void test_report_bad_state(void **state)
{
    (void)state;
    may_be_refused = true;
    to_flat32();
    v->regs.cr4 = 0x400000;
    v->regs.seg[SEG_TR].attributes = 0;
    guest = refuse_state;
    vmx_backend.run(v, RUN_FREE, &out);
    assert_int_equal(out.kind, HV_EXIT_INVALID);
    told[0] = 0;
    vmx_backend.dump(v, keep_line);
    assert_non_null(strstr(told, "VM entry failed: reason 33, the guest's state is not valid; "
                                 "qualification 0\n"
                                 "guest CR4 402000: bits this processor does not allow (400000)\n"
                                 "guest TR rights 82: not a busy TSS, of 64 bits in IA-32e mode\n"
                                 "exit reason 80000021 qualification 0 event 0 vectoring 0"));
    assert_non_null(strstr(told, "\ncr0 31 cr3 0 cr4 402000 efer 0 rip 100000 rflags 2\n"));
}

static void fail_msr(void)
{
    vmcs[VMCS_EXIT_REASON] = VMX_REASON_NO_ENTRY | VMX_REASON_BAD_MSR;
    vmcs[VMCS_EXIT_QUALIFICATION] = 3;
}

static void triple_fault(void)
{
    vmcs[VMCS_EXIT_REASON] = VMX_REASON_TRIPLE_FAULT;
}

static void test_report_other(void **state)
{
    (void)state;
    guest = fail_msr;
    vmx_backend.run(v, RUN_FREE, &out);
    told[0] = 0;
    vmx_backend.dump(v, keep_line);
    assert_non_null(strstr(told, "VM entry failed: reason 34, an MSR could not be loaded; "
                                 "qualification 3, its place in the MSR-load area, from 1\n"
                                 "no check of ours explains it\n"));
    guest = triple_fault;
    vmx_backend.run(v, RUN_FREE, &out);
    told[0] = 0;
    vmx_backend.dump(v, keep_line);
    assert_non_null(strstr(told, "VM exit: reason 2, triple fault\nexit reason 2 "));
    assert_null(strstr(told, "check"));
}

/* VMLAUNCH itself refuses: nothing of an older exit is taken for it. */
static void test_report_refused(void **state)
{
    (void)state;
    guest = triple_fault;
    vmx_backend.run(v, RUN_FREE, &out);
    entry_error = 7;
    vmcs[VMCS_VPID] = 0;
    vmx_backend.run(v, RUN_FREE, &out);
    assert_int_equal(out.kind, HV_EXIT_INVALID);
    assert_int_equal(out.raw.info1, 7);
    told[0] = 0;
    vmx_backend.dump(v, keep_line);
    assert_non_null(strstr(told, "VM entry refused: error 7, a control field is not valid\n"
                                 "control VPID 0: is the host's\n"));
}

static void test_report_many(void **state)
{
    (void)state;
    set_data(0, 0);
    for (unsigned i = 0; i < 64; i++)
        vmcs[0x4000 + 2 * i] = 0xffffffff;
    told[0] = 0;
    const struct vmx_features can = vmx_features_read();
    vmx_report(&(struct vmx_raw_exit){.reason = VMX_REASON_NO_ENTRY, .qualification = 0}, &can,
               keep_line);
    assert_non_null(strstr(told, "error 0, there is no current VMCS\n"));
    assert_non_null(strstr(told, "\nand "));
    assert_non_null(strstr(told, " more\n"));
}

/* The indicator is emptied when the CPU is set up, and told of when it is not empty. */
static void test_abort(void **state)
{
    static const uint8_t indicator[4] = {4, 0, 0, 0};

    (void)state;
    memcpy(current->region + 4, indicator, 4);
    told[0] = 0;
    vmx_backend.dump(v, keep_line);
    assert_non_null(strstr(told, "CPU 0: VMX abort 4, a host's MSR could not be loaded: it is shut "
                                 "down until a reset\n"));
    start();
    told[0] = 0;
    vmx_backend.dump(v, keep_line);
    assert_null(strstr(told, "abort"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_entries, setup),
        cmocka_unit_test_setup(test_haxm20_every_shadow, setup),
        cmocka_unit_test_setup(test_report_bad_state, setup),
        cmocka_unit_test_setup(test_report_other, setup),
        cmocka_unit_test_setup(test_report_refused, setup),
        cmocka_unit_test_setup(test_report_many, setup),
        cmocka_unit_test_setup(test_abort, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
