#include "tests/model/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/step_trap.h"
#include "tests/model/memory.h"

struct model_record model_records[MODEL_RECORDS];
unsigned model_entries, model_flushes, model_nmis, model_remaps, model_flushed;
unsigned model_nmis_pending;
bool model_shadow_after;
struct hv_regs model_processor;
void (*model_script_end)(void);

static const struct model_entry *script;
static unsigned script_length, script_next;

enum { ALWAYS_VALID = offsetof(struct hv_regs, seg), RUBBISH = 0xa5 };

static void fail(const char *what, unsigned value)
{
    fprintf(stderr, "model backend: %s %u\n", what, value);
    abort();
}

static void copy_groups(struct hv_regs *to, const struct hv_regs *from, unsigned groups)
{
    if (groups & REGS_SEGMENTS)
        memcpy(to->seg, from->seg, sizeof(to->seg));
    if (groups & REGS_TABLES) {
        to->gdtr = from->gdtr;
        to->idtr = from->idtr;
    }
    if (groups & REGS_CONTROL)
        memcpy(&to->cr0, &from->cr0,
               offsetof(struct hv_regs, star) - offsetof(struct hv_regs, cr0));
    if (groups & REGS_SYSCALL)
        memcpy(&to->star, &from->star,
               offsetof(struct hv_regs, pat) - offsetof(struct hv_regs, star));
    if (groups & REGS_PAT)
        to->pat = from->pat;
}

static void record(const struct vcpu *v, enum hv_run_mode mode)
{
    struct model_record *r = &model_records[model_entries];

    if (++model_entries > MODEL_RECORDS)
        fail("too many entries:", model_entries);
    *r = (struct model_record){.mode = mode,
                               .rip = v->regs.rip,
                               .rflags = v->regs.rflags,
                               .event = v->event,
                               .traps = vcpu_traps(v, false),
                               .exceptions = vcpu_exceptions(v, vcpu_traps(v, false)),
                               .passing = v->passing,
                               .live_dr7 = v->live_dr7,
                               .debugctl = v->debug_regs.debugctl,
                               .interrupt_shadow = v->interrupt_shadow};
    memcpy(r->live_dr, v->live_dr, sizeof(r->live_dr));
}

static void model_run(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit)
{
    if (script_next == script_length) {
        if (model_script_end)
            model_script_end();
        fail("entered once more than the script says:", script_next);
    }
    const struct model_entry *entry = &script[script_next++];
    if (entry->mode != mode)
        fail("another mode of running than the script says at", script_next - 1);

    record(v, mode);
    copy_groups(&model_processor, &v->regs, v->changed);
    memcpy(&model_processor, &v->regs, ALWAYS_VALID);
    v->changed = 0;
    v->dr_dirty = false;
    if (v->event.type == HV_EVENT_NMI)
        v->nmi_blocked = true;
    v->event.type = HV_EVENT_NONE;

    if (entry->guest)
        entry->guest(&model_processor);
    memset(&v->regs, RUBBISH, sizeof(v->regs));
    memcpy(&v->regs, &model_processor, ALWAYS_VALID);
    v->valid = 0;
    v->interrupt_shadow = model_shadow_after;
    *exit = entry->exit;
    v->exits[exit->kind]++;
}

static void model_reset(struct vcpu *v)
{
    v->changed = REGS_ALL;
}

/* Nobody is there to wake it. */
static unsigned model_wait(struct vcpu *v)
{
    if (model_script_end)
        model_script_end();
    fail("a CPU waits:", v->number);
    return 0;
}

static void model_fetch(struct vcpu *v, unsigned groups)
{
    copy_groups(&v->regs, &model_processor, groups);
}

static void model_flush(struct vcpu *v)
{
    model_flushes++;
    model_flushed |= 1U << v->number;
}

static unsigned model_take_nmi(void)
{
    unsigned taken = model_nmis_pending;

    model_nmis++;
    model_nmis_pending = 0;
    return taken;
}

static void model_remap(void)
{
    model_remaps++;
}

static void model_dump(struct vcpu *v, void (*line)(const char *text))
{
    (void)v;
    line("raw state");
}

static const struct hv_backend model_backend = {
    .name = "model",
    .run = model_run,
    .step = core_step_by_trap,
    .fetch = model_fetch,
    .take_nmi = model_take_nmi,
    .reset = model_reset,
    .wait = model_wait,
    .flush = model_flush,
    .remap = model_remap,
    .dump = model_dump,
};

void model_code_bits(struct vcpu *v, unsigned bits)
{
    struct hv_segment *cs;

    vcpu_change(v, REGS_SEGMENTS | REGS_CONTROL);
    cs = &v->regs.seg[SEG_CS];
    cs->attributes =
        (uint16_t)((cs->attributes & ~(SEG_ATTR_LONG | SEG_ATTR_DB)) | (bits == 64   ? SEG_ATTR_LONG
                                                                        : bits == 32 ? SEG_ATTR_DB
                                                                                     : 0));
    v->regs.efer = bits == 64 ? EFER_LME | EFER_LMA : 0;
    v->regs.cr0 |= CR0_PE;
}

void model_ring(struct vcpu *v, unsigned ring)
{
    struct hv_segment *ss;

    vcpu_change(v, REGS_SEGMENTS);
    ss = &v->regs.seg[SEG_SS];
    ss->attributes =
        (uint16_t)((ss->attributes & ~(3U << SEG_ATTR_DPL_SHIFT)) | ring << SEG_ATTR_DPL_SHIFT);
}

struct vcpu *model_backend_reset(void)
{
    static const struct debug_slot none;
    struct vcpu *v = vcpu_get(0);

    hv_backend = &model_backend;
    model_memory_reset();
    memset(v, 0, sizeof(*v));
    vcpu_reset(v);
    for (unsigned i = 0; i < SEG_TR; i++) {
        v->regs.seg[i].base = 0;
        v->regs.seg[i].limit = UINT32_MAX;
        v->regs.seg[i].attributes = i == SEG_CS ? 0x89b : 0xc93;
    }
    model_code_bits(v, 64);
    v->regs.rip = 0x1000;
    v->regs.gpr[GPR_RSP] = 0x8000;
    for (unsigned i = 0; i < DEBUG_SLOTS; i++)
        debug_regs_set_user(i, &none);
    debug_regs_update(v);
    model_processor = v->regs;
    model_entries = model_flushes = model_nmis = model_remaps = model_nmis_pending = 0;
    model_shadow_after = false;
    model_script_end = NULL;
    model_script(NULL, 0);
    return v;
}

void model_script(const struct model_entry *entries, unsigned count)
{
    script = entries;
    script_length = count;
    script_next = 0;
}

bool model_script_done(void)
{
    return script_next == script_length;
}
