#include "debug/registers.h"

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "debug/fpu.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum kind {
    GPR,
    RIP,
    FLAGS,
    SELECTOR,
    ST,
    X87,
    XMM,
    MXCSR,
    SYSTEM,
    DR,
    TABLE_LIMIT,
    SEGMENT_LIMIT,
    SEGMENT_ATTRIBUTES,
    RAW_IP,
    YMM_HIGH
};

/* One or more registers of one kind; `where`: an index, or a byte offset in struct hv_regs. */
struct row {
    const char *name; /* %u stands for the number of the register in the row */
    const char *type; /* gdb's, NULL: an integer */
    uint8_t size;     /* bytes */
    uint8_t count;
    uint8_t kind;
    uint8_t group; /* register group to fetch first (enum hv_reg_group) */
    uint16_t where;
};

#define REG(field) ((uint16_t)offsetof(struct hv_regs, field))
#define GPR_ROW(n, i)                                                                              \
    {                                                                                              \
        n, NULL, 8, 1, GPR, 0, i                                                                   \
    }
#define SYS_ROW(n, g, f)                                                                           \
    {                                                                                              \
        n, NULL, 8, 1, SYSTEM, g, REG(f)                                                           \
    }
#define SEG_ROW(n, s)                                                                              \
    {                                                                                              \
        n, NULL, 4, 1, SELECTOR, REGS_SEGMENTS, s                                                  \
    }
#define SEG_ROWS(n, s)                                                                             \
    SYS_ROW(n "_base", REGS_SEGMENTS, seg[s].base),                                                \
        {n "_limit", NULL, 4, 1, SEGMENT_LIMIT, REGS_SEGMENTS, s},                                 \
    {                                                                                              \
        n "_attr", NULL, 4, 1, SEGMENT_ATTRIBUTES, REGS_SEGMENTS, s                                \
    }

static const struct row core_rows[] = {
    GPR_ROW("rax", GPR_RAX),
    GPR_ROW("rbx", GPR_RBX),
    GPR_ROW("rcx", GPR_RCX),
    GPR_ROW("rdx", GPR_RDX),
    GPR_ROW("rsi", GPR_RSI),
    GPR_ROW("rdi", GPR_RDI),
    {"rbp", "data_ptr", 8, 1, GPR, 0, GPR_RBP},
    {"rsp", "data_ptr", 8, 1, GPR, 0, GPR_RSP},
    GPR_ROW("r8", GPR_R8),
    GPR_ROW("r9", GPR_R9),
    GPR_ROW("r10", GPR_R10),
    GPR_ROW("r11", GPR_R11),
    GPR_ROW("r12", GPR_R12),
    GPR_ROW("r13", GPR_R13),
    GPR_ROW("r14", GPR_R14),
    GPR_ROW("r15", GPR_R15),
    {"rip", "code_ptr", 8, 1, RIP, REGS_SEGMENTS, 0},
    {"eflags", "ef", 4, 1, FLAGS, 0, 0},
    SEG_ROW("cs", SEG_CS),
    SEG_ROW("ss", SEG_SS),
    SEG_ROW("ds", SEG_DS),
    SEG_ROW("es", SEG_ES),
    SEG_ROW("fs", SEG_FS),
    SEG_ROW("gs", SEG_GS),
    {"st%u", "i387_ext", 10, 8, ST, 0, 0},
    {"fctrl", NULL, 4, 1, X87, 0, 0},
    {"fstat", NULL, 4, 1, X87, 0, 1},
    {"ftag", NULL, 4, 1, X87, 0, 2},
    {"fiseg", NULL, 4, 1, X87, 0, 3},
    {"fioff", NULL, 4, 1, X87, 0, 4},
    {"foseg", NULL, 4, 1, X87, 0, 5},
    {"fooff", NULL, 4, 1, X87, 0, 6},
    {"fop", NULL, 4, 1, X87, 0, 7},
};

