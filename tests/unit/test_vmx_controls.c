/* vmx/bitmaps.c, shadow.c and the pure part of state.c; test_vmx_models.c has the control words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "tests/unit/vmx_haswell.h"
#include "vmx/bitmaps.h"
#include "vmx/controls.h"
#include "vmx/features.h"
#include "vmx/shadow.h"
#include "vmx/state.h"
#include "vmx/vmcs.h"

static void test_haswell(void **state)
{
    struct vmx_controls c = vmx_controls_make(&haswell);

    (void)state;
    assert_null(vmx_features_refusal(&haswell));
    assert_int_equal(c.pin, 0x3e);
    assert_int_equal(c.cpu, 0x96806172);
    assert_int_equal(c.cpu2, 0x10aa);
    assert_int_equal(c.exit, 0x3f6fff);
    assert_int_equal(c.entry, 0xd1ff);
}

static bool bit_of(const uint8_t *map, unsigned bit)
{
    return map[bit / 8] >> bit % 8 & 1;
}

/* USER-10: EFER is the guest's, whatever core says of it: entries and exits switch it. */
static void test_msr_bitmap(void **state)
{
    static uint8_t map[VMX_MSR_BITMAP_SIZE];
    static const struct msr_row rows[] = {{0x10, 0x11, MSR_TRAP_READ},
                                          {0x1fff, 0x2000, MSR_TRAP_READ | MSR_TRAP_WRITE},
                                          {MSR_EFER, MSR_EFER, MSR_TRAP_READ | MSR_TRAP_WRITE},
                                          {MSR_STAR, MSR_STAR, MSR_TRAP_WRITE},
                                          {MSR_VM_CR, MSR_VM_CR, MSR_TRAP_READ}};
    unsigned set = 0;

    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(rows); i++)
        vmx_msr_bitmap_add(map, &rows[i], true);
    assert_true(bit_of(map, 0x10) && bit_of(map, 0x11) && bit_of(map, 0x1fff));
    assert_true(bit_of(map + 2048, 0x1fff));
    assert_true(bit_of(map + 3072, 0x81));
    assert_false(bit_of(map + 1024, 0x81));
    for (unsigned i = 0; i < 8 * sizeof(map); i++)
        set += bit_of(map, i);
    assert_int_equal(set, 5);
    vmx_msr_bitmap_add(map, &rows[2], false); /* who watches EFER sees it */
    assert_true(bit_of(map + 1024, 0x80) && bit_of(map + 3072, 0x80));
}

static struct vmx_shadow make(enum hv_run_mode mode, uint64_t rflags, uint32_t last, bool shadow)
{
    return vmx_shadow_make(mode, rflags, last, 0x500f, shadow, false, false);
}

/* HAXM-20: a shadow with TF needs BS pending, and nothing else may have it. */
static void test_haxm20_pending_debug(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        enum hv_run_mode mode = i & 1 ? RUN_STEP : RUN_FREE;
        uint64_t rflags = (i & 2 ? RFLAGS_TF : 0) | (i & 4 ? RFLAGS_IF : 0) | RFLAGS_ONE;
        uint32_t last = i & 8 ? VMX_BLOCKED_STI : VMX_BLOCKED_MOV_SS;
        struct vmx_shadow s = make(mode, rflags, last, i & 16);
        uint32_t held = s.interruptibility & (VMX_BLOCKED_STI | VMX_BLOCKED_MOV_SS);

        assert_int_not_equal(held, VMX_BLOCKED_STI | VMX_BLOCKED_MOV_SS);
        if (held & VMX_BLOCKED_STI)
            assert_true(rflags & RFLAGS_IF);
        assert_int_equal(held != 0, mode == RUN_STEP || (i & 16));
        assert_int_equal((s.pending_debug & VMX_PENDING_BS) != 0, held && (rflags & RFLAGS_TF));
        if (!held)
            assert_int_equal(s.pending_debug, 0);
        if (mode == RUN_STEP) /* not by STI: with TF the trap would come before the instruction */
            assert_int_equal(held, VMX_BLOCKED_MOV_SS);
    }
    assert_int_equal(make(RUN_TO_FETCH, RFLAGS_TF, VMX_BLOCKED_STI, true).interruptibility, 0);
    struct vmx_shadow btf = vmx_shadow_make(RUN_STEP, RFLAGS_TF, 0, 0, false, true, true);
    assert_int_equal(btf.pending_debug, 0);
    assert_int_equal(btf.interruptibility, VMX_BLOCKED_NMI | VMX_BLOCKED_MOV_SS);
}

static void test_rights(void **state)
{
    struct hv_segment s = {.attributes = 0xa9b};

    (void)state;
    assert_int_equal(vmx_rights(SEG_CS, &s), 0xa09b);
    assert_int_equal(vmx_attributes(0xa09b), 0xa9b);
    s.attributes = 0x60; /* not present: unusable, the privilege level stays */
    assert_int_equal(vmx_rights(SEG_SS, &s), 0x10060);
    assert_int_equal(vmx_attributes(0x100f3), 0x73);
    s.attributes = 0x09; /* TR is never unusable, always busy */
    assert_int_equal(vmx_rights(SEG_TR, &s), 0x8b);
}

static void test_owned(void **state)
{
    struct vmx_owned o = vmx_owned_make(haswell.cr0_fixed0, haswell.cr4_fixed0);

    (void)state;
    assert_int_equal(o.cr0_mask, CR0_NE);
    assert_int_equal(o.cr0_on, CR0_NE);
    assert_int_equal(o.cr4_mask, CR4_VMXE | CR4_SMXE);
    assert_int_equal(o.cr4_on, CR4_VMXE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_haswell),
        cmocka_unit_test(test_msr_bitmap),
        cmocka_unit_test(test_haxm20_pending_debug),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_owned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
