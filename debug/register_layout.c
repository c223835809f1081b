#include "debug/register_layout.h"

#include "core/vcpu.h"
#include "debug/fpu.h"
#include "hv/compiler.h"
#include "lib/fmt.h"

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

static const struct register_row core_rows[] = {
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

static const struct register_row sse_rows[] = {
    {"xmm%u", "xmm", 16, 16, XMM, 0, 0},
    {"mxcsr", NULL, 4, 1, MXCSR, 0, 0},
};

static const struct register_row system_rows[] = {
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

static const struct register_row avx_rows[] = {{"ymm%uh", "uint128", 16, 16, YMM_HIGH, 0, 0}};

/* The features of the description, in the order of the numbers. */
static const struct feature {
    const char *name;
    const char *extra; /* types it defines */
    const struct register_row *rows;
    unsigned count;
    bool avx; /* only with AVX */
} features[] = {
    {"org.gnu.gdb.i386.core",
     "<flags id=\"ef\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/>"
     "<field name=\"PF\" start=\"2\" end=\"2\"/>"
     "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
     "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
     "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
     "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
     "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"VM\" start=\"17\" end=\"17\"/>"
     "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
     "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/>"
     "</flags>",
     core_rows, HV_ARRAY_SIZE(core_rows), false},
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
     sse_rows, HV_ARRAY_SIZE(sse_rows), false},
    {"gdbvisor.system", "", system_rows, HV_ARRAY_SIZE(system_rows), false},
    {"org.gnu.gdb.i386.avx", "", avx_rows, HV_ARRAY_SIZE(avx_rows), true},
};

static enum registers_arch arch = REGISTERS_X86_64;

/* The row of a number, and the index in the row. NULL: none has it. */
static const struct register_row *row_of(unsigned number, unsigned *index)
{
    for (unsigned f = 0; f < HV_ARRAY_SIZE(features); f++) {
        if (features[f].avx && !fpu_has_avx())
            continue;
        for (unsigned i = 0; i < features[f].count; i++) {
            const struct register_row *row = &features[f].rows[i];
            if (number < row->count) {
                *index = number;
                return row;
            }
            number -= row->count;
        }
    }
    return NULL;
}

static bool is_narrow(void)
{
    return arch != REGISTERS_X86_64;
}

/* What a processor does not have outside of 64-bit mode. */
static bool is_long_only(const struct register_row *row, unsigned index)
{
    switch ((enum register_kind)row->kind) {
    case GPR:
        return row->where >= GPR_R8;
    case XMM:
    case YMM_HIGH:
        return index >= 8;
    default:
        return false;
    }
}

const struct register_row *register_find(unsigned number, unsigned *index)
{
    const struct register_row *row = row_of(number, index);

    return row && is_narrow() && is_long_only(row, *index) ? NULL : row;
}

size_t register_row_size(const struct register_row *row)
{
    return is_narrow() && (row->kind == GPR || row->kind == RIP) ? 4 : row->size;
}

unsigned registers_count(void)
{
    unsigned count = 0, index;

    while (row_of(count, &index))
        count++;
    return count;
}

size_t registers_size(unsigned number)
{
    unsigned index;
    const struct register_row *row = register_find(number, &index);
    return row ? register_row_size(row) : 0;
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

/* A row's name with its %u, if any, replaced; eax for rax where registers are narrow. */
static void add_name(const struct register_row *row, unsigned index)
{
    const char *name = row->name;

    if (register_row_size(row) < row->size) {
        add("e");
        name++;
    }
    for (; *name; name++) {
        if (name[0] == '%') {
            add("%u", index);
            name++;
        } else {
            add("%c", *name);
        }
    }
}

/* number: only where the numbers do not just go on. */
static void add_register(const struct register_row *row, unsigned index, const unsigned *number)
{
    add("<reg name=\"");
    add_name(row, index);
    add("\" bitsize=\"%u\"", (unsigned)register_row_size(row) * 8U);
    if (row->type)
        add(" type=\"%s\"", row->type);
    if (number)
        add(" regnum=\"%u\"", *number);
    add("/>");
}

static void add_feature(const struct feature *feature, unsigned *number)
{
    bool gap = false;

    add("<feature name=\"%s\">%s", feature->name, feature->extra);
    for (unsigned i = 0; i < feature->count; i++) {
        const struct register_row *row = &feature->rows[i];
        for (unsigned n = 0; n < row->count; n++, ++*number) {
            bool left_out = is_narrow() && is_long_only(row, n);
            if (!left_out)
                add_register(row, n, gap ? number : NULL);
            gap = left_out;
        }
    }
    add("</feature>");
}

void registers_use_arch(enum registers_arch wanted)
{
    arch = wanted;
}

/*
 * compatible: a file with 64-bit symbols does not keep gdb from a narrow layout. (gdb takes the
 * file's architecture otherwise, with a warning.)
 */
static const char *const heads[] = {
    [REGISTERS_X86_64] = "<architecture>i386:x86-64</architecture>",
    [REGISTERS_I386] = "<architecture>i386</architecture><compatible>i386:x86-64</compatible>",
    [REGISTERS_I8086] = "<architecture>i8086</architecture><compatible>i386:x86-64</compatible>",
};

const char *registers_description(void)
{
    static enum registers_arch described;
    unsigned number = 0;

    if (description_length && described == arch)
        return description;
    described = arch;
    description_length = 0;
    add("<target>%s", heads[arch]);
    for (unsigned f = 0; f < HV_ARRAY_SIZE(features); f++) {
        if (!features[f].avx || fpu_has_avx())
            add_feature(&features[f], &number);
    }
    add("</target>");
    return description;
}