static const struct row sse_rows[] = {
    {"xmm%u", "xmm", 16, 16, XMM, 0, 0},
    {"mxcsr", NULL, 4, 1, MXCSR, 0, 0},
};

static const struct row system_rows[] = {
    SYS_ROW("fs_base", REGS_SEGMENTS, seg[SEG_FS].base),
    SYS_ROW("gs_base", REGS_SEGMENTS, seg[SEG_GS].base),
    SYS_ROW("k_gs_base", REGS_SYSCALL, kernel_gs_base),
    SYS_ROW("cr0", REGS_CONTROL, cr0),
    SYS_ROW("cr2", REGS_CONTROL, cr2),
    SYS_ROW("cr3", REGS_CONTROL, cr3),
    SYS_ROW("cr4", REGS_CONTROL, cr4),
    SYS_ROW("cr8", REGS_CONTROL, cr8),
    SYS_ROW("efer", REGS_CONTROL, efer),
    {"dr%u", NULL, 8, 8, DR, 0, 0},
    SYS_ROW("gdtr_base", REGS_TABLES, gdtr.base),
    {"gdtr_limit", NULL, 4, 1, TABLE_LIMIT, REGS_TABLES, REG(gdtr.limit)},
    SYS_ROW("idtr_base", REGS_TABLES, idtr.base),
    {"idtr_limit", NULL, 4, 1, TABLE_LIMIT, REGS_TABLES, REG(idtr.limit)},
    SEG_ROW("ldtr", SEG_LDTR),
    SEG_ROW("tr", SEG_TR),
    {"ip", NULL, 8, 1, RAW_IP, 0, 0},
    SEG_ROWS("cs", SEG_CS),
    SEG_ROWS("ss", SEG_SS),
    SEG_ROWS("ds", SEG_DS),
    SEG_ROWS("es", SEG_ES),
    {"fs_limit", NULL, 4, 1, SEGMENT_LIMIT, REGS_SEGMENTS, SEG_FS},
    {"fs_attr", NULL, 4, 1, SEGMENT_ATTRIBUTES, REGS_SEGMENTS, SEG_FS},
    {"gs_limit", NULL, 4, 1, SEGMENT_LIMIT, REGS_SEGMENTS, SEG_GS},
    {"gs_attr", NULL, 4, 1, SEGMENT_ATTRIBUTES, REGS_SEGMENTS, SEG_GS},
    SEG_ROWS("ldtr", SEG_LDTR),
    SEG_ROWS("tr", SEG_TR),
};

static const struct row avx_rows[] = {{"ymm%uh", "uint128", 16, 16, YMM_HIGH, 0, 0}};

/* The features of the description, in the order of the numbers. */
static const struct feature {
    const char *name;
    const char *extra;      /* types it defines */
    const char *attributes; /* of every register in it */
    const struct row *rows;
    unsigned count;
    bool avx; /* only with AVX */
} features[] = {
    {"org.gnu.gdb.i386.core",
     "<flags id=\"ef\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/>"
     "<field name=\"\" start=\"1\" end=\"1\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
     "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
     "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
     "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
     "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
     "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"VM\" start=\"17\" end=\"17\"/>"
     "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
     "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/>"
     "</flags>",
     "", core_rows, HV_ARRAY_SIZE(core_rows), false},
    {"org.gnu.gdb.i386.sse",
     "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
     "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
     "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
     "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
     "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
     "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
     "<union id=\"xmm\"><field name=\"v4_float\" type=\"v4f\"/>"
     "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
     "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
     "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>",
     "", sse_rows, HV_ARRAY_SIZE(sse_rows), false},
    {"gdbvisor.system", "", " save-restore=\"no\"", system_rows, HV_ARRAY_SIZE(system_rows), false},
    {"org.gnu.gdb.i386.avx", "", "", avx_rows, HV_ARRAY_SIZE(avx_rows), true},
};

