/* Tables of the processor's in the guest's memory: page tables, IDT, GDT, TSS. */
#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/segment.h"
#include "debug/gate.h"
#include "debug/monitor.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* ---- page tables ---- */

static struct {
    unsigned count;
    struct {
        gpa_t address;
        uint64_t value;
        bool readable;
    } entries[5];
} walk;

static bool read_and_note(uint64_t address, void *buf, size_t size)
{
    bool good = guest_walk_read(address, buf, size);

    if (walk.count < HV_ARRAY_SIZE(walk.entries)) {
        walk.entries[walk.count].address = address;
        walk.entries[walk.count].value = 0;
        walk.entries[walk.count].readable = good;
        if (good)
            memcpy(&walk.entries[walk.count].value, buf, size);
        walk.count++;
    }
    return good;
}

/* SDM vol. 3, "Format of ... Paging-Structure Entries": the low bits mean the same at all levels.
 */
static void print_entry(unsigned level, gpa_t address, uint64_t entry)
{
    static const char *const names[] = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {{1, "W"}, {2, "U"},  {3, "PWT"}, {4, "PCD"}, {5, "A"},
                {6, "D"}, {7, "PS"}, {8, "G"},   {63, "NX"}};
    char flags[48] = "";
    size_t length = 0;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(bits); i++) {
        if (bits[i].bit == 7 && level == 1) /* PAT there */
            continue;
        if (entry & HV_BIT(bits[i].bit))
            length += fmt_print(flags + length, sizeof(flags) - length, " %s", bits[i].name);
    }
    monitor_line("%-5s at %13llx: %016llx %s", names[level], U(address), U(entry),
                 entry & 1 ? flags : " not present");
}

static const char *page_name(uint64_t size)
{
    switch (size) {
    case 4ULL << 10:
        return "4 KiB";
    case 2ULL << 20:
        return "2 MiB";
    case 4ULL << 20:
        return "4 MiB";
    default:
        return "1 GiB";
    }
}

static void print_paging(const struct x86_paging *paging, gva_t address)
{
    const char *mode = "32-bit";

    if (paging->efer & EFER_LMA)
        mode = paging->cr4 & CR4_LA57 ? "5-level" : "4-level";
    else if (paging->cr4 & CR4_PAE)
        mode = "PAE";
    if (paging->cr0 & CR0_PG)
        monitor_line("%llx by %s paging, cr3 %llx", U(address), mode, U(paging->cr3));
    else
        monitor_line("%llx is physical: no paging", U(address));
}

bool monitor_pt(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    struct x86_paging paging = guest_paging(v);
    struct x86_translation t;
    uint64_t address;

    if (!monitor_take_number(&rest, &address) || !monitor_at_end(rest))
        return false;
    walk.count = 0;
    x86_walk(&paging, address, read_and_note, &t);
    print_paging(&paging, address);
    for (unsigned i = 0; i < walk.count; i++) {
        unsigned level = t.level + walk.count - 1 - i;
        if (walk.entries[i].readable)
            print_entry(level, walk.entries[i].address, walk.entries[i].value);
    }
    if (t.reason != X86_WALK_OK)
        monitor_line("-> %s", x86_walk_reason_name(t.reason));
    else if (paging.cr0 & CR0_PG)
        monitor_line("-> physical %llx, a page of %s, %s, %s%s", U(t.gpa), page_name(t.page_size),
                     t.writable ? "writable" : "read-only", t.user ? "user" : "supervisor",
                     t.no_execute ? ", no execute" : "");
    return true;
}

/* ---- IDT ---- */

static bool is_long_mode(struct vcpu *v)
{
    vcpu_need(v, REGS_ALL);
    return v->regs.efer & EFER_LMA;
}

static const char *gate_name(uint8_t type)
{
    switch (type & GATE_TYPE_MASK) {
    case 0x4:
        return "16-bit call gate";
    case 0x5:
        return "task gate";
    case 0x6:
        return "16-bit interrupt gate";
    case 0x7:
        return "16-bit trap gate";
    case 0xc:
        return "call gate";
    case 0xe:
        return "interrupt gate";
    case 0xf:
        return "trap gate";
    default:
        return "no gate";
    }
}

