#include "core/task_switch.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/segment.h"
#include "hv/compiler.h"
#include "lib/string.h"

enum { GPRS = 8, TSS32_SIZE = 104, LINK = 0 };

/* Where things are in a TSS: SDM vol. 3, "Task-State Segment (TSS)", "16-Bit Task-State Segment".
 */
struct tss_layout {
    uint8_t width;                                                         /* bytes of a register */
    uint8_t cr3, ip, flags, gpr, segments, segment_count, ldt, trap, size; /* 0: there is none */
};
static const struct tss_layout tss32 = {4, 28, 32, 36, 40, 72, 6, 96, 100, TSS32_SIZE};
static const struct tss_layout tss16 = {2, 0, 14, 16, 18, 34, 4, 42, 0, 44};

struct task {
    const struct tss_layout *layout;
    struct hv_segment tss;
    uint8_t bytes[TSS32_SIZE];
};

static const struct tss_layout *layout_of(const struct hv_segment *tss)
{
    return tss->attributes & SEG_TYPE_32 ? &tss32 : &tss16;
}

static bool is_nested(const struct hv_exit *exit)
{
    return exit->task.source == HV_TASK_CALL || exit->task.source == HV_TASK_GATE;
}

/* An event that is not the program's own doing: bit EXT of error codes. */
static uint32_t external(const struct vcpu *v, const struct hv_exit *exit)
{
    return exit->task.source == HV_TASK_GATE && v->event.type != HV_EVENT_SOFT &&
           v->event.type != HV_EVENT_NONE;
}

static enum core_result fault(struct vcpu *v, uint8_t vector, uint16_t selector, uint32_t ext)
{
    vcpu_raise_error(v, vector, (selector & 0xfffcU) | ext);
    return CORE_RAISED;
}

static uint32_t get(const uint8_t *bytes, unsigned width)
{
    uint32_t value = 0;

    memcpy(&value, bytes, width);
    return value;
}

/* Reads the new TSS. 0, or the vector of the exception: nothing is changed yet. */
static uint8_t open_task(struct vcpu *v, const struct hv_exit *exit, struct task *task)
{
    bool back = exit->task.source == HV_TASK_IRET;
    uint16_t selector = exit->task.selector;
    unsigned type;

    if ((selector & 4) || !segment_read(v, selector, &task->tss))
        return back ? VECTOR_TS : VECTOR_GP;
    task->layout = layout_of(&task->tss);
    type = task->tss.attributes & SEG_TYPE_MASK & ~(unsigned)SEG_TYPE_32;
    if (type != (back ? SEG_TYPE_TSS16 | SEG_TYPE_BUSY : SEG_TYPE_TSS16))
        return back ? VECTOR_TS : VECTOR_GP;
    if (!(task->tss.attributes & SEG_ATTR_PRESENT))
        return VECTOR_NP;
    if (task->tss.limit < task->layout->size - 1U ||
        guest_linear_read(v, task->tss.base, task->bytes, task->layout->size) != task->layout->size)
        return VECTOR_TS;
    return 0;
}

/* The old task's state goes to its TSS: what lies between EIP and the segments. */
static bool save_task(struct vcpu *v, const struct hv_exit *exit)
{
    const struct hv_segment *tr = &v->regs.seg[SEG_TR];
    const struct tss_layout *l = layout_of(tr);
    uint8_t bytes[TSS32_SIZE] = {0};
    uint64_t flags = v->regs.rflags, rip = v->regs.rip;
    unsigned end = l->segments + l->segment_count * l->width;

    if (exit->task.source == HV_TASK_IRET)
        flags &= ~RFLAGS_NT;
    if (v->event.type == HV_EVENT_SOFT || v->event.type == HV_EVENT_NONE) {
        bool known = v->event.type == HV_EVENT_SOFT && v->event.insn_length;
        rip += known ? v->event.insn_length : insn_length(v, exit);
        flags &= ~RFLAGS_RF; /* used up by this instruction */
    }
    if (tr->limit < end - 1)
        return false;
    memcpy(bytes + l->ip, &rip, l->width);
    memcpy(bytes + l->flags, &flags, l->width);
    for (unsigned i = 0; i < GPRS; i++)
        memcpy(bytes + l->gpr + i * l->width, &v->regs.gpr[i], l->width);
    for (unsigned i = 0; i < l->segment_count; i++)
        memcpy(bytes + l->segments + i * l->width, &v->regs.seg[i].selector, 2);
    return guest_linear_write(v, tr->base + l->ip, bytes + l->ip, end - l->ip) == end - l->ip;
}

