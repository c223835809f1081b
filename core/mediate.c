#include "core/mediate.h"

#include "core/backend.h"
#include "core/insn_bytes.h"
#include "core/stage2.h"
#include "hv/compiler.h"
#include "lib/string.h"

enum { PAGE = 4096, LARGE = 2 << 20, MAX_MEDIATORS = 4, OPEN = 2, SLOT = 16 };

struct open_page {
    bool used, write;
    gpa_t address;                   /* of the access */
    const struct mediator *mediator; /* NULL: there is nothing */
};

static struct mediator mediators[MAX_MEDIATORS];
static unsigned changes;           /* of reads_pass, so far */
static unsigned seen[HV_MAX_CPUS]; /* and how many this CPU has flushed for */
static unsigned mediator_count;
static struct open_page open_pages[HV_MAX_CPUS][OPEN];
static uint8_t dummies[HV_MAX_CPUS][OPEN][PAGE] HV_ALIGNED(PAGE);

/* What the guest can do with a mediator's pages by itself. */
static unsigned closed_access(const struct mediator *m)
{
    return m && m->reads_pass ? STAGE2_READ : STAGE2_NONE;
}

static enum hv_status close_pages(const struct mediator *m)
{
    for (gpa_t a = m->start; a < m->end;) {
        bool large = a % LARGE == 0 && m->end - a >= LARGE;
        unsigned access = closed_access(m);
        enum hv_status status = large ? stage2_map_large(a, a, access) : stage2_map(a, a, access);
        if (status != HV_OK)
            return status;
        a += large ? LARGE : PAGE;
    }
    return HV_OK;
}

enum hv_status mediate_add(const struct mediator *m)
{
    if (mediator_count == MAX_MEDIATORS)
        return HV_ENOSPC;
    enum hv_status status = close_pages(m);
    if (status != HV_OK)
        return status;
    mediators[mediator_count++] = *m;
    return HV_OK;
}

static struct mediator *find(gpa_t address)
{
    for (unsigned i = 0; i < mediator_count; i++) {
        if (address >= mediators[i].start && address < mediators[i].end)
            return &mediators[i];
    }
    return NULL;
}

void mediate_pass_reads(struct vcpu *v, gpa_t start, bool pass)
{
    struct mediator *m = find(start);

    if (!m)
        return;
    if (m->reads_pass != pass) {
        m->reads_pass = pass;
        close_pages(m);
        changes++;
    }
    if (seen[v->number] != changes)
        hv_backend->flush(v);
    seen[v->number] = changes;
}

/* A page opened by a read and written by the same instruction (OR, XCHG ...). */
static bool open_for_writing(struct vcpu *v, gpa_t address)
{
    struct open_page *pages = open_pages[v->number];
    gpa_t page = HV_ALIGN_DOWN(address, PAGE);

    for (unsigned i = 0; i < OPEN && pages[i].used; i++) {
        if (HV_ALIGN_DOWN(pages[i].address, PAGE) != page || pages[i].write)
            continue;
        pages[i].write = true;
        pages[i].address = address;
        stage2_open(v->number, page, (hpa_t)dummies[v->number][i], STAGE2_READ | STAGE2_WRITE);
        hv_backend->flush(v);
        return true;
    }
    return false;
}

bool mediate_begin(struct vcpu *v, gpa_t address, bool write)
{
    struct open_page *pages = open_pages[v->number];
    unsigned i = pages[0].used;
    hpa_t hpa;
    unsigned access;

    if (write && open_for_writing(v, address))
        return true;
    const struct mediator *m = find(address);
    bool present = stage2_lookup(address, &hpa, &access);
    if ((present && !(m && m->reads_pass && write)) || pages[1].used)
        return false;
    uint8_t *dummy = dummies[v->number][i];
    memset(dummy, 0, PAGE);
    pages[i] = (struct open_page){true, write, address, m};
    if (pages[i].mediator && pages[i].mediator->before)
        pages[i].mediator->before(v, address, dummy);
    gpa_t page = HV_ALIGN_DOWN(address, PAGE);
    unsigned opened = STAGE2_READ | (write ? STAGE2_WRITE : 0);
    if (stage2_open(v->number, page, (hpa_t)dummy, opened) != HV_OK) {
        pages[i].used = false;
        return false;
    }
    hv_backend->flush(v);
    return true;
}

enum { OPCODE_STORE = 0x89, OPCODE_LOAD = 0x8b, OPCODE_STORE_IMMEDIATE = 0xc7 };

/* A MOV of 4 bytes with a memory operand. */
static bool is_plain_move(const struct x86_insn *insn)
{
    return insn->encoding == X86_LEGACY && insn->map == X86_MAP_ONE_BYTE && insn->mod != 3 &&
           insn->operand_size == 4 && !insn->lock &&
           (insn->opcode == OPCODE_STORE || insn->opcode == OPCODE_LOAD ||
            insn->opcode == OPCODE_STORE_IMMEDIATE);
}

bool mediate_move(struct vcpu *v, gpa_t address, bool write)
{
    uint8_t *dummy = dummies[v->number][0];
    const struct mediator *m = find(address);
    struct x86_insn insn;

    if (!m || address % 4 || (v->live_dr7 & 0xff) || open_pages[v->number][0].used ||
        insn_at_rip(v, &insn) != HV_OK || !is_plain_move(&insn) ||
        write != (insn.opcode != OPCODE_LOAD))
        return false;

    uint8_t *place = dummy + address % PAGE;
    memset(dummy + HV_ALIGN_DOWN(address % PAGE, SLOT), 0, SLOT);
    if (m->before)
        m->before(v, address, dummy);
    if (write) {
        uint64_t value = 0;
        unsigned size = 0;
        insn_stores(v, &insn, &value, &size);
        memcpy(place, &value, size);
        if (m->after_write)
            m->after_write(v, address, dummy);
    } else {
        uint32_t value;
        memcpy(&value, place, sizeof(value));
        v->regs.gpr[insn.reg] = value;
    }
    vcpu_skip(v, insn.length);
    return true;
}

void mediate_end(struct vcpu *v, bool done)
{
    struct open_page *pages = open_pages[v->number];

    if (!pages[0].used)
        return;
    stage2_close(v->number);
    hv_backend->flush(v);
    for (unsigned i = 0; i < OPEN && pages[i].used; i++) {
        const struct mediator *m = pages[i].mediator;
        if (done && pages[i].write && m && m->after_write)
            m->after_write(v, pages[i].address, dummies[v->number][i]);
        pages[i].used = false;
    }
}