static void print_gate(unsigned number, const struct gate *g)
{
    char ist[8] = "";

    if (g->real) {
        monitor_line("%02x  %04x:%04x", number, (unsigned)g->selector, (unsigned)g->offset);
        return;
    }
    if (g->ist)
        fmt_print(ist, sizeof(ist), " IST %u", (unsigned)g->ist);
    monitor_line(g->wide ? "%02x  %-21s %04x:%016llx  ring %u%s%s"
                         : "%02x  %-21s %04x:%08llx  ring %u%s%s",
                 number, gate_name(g->type), (unsigned)g->selector, U(g->offset), g->type >> 5 & 3U,
                 ist, g->type & GATE_PRESENT ? "" : "  absent");
}

bool monitor_idt(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    uint64_t first = 0, last = 255;
    bool chosen = monitor_take_range(&rest, &first, &last);
    struct gate gate;

    if (!monitor_at_end(rest) || last > 255)
        return false;
    vcpu_need(v, REGS_ALL);
    monitor_line("idt at %llx, limit %x%s", U(v->regs.idtr.base), (unsigned)v->regs.idtr.limit,
                 v->regs.cr0 & CR0_PE ? "" : ", of real mode");
    for (unsigned n = (unsigned)first; n <= last; n++) {
        if (!gate_read(v, n, &gate)) {
            monitor_line("%02x  outside of the table, or not in memory", n);
            break;
        }
        if (chosen || gate.real || gate.type & GATE_PRESENT)
            print_gate(n, &gate);
    }
    return true;
}

/* ---- GDT ---- */

enum { TYPE_BYTE = 5 }; /* of a descriptor */

/* True when all of the entry is within the table and in memory. */
static bool read_entry(struct vcpu *v, const struct hv_table *table, uint32_t offset,
                       uint8_t *bytes, size_t size)
{
    return offset + size - 1 <= table->limit &&
           guest_linear_read(v, table->base + offset, bytes, size) == size;
}

static const char *code_name(unsigned attributes)
{
    if (attributes & SEG_ATTR_LONG)
        return "64-bit code";
    return attributes & SEG_ATTR_DB ? "32-bit code" : "16-bit code";
}

static const char *data_name(unsigned attributes)
{
    enum { WRITABLE = 1 << 1, EXPAND_DOWN = 1 << 2 };

    if (!(attributes & WRITABLE))
        return "read-only data";
    return attributes & EXPAND_DOWN ? "expand-down data" : "data";
}

/* SDM vol. 3, "System Descriptor Types". NULL: reserved, or a gate. */
static const char *system_name(unsigned attributes)
{
    switch (attributes & 0xf) {
    case 0x1:
        return "16-bit TSS";
    case 0x2:
        return "LDT";
    case 0x3:
        return "16-bit TSS, busy";
    case 0x9:
        return "TSS";
    case 0xb:
        return "TSS, busy";
    default:
        return NULL;
    }
}

static void print_descriptor(unsigned selector, const uint8_t *bytes, uint32_t base_high)
{
    enum { CODE_OR_DATA = 1 << 4, CODE = 1 << 3 };
    struct hv_segment s = {0};
    const char *name;

    segment_decode(get64(bytes), &s);
    if (s.attributes & CODE_OR_DATA)
        name = s.attributes & CODE ? code_name(s.attributes) : data_name(s.attributes);
    else
        name = system_name(s.attributes);
    if (!name) {
        monitor_line("%04x  %-16s  %04x:%04x%04x", selector, gate_name(bytes[TYPE_BYTE]),
                     (unsigned)get16(bytes + 2), (unsigned)get16(bytes + 6),
                     (unsigned)get16(bytes));
        return;
    }
    monitor_line("%04x  %-16s  base %016llx  limit %08x  ring %u%s", selector, name,
                 U(s.base | (uint64_t)base_high << 32), (unsigned)s.limit,
                 s.attributes >> SEG_ATTR_DPL_SHIFT & 3U,
                 s.attributes & SEG_ATTR_PRESENT ? "" : "  absent");
}

