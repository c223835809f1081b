#include "core/watch_pages.h"

#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/exec_views.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/operand_reads.h"
#include "core/stage2.h"
#include "hv/compiler.h"
#include "lib/string.h"

enum { PAGE = 4096, WIDEST = 64 /* bytes of a vector register */ };

static struct part {
    bool used;
    unsigned id, accesses;
    gpa_t gpa;
    uint64_t size;
} parts[WATCH_PAGES];

static struct {
    bool opened;
    bool noted;
    uint32_t hits;  /* of the step that is under way */
    uint32_t reads; /* and those that only its operands tell of */
} cpus[HV_MAX_CPUS];

static gpa_t page_of(gpa_t gpa)
{
    return HV_ALIGN_DOWN(gpa, (gpa_t)PAGE);
}

unsigned watch_pages_access(gpa_t page)
{
    unsigned access = STAGE2_ALL;

    for (unsigned i = 0; i < WATCH_PAGES; i++) {
        if (parts[i].used && page_of(parts[i].gpa) == page)
            access &=
                parts[i].accesses & WATCH_ON_READ ? STAGE2_NONE : STAGE2_READ | STAGE2_EXECUTE;
    }
    return access;
}

unsigned watch_pages_fetch_access(gpa_t page)
{
    return watch_pages_access(page) | STAGE2_EXECUTE |
           (stage2_execute_only() ? STAGE2_NONE : STAGE2_READ);
}

static bool is_watched(gpa_t page)
{
    return watch_pages_access(page) != STAGE2_ALL;
}

bool watch_pages_has(gpa_t gpa)
{
    return is_watched(page_of(gpa));
}

enum hv_status watch_pages_insert(unsigned id, gpa_t gpa, uint64_t size, unsigned accesses)
{
    gpa_t page = page_of(gpa);
    unsigned i = 0;

    while (i < WATCH_PAGES && parts[i].used)
        i++;
    if (i == WATCH_PAGES)
        return HV_ENOSPC;
    if (!is_watched(page) && !exec_views_guards(page) && !stage2_is_plain(page))
        return HV_ENOSPC;
    parts[i] = (struct part){true, id, accesses, gpa, size};
    if (exec_views_map(page) == HV_OK)
        return HV_OK;
    parts[i].used = false;
    return HV_ENOSPC;
}

void watch_pages_remove(unsigned id)
{
    for (unsigned i = 0; i < WATCH_PAGES; i++) {
        if (!parts[i].used || parts[i].id != id)
            continue;
        parts[i].used = false;
        exec_views_map(page_of(parts[i].gpa));
    }
}

/*
 * SDM vol. 2, "One-byte Opcode Map": those whose last bit tells between a byte and an operand.
 * Arithmetic; groups 1, TEST, XCHG and MOV; strings and MOV with an address; group 2; MOV of an
 * immediate; groups 3 and 4, and INC and DEC of group 5.
 */
static bool is_byte_or_operand(const struct x86_insn *insn)
{
    uint8_t op = insn->opcode;

    return (op < 0x40 && (op & 7) < 4) || (op >= 0x6c && op <= 0x6f) ||
           (op >= 0x80 && op <= 0x8b) || (op >= 0xa0 && op <= 0xaf) || op == 0xc0 || op == 0xc1 ||
           op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) || op == 0xf6 || op == 0xf7 ||
           op == 0xfe || (op == 0xff && (insn->reg & 7) < 2);
}

/* PUSH and POP of all kinds, LEAVE, CALL and RET. */
static bool is_stack(const struct x86_insn *insn)
{
    uint8_t op = insn->opcode, extension = insn->reg & 7;

    return (op >= 0x50 && op <= 0x5f) || op == 0x68 || op == 0x6a || op == 0x8f || op == 0x9c ||
           op == 0x9d || op == 0xc2 || op == 0xc3 || op == 0xc9 || op == 0xe8 ||
           (op == 0xff && (extension == 2 || extension == 6));
}