/* The row of a register, and its index in the row. NULL: no such register. */
static const struct row *find(unsigned number, unsigned *index)
{
    for (unsigned f = 0; f < HV_ARRAY_SIZE(features); f++) {
        if (features[f].avx && !fpu_has_avx())
            continue;
        for (unsigned i = 0; i < features[f].count; i++) {
            const struct row *row = &features[f].rows[i];
            if (number < row->count) {
                *index = number;
                return row;
            }
            number -= row->count;
        }
    }
    return NULL;
}

unsigned registers_count(void)
{
    unsigned count = 0, index;

    while (find(count, &index))
        count++;
    return count;
}

size_t registers_size(unsigned number)
{
    unsigned index;
    const struct row *row = find(number, &index);
    return row ? row->size : 0;
}

static uint64_t read_dr(const struct vcpu *v, unsigned n)
{
    if (n < 4)
        return v->debug_regs.dr[n];
    return n % 2 ? v->debug_regs.dr7 : v->debug_regs.dr6;
}

/* Registers of up to 8 bytes. */
static uint64_t read_integer(struct vcpu *v, const struct row *row, unsigned index)
{
    const struct hv_regs *r = &v->regs;
    const uint8_t *field = (const uint8_t *)r + row->where;

    vcpu_need(v, row->group);
    switch ((enum kind)row->kind) {
    case GPR:
        return r->gpr[row->where];
    case RIP:
        return vcpu_linear_rip(v);
    case RAW_IP:
        return r->rip;
    case FLAGS:
        return r->rflags;
    case SELECTOR:
        return r->seg[row->where].selector;
    case SEGMENT_LIMIT:
        return r->seg[row->where].limit;
    case SEGMENT_ATTRIBUTES:
        return r->seg[row->where].attributes;
    case SYSTEM:
        return *(const uint64_t *)field;
    case TABLE_LIMIT:
        return *(const uint16_t *)field;
    case DR:
        return read_dr(v, index);
    case X87:
        return fpu_read_control(row->where);
    case MXCSR:
        return fpu_read_mxcsr();
    case ST:
    case XMM:
    case YMM_HIGH:
        break;
    }
    return 0;
}

bool registers_read(struct vcpu *v, unsigned number, uint8_t *value)
{
    unsigned index;
    const struct row *row = find(number, &index);
    uint64_t integer;

    if (!row)
        return false;
    fpu_choose(v->number);
    switch ((enum kind)row->kind) {
    case ST:
        fpu_read_st(index, value);
        return true;
    case XMM:
        fpu_read_xmm(index, value);
        return true;
    case YMM_HIGH:
        return fpu_read_ymm_high(index, value);
    default:
        integer = read_integer(v, row, index);
        memcpy(value, &integer, row->size);
        return true;
    }
}

static enum hv_status write_dr(struct vcpu *v, unsigned n, uint64_t value)
{
    if (n < 4)
        v->debug_regs.dr[n] = value;
    else if (value >> 32)
        return HV_EINVAL;
    else if (n % 2)
        v->debug_regs.dr7 = (value & 0xffff2bff) | DR7_RESET;
    else
        v->debug_regs.dr6 = (value & 0xe00f) | DR6_RESET;
    debug_regs_update(v);
    return HV_OK;
}

static void write_rip(struct vcpu *v, uint64_t linear)
{
    bool based = vcpu_code_bits(v) != 64;
    v->regs.rip = based ? (uint32_t)(linear - v->regs.seg[SEG_CS].base) : linear;
    v->interrupt_shadow = false;
}

static enum hv_status write_system(struct vcpu *v, uint8_t *field, uint64_t value)
{
    uint64_t old = *(uint64_t *)field;

    /* EFER.LMA follows LME and CR0.PG, it is not for writing; CR8 has four bits. */
    if (field == (uint8_t *)&v->regs.efer && ((value & EFER_SVME) || ((value ^ old) & EFER_LMA)))
        return HV_EINVAL;
    if (field == (uint8_t *)&v->regs.cr8 && value > 15)
        return HV_EINVAL;
    *(uint64_t *)field = value;
    return HV_OK;
}