bool monitor_gdt(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    bool wide = is_long_mode(v);
    uint8_t bytes[16];

    if (!monitor_at_end(rest))
        return false;
    monitor_line("gdt at %llx, limit %x", U(v->regs.gdtr.base), (unsigned)v->regs.gdtr.limit);
    for (uint32_t at = 8; at + 7 <= v->regs.gdtr.limit; at += 8) {
        uint32_t selector = at, base_high = 0;

        if (!read_entry(v, &v->regs.gdtr, at, bytes, 8)) {
            monitor_line("%04x  not in memory", (unsigned)at);
            break;
        }
        if (!get64(bytes))
            continue;
        if (wide && !(bytes[TYPE_BYTE] & 0x10) &&
            read_entry(v, &v->regs.gdtr, at + 8, bytes + 8, 8)) {
            base_high = get32(bytes + 8); /* a system descriptor of long mode takes two */
            at += 8;
        }
        print_descriptor(selector, bytes, base_high);
    }
    return true;
}

/* ---- TSS ---- */

enum { TSS16_SIZE = 44, TSS_SIZE = 104 };

/* SDM vol. 3, "TSS Format in 64-bit Mode". */
static void print_tss64(const uint8_t *t)
{
    for (unsigned i = 0; i < 3; i++)
        monitor_line("rsp%u %016llx", i, U(get64(t + 4 + 8 * (size_t)i)));
    for (unsigned i = 1; i <= 7; i++)
        monitor_line("ist%u %016llx", i, U(get64(t + 28 + 8 * (size_t)i)));
    monitor_line("I/O permission map at offset %x", (unsigned)get16(t + 102));
}

/* SDM vol. 3, "Task-State Segment (TSS)". */
static void print_tss32(const uint8_t *t)
{
    for (size_t i = 0; i < 3; i++)
        monitor_line("esp%u %04x:%08x", (unsigned)i, (unsigned)get16(t + 8 + 8 * i),
                     (unsigned)get32(t + 4 + 8 * i));
    monitor_line("task: eip %08x  eflags %08x  cr3 %08x  esp %08x  link %04x",
                 (unsigned)get32(t + 32), (unsigned)get32(t + 36), (unsigned)get32(t + 28),
                 (unsigned)get32(t + 56), (unsigned)get16(t));
    monitor_line("I/O permission map at offset %x", (unsigned)get16(t + 102));
}

/* SDM vol. 3, "16-Bit Task-State Segment (TSS)". */
static void print_tss16(const uint8_t *t)
{
    for (size_t i = 0; i < 3; i++)
        monitor_line("sp%u  %04x:%04x", (unsigned)i, (unsigned)get16(t + 4 + 4 * i),
                     (unsigned)get16(t + 2 + 4 * i));
    monitor_line("task: ip %04x  flags %04x  sp %04x  link %04x", (unsigned)get16(t + 14),
                 (unsigned)get16(t + 16), (unsigned)get16(t + 26), (unsigned)get16(t));
}

bool monitor_tss(const char *rest)
{
    struct vcpu *v = monitor_vcpu();
    bool wide = is_long_mode(v);
    const struct hv_segment *tr = &v->regs.seg[SEG_TR];
    bool narrow = (tr->attributes & SEG_TYPE_MASK & ~SEG_TYPE_BUSY) == SEG_TYPE_TSS16;
    size_t size = narrow ? TSS16_SIZE : TSS_SIZE;
    uint8_t bytes[TSS_SIZE];

    if (!monitor_at_end(rest))
        return false;
    monitor_line("tss at %llx, limit %x, selector %04x", U(tr->base), (unsigned)tr->limit,
                 (unsigned)tr->selector);
    if (!tr->selector) {
        monitor_line("none is loaded");
    } else if (guest_linear_read(v, tr->base, bytes, size) != size) {
        monitor_line("it is not in memory");
    } else if (wide) {
        print_tss64(bytes);
    } else if (narrow) {
        print_tss16(bytes);
    } else {
        print_tss32(bytes);
    }
    return true;
}
