/* `monitor why`: the last exception, or the state, in words that name what is wrong. */
#include "arch/x86/registers.h"
#include "arch/x86/walk.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/operand.h"
#include "core/segment.h"
#include "debug/catch.h"
#include "debug/exceptions.h"
#include "debug/gate.h"
#include "debug/monitor.h"
#include "hv/compiler.h"

enum { PRESENT = 1, WRITABLE = 2, USER = 4, LEVELS = 5 };
#define NO_EXECUTE HV_BIT(63)

/* Error code of #PF (SDM vol. 3, "Page-Fault Exceptions"), and of those about a selector. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RESERVED = 8, PF_FETCH = 16, PF_KEY = 32, PF_SHADOW = 64 };
enum { SELECTOR_EXT = 1, SELECTOR_IDT = 2, SELECTOR_LDT = 4 };

/* The entries that a walk reads, the top one first. */
static struct {
    unsigned count;
    gpa_t address[LEVELS];
    uint64_t entry[LEVELS];
} path;

static bool read_entry(uint64_t address, void *buf, size_t size)
{
    uint64_t entry = 0;

    if (path.count == LEVELS || guest_phys_read(address, buf, size) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        entry |= (uint64_t)((const uint8_t *)buf)[i] << 8 * i;
    path.address[path.count] = address;
    path.entry[path.count++] = entry;
    return true;
}

/* Fills path; the answer is that of guest_translate(), which knows which bits are reserved. */
static bool walk(struct vcpu *v, gva_t address, struct x86_translation *t)
{
    bool devices = guest_memory_devices_allowed(), mapped;
    struct x86_translation again;

    guest_memory_allow_devices(false);
    mapped = guest_translate(v, address, t);
    struct x86_paging paging = {v->regs.cr0, v->regs.cr3, v->regs.cr4, v->regs.efer, 52};
    path.count = 0;
    x86_walk(&paging, address, read_entry, &again);
    guest_memory_allow_devices(devices);
    return mapped;
}

static const char *level_name(unsigned level)
{
    static const char *const names[] = {"no level", "page table", "page directory",
                                        "level 3",  "level 4",    "level 5"};
    return names[level];
}

/* The level of the first entry of path with these bits so; 0: none. */
static unsigned find_level(const struct vcpu *v, const struct x86_translation *t, uint64_t bits,
                           bool set)
{
    bool pae = (v->regs.cr4 & CR4_PAE) && !(v->regs.efer & EFER_LMA);
    unsigned top = t->level + path.count - 1;

    for (unsigned i = 0; i < path.count; i++) {
        if (pae && top - i == 3) /* these entries permit nothing and forbid nothing */
            continue;
        if (!(path.entry[i] & bits) != set)
            return top - i;
    }
    return 0;
}

static void print_path(const struct x86_translation *t)
{
    for (unsigned i = 0; i < path.count; i++) {
        uint64_t e = path.entry[i];

        monitor_line("  %-14s at %llx: %016llx%s%s%s%s", level_name(t->level + path.count - 1 - i),
                     U(path.address[i]), U(e), e & PRESENT ? " present" : " not present",
                     e & WRITABLE ? " write" : "", e & USER ? " user" : "",
                     e & NO_EXECUTE ? " nx" : "");
    }
}

static void blame(unsigned level, const char *what)
{
    monitor_line("because the %s entry %s", level_name(level), what);
}

/* The page was there; which permission was it? */
static void explain_permission(const struct vcpu *v, const struct x86_translation *t,
                               uint32_t error)
{
    unsigned level;

    if ((error & PF_FETCH) && (level = find_level(v, t, NO_EXECUTE, true)))
        blame(level, "has NX (no execute)");
    else if ((error & PF_FETCH) && !(error & PF_U) && t->user && (v->regs.cr4 & CR4_SMEP))
        monitor_line("because of SMEP: ring 0 executes no page of ring 3's");
    else if (error & PF_KEY)
        monitor_line("because of the page's protection key, %u", (unsigned)(t->entry >> 59 & 0xf));
    else if ((error & PF_U) && (level = find_level(v, t, USER, false)))
        blame(level, "is not for ring 3 (U/S is 0)");
    else if ((error & PF_W) && (level = find_level(v, t, WRITABLE, false)))
        blame(level, "is read-only (R/W is 0)");
    else if (!(error & (PF_U | PF_FETCH)) && t->user && (v->regs.cr4 & CR4_SMAP) &&
             !(v->regs.rflags & RFLAGS_AC))
        monitor_line("because of SMAP: ring 0 touches no page of ring 3's while AC is 0");
    else
        monitor_line("now the mapping permits it");
}

static void explain_page(struct vcpu *v, const struct exception_record *r)
{
    struct x86_translation t;
    uint32_t error = r->error;
    bool mapped = walk(v, r->cr2, &t);

    monitor_line("%s %llx from ring %u%s",
                 error & PF_FETCH ? "fetch at"
                 : error & PF_W   ? "write to"
                                  : "read of",
                 U(r->cr2), error & PF_U ? 3 : 0, error & PF_SHADOW ? ", of a shadow stack" : "");
    print_path(&t);
    if (!mapped)
        monitor_line("because of the %s: %s", t.level ? level_name(t.level) : "address",
                     x86_walk_reason_name(t.reason));
    else if (error & PF_RESERVED)
        monitor_line("because of a reserved bit, which is clear now");
    else if (!(error & PF_P))
        monitor_line("now it is mapped");
    else
        explain_permission(v, &t, error);
    if (r->cr3 != v->regs.cr3)
        monitor_line("(CR3 was %llx then; this is how it looks with the present one)", U(r->cr3));
}

static void explain_selector(struct vcpu *v, uint32_t error)
{
    uint16_t selector = error & 0xfff8;
    struct hv_segment s;

    if (error & SELECTOR_IDT) {
        monitor_line("because of the IDT's gate of vector %u%s", selector >> 3,
                     error & SELECTOR_EXT ? ", for an event from outside" : "");
        return;
    }
    const char *table = error & SELECTOR_LDT ? "LDT" : "GDT";
    if (!segment_read(v, (uint16_t)(error & ~3U), &s)) {
        monitor_line("because of selector %04x: outside the %s's limit, or not mapped", selector,
                     table);
        return;
    }
    monitor_line("because of selector %04x in the %s%s:", selector, table,
                 s.attributes & SEG_ATTR_PRESENT ? "" : ", not present");
    monitor_line("  base %llx limit %x attributes %03x", U(s.base), (unsigned)s.limit,
                 (unsigned)s.attributes);
}

static void explain_protection(struct vcpu *v)
{
    enum { WRMSR = 0x30, RDMSR = 0x32, MOV_TO_CR = 0x22 };
    struct x86_translation t;
    struct x86_insn insn;
    gva_t address;

    if (insn_at_rip(v, &insn) != HV_OK) {
        monitor_line("the instruction cannot be read");
        return;
    }
    bool two = insn.map == X86_MAP_0F;
    if (operand_address(v, &insn, &address) && !walk(v, address, &t) &&
        t.reason == X86_WALK_NON_CANONICAL)
        monitor_line("because its operand %llx is not a canonical address", U(address));
    else if (two && (insn.opcode == WRMSR || insn.opcode == RDMSR))
        monitor_line("because of MSR %x: there is none, or it does not take the value",
                     (unsigned)v->regs.gpr[GPR_RCX]);
    else if (two && insn.opcode == MOV_TO_CR)
        monitor_line("because CR%u does not take %llx", (unsigned)insn.reg,
                     U(v->regs.gpr[insn.rm & 15]));
    else if (vcpu_cpl(v))
        monitor_line("because ring %u may not do this, or an operand is outside its segment",
                     vcpu_cpl(v));
    else
        monitor_line("because of an operand: outside its segment, misaligned, or reserved");
}

static void explain_exception(struct vcpu *v, const struct exception_record *r)
{
    const char *name = catch_exception_name(r->vector);

    monitor_line("%s (vector %u) at %04x:%llx, ring %u, error %x", name ? name : "exception",
                 (unsigned)r->vector, (unsigned)r->cs, U(r->rip), (unsigned)r->cpl,
                 (unsigned)r->error);
    if (r->vector == VECTOR_PF)
        explain_page(v, r);
    else if (r->vector >= VECTOR_TS && r->vector <= VECTOR_GP && r->error)
        explain_selector(v, r->error);
    else if (r->vector == VECTOR_GP && r->rip == v->regs.rip)
        explain_protection(v);
}

/* How the gate of a vector would do; NULL: well. */
static const char *gate_fault(struct vcpu *v, unsigned vector)
{
    struct x86_translation t;
    struct gate gate;
    gva_t handler;

    if (!gate_read(v, vector, &gate))
        return "beyond the IDT's limit, or not in memory";
    if (gate.real)
        return NULL;
    if (!(gate.type & GATE_PRESENT))
        return "not present";
    if ((gate.type & GATE_TYPE_MASK) == GATE_TASK && !gate.wide)
        return NULL;
    if (!gate_has_handler(&gate))
        return "no gate at all, by its type";
    if (!gate_handler(v, &gate, &handler))
        return "one whose code segment is not there";
    return walk(v, handler, &t) ? NULL : "one whose handler is not mapped";
}

static void explain_state(struct vcpu *v)
{
    static const uint8_t vectors[] = {VECTOR_DF, VECTOR_GP, VECTOR_PF};
    struct x86_translation t;
    unsigned faults = 0;

    vcpu_need(v, REGS_ALL);
    gva_t stack = v->regs.gpr[GPR_RSP] - 8;
    if (vcpu_code_bits(v) != 64)
        stack = (uint32_t)(stack + v->regs.seg[SEG_SS].base);
    if (!walk(v, vcpu_linear_rip(v), &t) && ++faults)
        monitor_line("the instruction at %llx: %s", U(vcpu_linear_rip(v)),
                     x86_walk_reason_name(t.reason));
    if (!walk(v, stack, &t) && ++faults)
        monitor_line("the stack at %llx: %s", U(stack), x86_walk_reason_name(t.reason));
    for (unsigned i = 0; i < HV_ARRAY_SIZE(vectors); i++) {
        const char *fault = gate_fault(v, vectors[i]);

        if (fault && ++faults)
            monitor_line("the gate of %s is %s", catch_exception_name(vectors[i]), fault);
    }
    if (!faults)
        monitor_line("instruction and stack are mapped, the gates of #DF, #GP and #PF usable");
}

bool monitor_why(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    const struct exception_record *r = exceptions_get(v->number, 0);
    uint64_t address;

    vcpu_need(v, REGS_ALL);
    if (monitor_take_number(&rest, &address)) {
        struct x86_translation t;

        if (!monitor_at_end(rest))
            return false;
        bool mapped = walk(v, address, &t);
        print_path(&t);
        monitor_line("%llx: %s", U(address), x86_walk_reason_name(t.reason));
        if (mapped)
            monitor_line("physical address %llx", U(t.gpa));
        return true;
    }
    if (!monitor_at_end(rest))
        return false;
    if (r)
        explain_exception(v, r);
    else
        monitor_line("no exception was seen; `monitor exceptions on` keeps them");
    explain_state(v);
    return true;
}