static enum hv_status write_integer(struct vcpu *v, const struct row *row, unsigned index,
                                    uint64_t value)
{
    struct hv_regs *r = &v->regs;
    uint8_t *field = (uint8_t *)r + row->where;

    vcpu_change(v, row->group);
    switch ((enum kind)row->kind) {
    case GPR:
        r->gpr[row->where] = value;
        return HV_OK;
    case RIP:
        write_rip(v, value);
        return HV_OK;
    case RAW_IP:
        r->rip = value;
        return HV_OK;
    case FLAGS:
        r->rflags = (value & 0x3f7fd7) | RFLAGS_ONE;
        return HV_OK;
    case SELECTOR:
        r->seg[row->where].selector = (uint16_t)value;
        return HV_OK;
    case SEGMENT_LIMIT:
        r->seg[row->where].limit = (uint32_t)value;
        return HV_OK;
    case SEGMENT_ATTRIBUTES:
        r->seg[row->where].attributes = value & 0xfff;
        return HV_OK;
    case SYSTEM:
        return write_system(v, field, value);
    case TABLE_LIMIT:
        *(uint16_t *)field = (uint16_t)value;
        return HV_OK;
    case DR:
        return write_dr(v, index, value);
    case X87:
        fpu_write_control(row->where, (uint32_t)value);
        return HV_OK;
    case MXCSR:
        return fpu_write_mxcsr((uint32_t)value) ? HV_OK : HV_EINVAL;
    case ST:
    case XMM:
    case YMM_HIGH:
        break;
    }
    return HV_ENOTSUP;
}

enum hv_status registers_write(struct vcpu *v, unsigned number, const uint8_t *value)
{
    unsigned index;
    const struct row *row = find(number, &index);
    uint64_t integer = 0;

    if (!row)
        return HV_ENOENT;
    fpu_choose(v->number);
    switch ((enum kind)row->kind) {
    case ST:
        fpu_write_st(index, value);
        return HV_OK;
    case XMM:
        fpu_write_xmm(index, value);
        return HV_OK;
    case YMM_HIGH:
        return fpu_write_ymm_high(index, value) ? HV_OK : HV_EINVAL;
    default:
        memcpy(&integer, value, row->size);
        return write_integer(v, row, index, integer);
    }
}

static char description[8192];
static size_t description_length;

static void add(const char *format, ...) HV_PRINTF(1, 2);
static void add(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    description_length += fmt_vprint(description + description_length,
                                     sizeof(description) - description_length, format, args);
    va_end(args);
}

/* A row's name with its %u, if any, replaced. */
static void add_name(const char *name, unsigned index)
{
    for (; *name; name++) {
        if (name[0] == '%') {
            add("%u", index);
            name++;
        } else {
            add("%c", *name);
        }
    }
}

static void add_register(const struct row *row, unsigned index, const char *attributes)
{
    add("<reg name=\"");
    add_name(row->name, index);
    add("\" bitsize=\"%u\"", row->size * 8U);
    if (row->type)
        add(" type=\"%s\"", row->type);
    add("%s/>", attributes);
}

const char *registers_description(void)
{
    if (description_length)
        return description;
    add("<target><architecture>i386:x86-64</architecture>");
    for (unsigned f = 0; f < HV_ARRAY_SIZE(features); f++) {
        const struct feature *feature = &features[f];
        if (feature->avx && !fpu_has_avx())
            continue;
        add("<feature name=\"%s\">%s", feature->name, feature->extra);
        for (unsigned i = 0; i < feature->count; i++) {
            for (unsigned n = 0; n < feature->rows[i].count; n++)
                add_register(&feature->rows[i], n, feature->attributes);
        }
        add("</feature>");
    }
    add("</target>");
    return description;
}

void registers_keep(const struct vcpu *v)
{
    fpu_keep(v->number);
}

void registers_flush(const struct vcpu *v)
{
    fpu_flush(v->number);
}