/* Who is busy, and who is behind whom; then TR. */
static void link_tasks(struct vcpu *v, const struct hv_exit *exit, struct task *task)
{
    struct hv_segment *tr = &v->regs.seg[SEG_TR];

    if (is_nested(exit)) {
        guest_linear_write(v, task->tss.base + LINK, &tr->selector, 2);
    } else {
        tr->attributes &= ~(uint16_t)SEG_TYPE_BUSY;
        segment_write_type(v, tr);
    }
    task->tss.attributes |= SEG_TYPE_BUSY;
    segment_write_type(v, &task->tss);
    *tr = task->tss;
}

/* Registers but segments. */
static void load_registers(struct vcpu *v, const struct hv_exit *exit, const struct task *task)
{
    const struct tss_layout *l = task->layout;
    struct hv_regs *r = &v->regs;

    if (l->cr3 && (r->cr0 & CR0_PG))
        r->cr3 = get(task->bytes + l->cr3, 4);
    r->cr0 |= CR0_TS;
    r->rip = get(task->bytes + l->ip, l->width);
    r->rflags = get(task->bytes + l->flags, l->width) | RFLAGS_ONE;
    if (is_nested(exit))
        r->rflags |= RFLAGS_NT;
    for (unsigned i = 0; i < GPRS; i++) {
        r->gpr[i] = l->width == 2 ? r->gpr[i] & 0xffff0000 : 0;
        r->gpr[i] |= get(task->bytes + l->gpr + i * l->width, l->width);
    }
    v->debug_regs.dr7 &= ~(DR7_L(0) | DR7_L(1) | DR7_L(2) | DR7_L(3) | DR7_LE);
    debug_regs_update(v);
}

/* LDTR and the segments; *bad: the selector that raises. */
static uint8_t load_segments(struct vcpu *v, const struct task *task, uint16_t *bad)
{
    static const enum hv_segment_name order[] = {SEG_CS, SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    const struct tss_layout *l = task->layout;
    uint16_t selectors[6] = {0};
    uint8_t vector;

    for (unsigned i = 0; i < l->segment_count; i++)
        selectors[i] = (uint16_t)get(task->bytes + l->segments + i * l->width, 2);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(selectors); i++)
        v->regs.seg[i].selector = selectors[i];
    *bad = (uint16_t)get(task->bytes + l->ldt, 2);
    v->regs.seg[SEG_LDTR] = (struct hv_segment){.selector = *bad};
    vector = segment_load(v, SEG_LDTR, *bad, 0);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(order) && !vector; i++) {
        *bad = selectors[order[i]];
        if (v->regs.rflags & RFLAGS_VM)
            segment_load_v86(v, order[i], *bad);
        else
            vector = segment_load(v, order[i], *bad, selectors[SEG_CS] & 3U);
    }
    return vector;
}

/* The error code of the exception that came through the gate, on the new task's stack. */
static bool push_error(struct vcpu *v, uint32_t error, unsigned width)
{
    const struct hv_segment *ss = &v->regs.seg[SEG_SS];
    uint64_t *rsp = &v->regs.gpr[GPR_RSP];
    uint64_t mask = ss->attributes & SEG_ATTR_DB ? UINT32_MAX : UINT16_MAX;
    uint64_t top = (*rsp - width) & mask;

    *rsp = (*rsp & ~mask) | top;
    return guest_linear_write(v, (uint32_t)(ss->base + top), &error, width) == width;
}

enum core_result task_switch(struct vcpu *v, const struct hv_exit *exit)
{
    struct task task;
    uint16_t bad = exit->task.selector;
    uint32_t ext = external(v, exit);

    vcpu_change(v, REGS_SEGMENTS | REGS_TABLES | REGS_CONTROL);
    uint8_t vector = open_task(v, exit, &task);
    if (vector)
        return fault(v, vector, bad, ext);
    if (!save_task(v, exit))
        return fault(v, VECTOR_TS, v->regs.seg[SEG_TR].selector, ext);
    link_tasks(v, exit, &task);
    load_registers(v, exit, &task);

    struct hv_event event = v->event;
    v->event.type = HV_EVENT_NONE;
    v->interrupt_shadow = false;
    if (event.type == HV_EVENT_NMI)
        v->nmi_blocked = true;
    else if (exit->task.source == HV_TASK_IRET)
        v->nmi_blocked = false;

    vector = load_segments(v, &task, &bad);
    if (vector)
        return fault(v, vector, bad, ext);
    if (event.type == HV_EVENT_EXCEPTION && event.has_error &&
        !push_error(v, event.error, task.layout->width))
        return fault(v, VECTOR_SS, 0, ext);
    if (task.layout->trap && (task.bytes[task.layout->trap] & 1)) {
        v->debug_regs.dr6 |= DR6_BT;
        vcpu_raise(v, VECTOR_DB);
        return CORE_RAISED;
    }
    return CORE_DONE;
}
