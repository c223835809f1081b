#include "core/vcpu.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "hv/compiler.h"
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
    v->debug_regs = (struct hv_debug_regs){.dr6 = DR6_RESET, .dr7 = DR7_RESET};
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

uint64_t vcpu_stack_mask(struct vcpu *v)
{
    if (vcpu_code_bits(v) == 64)
        return UINT64_MAX;
    return v->regs.seg[SEG_SS].attributes & SEG_ATTR_DB ? UINT32_MAX : UINT16_MAX;
}

gva_t vcpu_linear_rsp(struct vcpu *v)
{
    uint64_t offset = v->regs.gpr[GPR_RSP] & vcpu_stack_mask(v);

    if (vcpu_code_bits(v) == 64)
        return offset;
    return (uint32_t)(v->regs.seg[SEG_SS].base + offset);
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

/* SDM vol. 3, "Exception Classifications": the rest are traps and aborts; #DB is either. */
static bool is_fault(uint8_t vector)
{
    const uint32_t others = HV_BIT(VECTOR_DB) | HV_BIT(VECTOR_NMI) | HV_BIT(VECTOR_BP) |
                            HV_BIT(VECTOR_OF) | HV_BIT(VECTOR_DF) | HV_BIT(VECTOR_MC);

    return vector < 32 && !(others & HV_BIT(vector));
}

void vcpu_raise(struct vcpu *v, uint8_t vector)
{
    if (is_fault(vector)) /* in the frame, so that no breakpoint is hit twice on the way back */
        v->regs.rflags |= RFLAGS_RF;
    v->event = (struct hv_event){.type = HV_EVENT_EXCEPTION, .vector = vector};
    /* SDM vol. 3, "Single-Stepping on Branches"; APM vol. 2, "Debug-Control MSR (DebugCtl)". An
     * injected #DB leaves them alone. */
    if (vector == VECTOR_DB)
        v->debug_regs.debugctl &= ~(DEBUGCTL_BTF | DEBUGCTL_LBR);
}

void vcpu_raise_error(struct vcpu *v, uint8_t vector, uint32_t error)
{
    vcpu_raise(v, vector);
    v->event.has_error = true;
    v->event.error = error;
}

void vcpu_raise_soft(struct vcpu *v, uint8_t vector, uint8_t length)
{
    v->regs.rflags &= ~RFLAGS_RF; /* its own instruction has used it up */
    v->event = (struct hv_event){.type = HV_EVENT_SOFT, .vector = vector, .insn_length = length};
}

bool vcpu_owes_step(const struct vcpu *v, uint64_t rflags, bool branched)
{
    return (rflags & RFLAGS_TF) && (branched || !(v->debug_regs.debugctl & DEBUGCTL_BTF));
}

void vcpu_raise_step(struct vcpu *v)
{
    v->debug_regs.dr6 |= DR6_BS;
    vcpu_raise(v, VECTOR_DB);
}

unsigned vcpu_traps(const struct vcpu *v, bool by_trap_flag)
{
    unsigned traps = v->passing ? v->traps & ~(unsigned)TRAP_SEEN : v->traps;

    return traps | v->core_traps | (by_trap_flag ? TRAP_STEP : 0);
}

uint32_t vcpu_exceptions(const struct vcpu *v, unsigned traps)
{
    uint32_t exceptions = v->passing ? 0 : v->exceptions;

    if (traps & TRAP_DEBUG)
        exceptions |= HV_BIT(VECTOR_DB);
    if (traps & TRAP_BREAKPOINT)
        exceptions |= HV_BIT(VECTOR_BP);
    if (traps & TRAP_STEP)
        exceptions = UINT32_MAX;
    return exceptions & ~(uint32_t)HV_BIT(VECTOR_NMI);
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
