/* SDM vol. 3, "Checks on Guest Segment Registers". */
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "vmx/check.h"
#include "vmx/vmcs.h"

/* Access rights (SDM vol. 3, "Format of Access Rights"). */
enum rights {
    TYPE = 0xf,
    NOT_SYSTEM = 1 << 4,
    PRESENT = 1 << 7,
    RESERVED = 0xf00,
    LONG = 1 << 13,
    BIG = 1 << 14,
    GRANULARITY = 1 << 15,
    V8086_RIGHTS = 0xf3,
};
#define RESERVED_HIGH 0xfffe0000U

/* Types: of memory by bits, of system descriptors by number. */
enum type {
    ACCESSED = 1,
    READABLE = 2,
    CONFORMING = 4,
    CODE = 8,
    DATA_READ_WRITE = 3,
    DATA_EXPAND_DOWN = 7,
    LDT = 2,
    BUSY_TSS_16 = 3,
    BUSY_TSS = 11,
};

enum { SELECTOR_TI = 4, V8086_LIMIT = 0xffff };

static bool usable(const struct vmx_segment *s)
{
    return !(s->rights & VMX_RIGHTS_UNUSABLE);
}

static unsigned dpl(const struct vmx_segment *s)
{
    return s->rights >> SEG_ATTR_DPL_SHIFT & 3;
}

static unsigned rpl(const struct vmx_segment *s)
{
    return s->selector & 3;
}

static void expect_rights(struct vmx_faults *faults, const struct vmx_segment *s, bool holds,
                          const char *rule)
{
    vmx_expect(faults, holds, "rights", s->rights, rule);
}

/* What all kinds of segments that are in use have in common. */
static void check_common(struct vmx_faults *faults, const struct vmx_segment *s)
{
    bool pages = s->rights & GRANULARITY;

    expect_rights(faults, s, s->rights & PRESENT, "is not present");
    vmx_expect_clear(faults, RESERVED | RESERVED_HIGH, "rights", s->rights, "reserved bits");
    vmx_expect(faults, !pages || (s->limit & 0xfff) == 0xfff, "limit", s->limit,
               "in pages (G), and its low 12 bits are not all 1");
    vmx_expect(faults, pages || !(s->limit >> 20), "limit", s->limit,
               "more than 20 bits, and not in pages (G)");
}

static void check_v8086(struct vmx_faults *faults, const struct vmx_segment *s)
{
    vmx_expect(faults, s->base == (uint64_t)s->selector << 4, "base", s->base,
               "is not 16 times the selector in virtual-8086 mode");
    vmx_expect(faults, s->limit == V8086_LIMIT, "limit", s->limit,
               "is not ffff in virtual-8086 mode");
    expect_rights(faults, s, s->rights == V8086_RIGHTS, "is not f3 in virtual-8086 mode");
}

static void check_cs_type(struct vmx_faults *faults, const struct vmx_segment *cs,
                          const struct vmx_segment *ss, bool unrestricted)
{
    switch (cs->rights & TYPE) {
    case DATA_READ_WRITE:
        expect_rights(faults, cs, unrestricted, "a data segment");
        expect_rights(faults, cs, dpl(cs) == 0, "a data segment with a DPL other than 0");
        break;
    case CODE | ACCESSED:
    case CODE | READABLE | ACCESSED:
        expect_rights(faults, cs, dpl(cs) == dpl(ss), "its DPL is not that of SS");
        break;
    case CODE | CONFORMING | ACCESSED:
    case CODE | CONFORMING | READABLE | ACCESSED:
        expect_rights(faults, cs, dpl(cs) <= dpl(ss), "conforming, its DPL is above that of SS");
        break;
    default:
        expect_rights(faults, cs, false, "neither accessed code nor writable data");
        break;
    }
}

static void check_cs(struct vmx_faults *faults, const struct vmx_fields *fields)
{
    const struct vmx_segment *cs = &fields->guest.seg[SEG_CS];
    bool unrestricted = fields->control.cpu2 & VMX_CPU2_UNRESTRICTED;

    check_cs_type(faults, cs, &fields->guest.seg[SEG_SS], unrestricted);
    expect_rights(faults, cs, cs->rights & NOT_SYSTEM, "a system segment");
    check_common(faults, cs);
    if (fields->control.entry & VMX_ENTRY_IA32E)
        expect_rights(faults, cs, !(cs->rights & LONG) || !(cs->rights & BIG), "both L and D");
    vmx_expect(faults, !(cs->base >> 32), "base", cs->base, "more than 32 bits");
}