/* How far an access of the instruction at RIP may reach. */
static unsigned reach(struct vcpu *v)
{
    struct x86_insn insn;

    if (insn_at_rip(v, &insn) != HV_OK || insn.map != X86_MAP_ONE_BYTE)
        return WIDEST;
    if (is_stack(&insn))
        return insn.bits == X86_64 ? 8 : insn.operand_size;
    if (!is_byte_or_operand(&insn))
        return WIDEST;
    return insn.opcode & 1 ? insn.operand_size : 1;
}

/* The widest that an event pushes in this mode, in bytes. */
static unsigned pushed_word(struct vcpu *v)
{
    vcpu_need(v, REGS_CONTROL);
    if (v->regs.efer & EFER_LMA)
        return 8;
    return v->regs.cr0 & CR0_PE ? 4 : 2;
}

/* The first word that an event pushes faults; then the page is open for those below it. */
static uint32_t hits_of(struct vcpu *v, gpa_t address, unsigned access)
{
    enum { FRAME = 40 /* of 64-bit code, below SS */ };
    bool pushes = access == WATCH_ON_WRITE && v->event.type != HV_EVENT_NONE;
    unsigned length = pushes ? pushed_word(v) : 0, below = pushes ? FRAME : 0;
    uint32_t hits = 0;

    for (unsigned i = 0; i < WATCH_PAGES; i++) {
        const struct part *p = &parts[i];
        if (!p->used || page_of(p->gpa) != page_of(address) || !(p->accesses & access) ||
            address >= p->gpa + p->size + below)
            continue;
        if (address < p->gpa && !length)
            length = reach(v);
        if (address >= p->gpa || address + length > p->gpa)
            hits |= (uint32_t)HV_BIT(p->id);
    }
    return hits;
}

static bool are_reads_watched(void)
{
    for (unsigned i = 0; i < WATCH_PAGES; i++) {
        if (parts[i].used && parts[i].accesses & WATCH_ON_READ)
            return true;
    }
    return false;
}

void watch_pages_note_reads(struct vcpu *v)
{
    uint32_t *hits = &cpus[v->number].reads;
    gva_t reads[OPERAND_READS], rip = vcpu_linear_rip(v);
    struct x86_translation t;
    struct x86_insn insn;

    if (!are_reads_watched() || stage2_execute_only() || cpus[v->number].noted ||
        !guest_translate(v, rip, &t) || watch_pages_access(page_of(t.gpa)) & STAGE2_READ ||
        insn_at_rip(v, &insn) != HV_OK)
        return;
    cpus[v->number].noted = true;
    for (unsigned n = operand_reads(v, &insn, reads); n-- > 0;) {
        if (guest_translate(v, reads[n], &t))
            *hits |= hits_of(v, t.gpa, WATCH_ON_READ);
    }
}

bool watch_pages_open(struct vcpu *v, const struct hv_exit *exit)
{
    gpa_t address = exit->stage2.address, page = page_of(address);
    bool write = exit->stage2.write;

    if (!is_watched(page))
        return false;
    /* A fetch or a read first: what the same instruction reads or writes then shall fault, too. */
    unsigned access = STAGE2_READ | STAGE2_EXECUTE | (write ? STAGE2_WRITE : 0);
    if (exit->stage2.execute)
        access = watch_pages_fetch_access(page);
    else
        cpus[v->number].hits |= hits_of(v, address, write ? WATCH_ON_WRITE : WATCH_ON_READ);
    if (write) /* what it names, it did not read */
        cpus[v->number].reads &= ~hits_of(v, address, WATCH_ON_READ);
    if (stage2_open(v->number, page, page, access) != HV_OK)
        return false;
    cpus[v->number].opened = true;
    hv_backend->flush(v);
    return true;
}

void watch_pages_finish_step(struct vcpu *v, bool done)
{
    if (done)
        v->watch_hits |= cpus[v->number].hits | cpus[v->number].reads;
    if (cpus[v->number].opened) {
        stage2_close(v->number);
        hv_backend->flush(v);
    }
    memset(&cpus[v->number], 0, sizeof(cpus[0]));
}
