/* Fields of VM entries that every processor takes, by mode, for tests that break one. */
#ifndef TESTS_UNIT_VMX_STATES_H
#define TESTS_UNIT_VMX_STATES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "tests/unit/vmx_haswell.h"
#include "vmx/check.h"
#include "vmx/controls.h"
#include "vmx/vmcs.h"

enum state {
    REAL16,
    FLAT32,
    PAE32,
    LONG64,
    V8086,
    USER64,     /* ring 3, with nothing but CS and SS usable */
    RESTRICTED, /* LONG64 without unrestricted guest */
    STATES
};

#define OLD_PAT 0x0007040600070406ULL

static struct vmx_host_fields valid_host(void)
{
    return (struct vmx_host_fields){.selector = {0, 8, 16, 0, 0, 0, 0, 24},
                                    .cr0 = 0x80050033,
                                    .cr3 = 0x1000,
                                    .cr4 = CR4_PAE | CR4_VMXE,
                                    .tr_base = 0xffff800000001000,
                                    .gdtr_base = 0x2000,
                                    .idtr_base = 0x3000,
                                    .pat = OLD_PAT,
                                    .efer = EFER_LME | EFER_LMA,
                                    .rip = 0x7f000000};
}

static struct vmx_control_fields valid_controls(void)
{
    struct vmx_controls c = vmx_controls_make(&haswell);

    return (struct vmx_control_fields){.pin = c.pin,
                                       .cpu = c.cpu,
                                       .cpu2 = c.cpu2,
                                       .exit = c.exit,
                                       .entry = c.entry,
                                       .vpid = 1,
                                       .io_bitmap_a = 0x10000,
                                       .io_bitmap_b = 0x11000,
                                       .msr_bitmap = 0x12000,
                                       .ept_pointer = 0x1305e};
}

/* Segments with these rights in ES, SS, DS, FS, GS and that CS; an LDT and a busy TSS. */
static void set_segments(struct vmx_guest_fields *g, uint32_t data, uint32_t code, uint32_t limit)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        g->seg[i] = (struct vmx_segment){.rights = i == SEG_CS ? code : data, .limit = limit};
    g->seg[SEG_LDTR] = (struct vmx_segment){.rights = 0x82, .limit = 0xffff};
    g->seg[SEG_TR] = (struct vmx_segment){.rights = 0x8b, .limit = 0xffff};
}

static void set_long_mode(struct vmx_fields *f)
{
    f->control.entry |= VMX_ENTRY_IA32E;
    f->guest.cr0 = 0x80050033;
    f->guest.cr4 = CR4_PAE | CR4_VMXE;
    f->guest.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    f->guest.rip = 0xffffffff81000000;
    set_segments(&f->guest, 0xc093, 0xa09b, UINT32_MAX);
}

static void set_user(struct vmx_fields *f)
{
    static const unsigned others[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR};

    set_long_mode(f);
    set_segments(&f->guest, 0xc0f3, 0xa0fb, UINT32_MAX);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(others); i++)
        f->guest.seg[others[i]] = (struct vmx_segment){.rights = VMX_RIGHTS_UNUSABLE};
    f->guest.seg[SEG_CS].selector = 0x33;
    f->guest.seg[SEG_SS].selector = 0x2b;
    f->guest.rip = 0x7fff12345678;
}

static void set_v8086(struct vmx_fields *f)
{
    f->guest.cr0 = 0x80000031;
    f->guest.rflags |= RFLAGS_VM | RFLAGS_IF;
    set_segments(&f->guest, 0xf3, 0xf3, 0xffff);
    f->guest.seg[SEG_CS].selector = 0x1234;
    f->guest.seg[SEG_CS].base = 0x12340;
}

static struct vmx_fields valid(enum state state)
{
    struct vmx_fields f = {.control = valid_controls(), .host = valid_host()};
    struct vmx_guest_fields *g = &f.guest;

    *g = (struct vmx_guest_fields){.cr0 = 0x30,
                                   .cr4 = CR4_VMXE,
                                   .dr7 = DR7_RESET,
                                   .rip = 0xfff0,
                                   .rflags = RFLAGS_ONE,
                                   .pat = OLD_PAT,
                                   .link_pointer = UINT64_MAX};
    set_segments(g, 0x93, 0x9b, 0xffff);
    if (state == FLAT32 || state == PAE32) {
        g->cr0 |= CR0_PE;
        set_segments(g, 0xc093, 0xc09b, UINT32_MAX);
    }
    if (state == PAE32) {
        g->cr0 |= CR0_PG;
        g->cr4 |= CR4_PAE;
        g->pdpte[0] = 0x5001;
        g->pdpte[2] = 0x1fe; /* not present: all of it is software's */
    }
    if (state == LONG64 || state == RESTRICTED)
        set_long_mode(&f);
    if (state == RESTRICTED)
        f.control.cpu2 &= ~VMX_CPU2_UNRESTRICTED;
    if (state == USER64)
        set_user(&f);
    if (state == V8086)
        set_v8086(&f);
    return f;
}

/* A field, by where it is, and what it gets. */
struct change {
    size_t offset, size;
    uint64_t value;
};

#define SET(field, number)                                                                         \
    {                                                                                              \
        offsetof(struct vmx_fields, field), sizeof(((struct vmx_fields *)0)->field), number        \
    }

/* In that state, with these changes, exactly this is wrong; NULL: nothing is. */
struct broken {
    enum state state;
    struct change change[3];
    const char *sentence;
};

static void check_broken(const struct broken *rows, size_t count, const struct vmx_features *can)
{
    for (size_t i = 0; i < count; i++) {
        struct vmx_fields f = valid(rows[i].state);
        struct vmx_faults faults;
        char text[160] = "";

        for (unsigned n = 0; n < HV_ARRAY_SIZE(rows[i].change); n++) {
            const struct change *c = &rows[i].change[n];
            memcpy((char *)&f + c->offset, &c->value, c->size);
        }
        vmx_check_entry(&faults, &f, can);
        if (faults.count)
            vmx_fault_text(&faults.fault[faults.count > 1], text, sizeof(text));
        if (faults.count > 1)
            fail_msg("row %zu, '%s': also '%s'", i, rows[i].sentence, text);
        assert_string_equal(text, rows[i].sentence ? rows[i].sentence : "");
    }
}

#endif