static void check_ss(struct vmx_faults *faults, const struct vmx_fields *fields)
{
    const struct vmx_guest_fields *g = &fields->guest;
    const struct vmx_segment *ss = &g->seg[SEG_SS], *cs = &g->seg[SEG_CS];
    bool ring0 = (cs->rights & TYPE) == DATA_READ_WRITE || !(g->cr0 & CR0_PE);

    if (!(fields->control.cpu2 & VMX_CPU2_UNRESTRICTED)) {
        vmx_expect(faults, rpl(ss) == rpl(cs), "selector", ss->selector,
                   "its RPL is not that of CS");
        expect_rights(faults, ss, dpl(ss) == rpl(ss), "its DPL is not its selector's RPL");
    }
    expect_rights(faults, ss, !ring0 || dpl(ss) == 0,
                  "its DPL has to be 0 in real mode, or with data in CS");
    if (!usable(ss))
        return;
    unsigned type = ss->rights & TYPE;
    expect_rights(faults, ss, type == DATA_READ_WRITE || type == DATA_EXPAND_DOWN,
                  "not accessed, writable data");
    expect_rights(faults, ss, ss->rights & NOT_SYSTEM, "a system segment");
    check_common(faults, ss);
    vmx_expect(faults, !(ss->base >> 32), "base", ss->base, "more than 32 bits");
}

static void check_data(struct vmx_faults *faults, const struct vmx_fields *fields,
                       enum hv_segment_name name)
{
    const struct vmx_segment *s = &fields->guest.seg[name];
    unsigned type = s->rights & TYPE;

    if (!usable(s))
        return;
    expect_rights(faults, s, type & ACCESSED, "not accessed");
    expect_rights(faults, s, !(type & CODE) || (type & READABLE), "code that is not readable");
    expect_rights(faults, s, s->rights & NOT_SYSTEM, "a system segment");
    if (!(fields->control.cpu2 & VMX_CPU2_UNRESTRICTED))
        expect_rights(faults, s,
                      (type & (CODE | CONFORMING)) == (CODE | CONFORMING) || dpl(s) >= rpl(s),
                      "its DPL is below its selector's RPL");
    check_common(faults, s);
    if (name == SEG_ES || name == SEG_DS)
        vmx_expect(faults, !(s->base >> 32), "base", s->base, "more than 32 bits");
}

static void check_tr(struct vmx_faults *faults, const struct vmx_fields *fields,
                     const struct vmx_features *can)
{
    const struct vmx_segment *tr = &fields->guest.seg[SEG_TR];
    bool ia32e = fields->control.entry & VMX_ENTRY_IA32E;
    unsigned type = tr->rights & TYPE;

    vmx_expect(faults, !(tr->selector & SELECTOR_TI), "selector", tr->selector, "in the LDT");
    vmx_expect_canonical(faults, can, "base", tr->base);
    expect_rights(faults, tr, usable(tr), "is unusable");
    expect_rights(faults, tr, type == BUSY_TSS || (!ia32e && type == BUSY_TSS_16),
                  "not a busy TSS, of 64 bits in IA-32e mode");
    expect_rights(faults, tr, !(tr->rights & NOT_SYSTEM), "not a system segment");
    check_common(faults, tr);
}

static void check_ldtr(struct vmx_faults *faults, const struct vmx_segment *ldtr,
                       const struct vmx_features *can)
{
    if (!usable(ldtr))
        return;
    vmx_expect(faults, !(ldtr->selector & SELECTOR_TI), "selector", ldtr->selector, "in the LDT");
    vmx_expect_canonical(faults, can, "base", ldtr->base);
    expect_rights(faults, ldtr, (ldtr->rights & TYPE) == LDT, "not an LDT");
    expect_rights(faults, ldtr, !(ldtr->rights & NOT_SYSTEM), "not a system segment");
    check_common(faults, ldtr);
}

static void check_one(struct vmx_faults *faults, const struct vmx_fields *fields,
                      const struct vmx_features *can, enum hv_segment_name name)
{
    const struct vmx_segment *s = &fields->guest.seg[name];

    if (name == SEG_TR) {
        check_tr(faults, fields, can);
        return;
    }
    if (name == SEG_LDTR) {
        check_ldtr(faults, s, can);
        return;
    }
    if (name == SEG_FS || name == SEG_GS)
        vmx_expect_canonical(faults, can, "base", s->base);
    if (vmx_is_v8086(&fields->guest))
        check_v8086(faults, s);
    else if (name == SEG_CS)
        check_cs(faults, fields);
    else if (name == SEG_SS)
        check_ss(faults, fields);
    else
        check_data(faults, fields, name);
}

void vmx_check_segments(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can)
{
    static const char *const names[SEG_COUNT] = {"guest ES", "guest CS", "guest SS",   "guest DS",
                                                 "guest FS", "guest GS", "guest LDTR", "guest TR"};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        faults->group = names[i];
        check_one(faults, fields, can, (enum hv_segment_name)i);
    }
}
