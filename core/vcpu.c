#include "core/vcpu.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "lib/string.h"

static struct vcpu vcpus[HV_MAX_CPUS];
static unsigned count = 1;

const struct hv_backend *hv_backend;

struct vcpu *vcpu_get(unsigned number)
{
    return number < vcpu_count() ? &vcpus[number] : NULL;
}

unsigned vcpu_count(void)
{
    return count;
}

void vcpu_set_count(unsigned n)
{
    count = n;
    for (unsigned i = 0; i < count; i++)
        vcpus[i].number = i;
}

void vcpu_need(struct vcpu *v, unsigned groups)
{
    unsigned missing = groups & ~v->valid;
    if (!missing)
        return;
    hv_backend->fetch(v, missing);
    v->valid |= missing;
}

void vcpu_change(struct vcpu *v, unsigned groups)
{
    vcpu_need(v, groups);
    v->changed |= groups;
}

static void reset_segments(struct hv_regs *r)
{
    /* Data, writable, accessed, present; code the same but readable; LDT; busy 16-bit TSS. */
    enum { DATA = 0x93, CODE = 0x9b, LDT = 0x82, TSS = 0x8b };

    for (unsigned i = 0; i < SEG_COUNT; i++)
        r->seg[i] = (struct hv_segment){.attributes = DATA, .limit = 0xffff};
    r->seg[SEG_CS].attributes = CODE;
    r->seg[SEG_CS].selector = 0xf000;
    r->seg[SEG_CS].base = 0xffff0000;
    r->seg[SEG_LDTR].attributes = LDT;
    r->seg[SEG_TR].attributes = TSS;
    r->gdtr = r->idtr = (struct hv_table){0, 0xffff};
}

static void reset(struct vcpu *v)
{
    struct hv_regs *r = &v->regs;

    r->rip = 0xfff0;
    r->rflags = RFLAGS_ONE;
    reset_segments(r);
    v->debug_regs = (struct hv_debug_regs){{0, 0, 0, 0}, DR6_RESET, DR7_RESET};
    memset(v->live_dr, 0, sizeof(v->live_dr));
    v->live_dr7 = DR7_RESET;
    v->dr_dirty = true;
    v->event.type = HV_EVENT_NONE;
    v->nmi_pending = v->nmi_blocked = v->interrupt_shadow = false;
    v->core_traps = 0;
    v->valid = v->changed = REGS_ALL;
}

void vcpu_reset(struct vcpu *v)
{
    memset(&v->regs, 0, sizeof(v->regs));
    v->regs.cr0 = CR0_CD | CR0_NW | CR0_ET;
    reset(v);
}

void vcpu_init(struct vcpu *v, uint32_t signature)
{
    struct hv_regs *r = &v->regs;

    vcpu_need(v, REGS_CONTROL | REGS_SYSCALL);
    memset(r->gpr, 0, sizeof(r->gpr));
    r->gpr[GPR_RDX] = signature;
    r->cr0 = (r->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    r->cr2 = r->cr3 = r->cr4 = r->cr8 = r->efer = 0;
    reset(v);
}

void vcpu_start(struct vcpu *v, uint8_t vector)
{
    vcpu_change(v, REGS_SEGMENTS);
    v->regs.seg[SEG_CS].selector = (uint16_t)(vector << 8);
    v->regs.seg[SEG_CS].base = (uint64_t)vector << 12;
    v->regs.rip = 0;
    v->nmi_pending = false; /* one that came while it waited is lost */
}

unsigned vcpu_code_bits(struct vcpu *v)
{
    vcpu_need(v, REGS_SEGMENTS | REGS_CONTROL);
    uint16_t attributes = v->regs.seg[SEG_CS].attributes;

    if (!(v->regs.cr0 & CR0_PE) || (v->regs.rflags & RFLAGS_VM))
        return 16;
    if ((v->regs.efer & EFER_LMA) && (attributes & SEG_ATTR_LONG))
        return 64;
    return attributes & SEG_ATTR_DB ? 32 : 16;
}

unsigned vcpu_cpl(struct vcpu *v)
{
    vcpu_need(v, REGS_SEGMENTS | REGS_CONTROL);
    if (!(v->regs.cr0 & CR0_PE))
        return 0;
    if (v->regs.rflags & RFLAGS_VM)
        return 3;
    return v->regs.seg[SEG_SS].attributes >> SEG_ATTR_DPL_SHIFT & 3;
}

gva_t vcpu_linear_rip(struct vcpu *v)
{
    if (vcpu_code_bits(v) == 64)
        return v->regs.rip;
    return (uint32_t)(v->regs.seg[SEG_CS].base + v->regs.rip);
}

void vcpu_skip(struct vcpu *v, unsigned length)
{
    uint64_t rip = v->regs.rip + length;

    switch (vcpu_code_bits(v)) {
    case 16:
        /* A 16-bit RIP does not wrap: past the end the fetch faults, as on the bare processor. */
    case 32:
        rip = (uint32_t)rip;
        break;
    default:
        break;
    }
    v->regs.rip = rip;
    v->regs.rflags &= ~RFLAGS_RF;
    v->interrupt_shadow = false;
}

void vcpu_raise(struct vcpu *v, uint8_t vector)
{
    v->event = (struct hv_event){.type = HV_EVENT_EXCEPTION, .vector = vector};
}

void vcpu_raise_error(struct vcpu *v, uint8_t vector, uint32_t error)
{
    v->event = (struct hv_event){
        .type = HV_EVENT_EXCEPTION, .vector = vector, .has_error = true, .error = error};
}

void vcpu_raise_step(struct vcpu *v)
{
    v->debug_regs.dr6 |= DR6_BS;
    vcpu_raise(v, VECTOR_DB);
}

const char *vcpu_mode_name(struct vcpu *v)
{
    vcpu_need(v, REGS_CONTROL | REGS_SEGMENTS);
    unsigned bits = vcpu_code_bits(v);

    if (!(v->regs.cr0 & CR0_PE))
        return "real mode";
    if (v->regs.rflags & RFLAGS_VM)
        return "virtual-8086 mode";
    if (v->regs.efer & EFER_LMA)
        return bits == 64 ? "64-bit mode" : "compatibility mode";
    return bits == 32 ? "32-bit protected mode" : "16-bit protected mode";
}
