#include "arch/x86/mtrr.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "lib/string.h"

#define DEF_TYPE_FIXED  HV_BIT(10) /* FE */
#define DEF_TYPE_ENABLE HV_BIT(11) /* E */
#define MASK_VALID      HV_BIT(11)

enum { FIXED_TOP = 0x100000, PAGE = 0x1000 };

/* Each register has eight ranges of one size, a byte for each. */
static const struct {
    uint32_t start;
    uint32_t size; /* of one range */
} fixed_ranges[MTRR_FIXED_COUNT] = {
    {0x00000, 0x10000},                                     /* 250 */
    {0x80000, 0x4000},  {0xa0000, 0x4000},                  /* 258, 259 */
    {0xc0000, PAGE},    {0xc8000, PAGE},   {0xd0000, PAGE}, /* 268.. */
    {0xd8000, PAGE},    {0xe0000, PAGE},   {0xe8000, PAGE}, {0xf0000, PAGE}, {0xf8000, PAGE},
};

const uint32_t mtrr_fixed_msrs[MTRR_FIXED_COUNT] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                                    0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

/* The number in a register; reserved ones are taken for the safest type. AMD's RdMem and WrMem bits
   (4 and 3 of a fixed range's byte) say where accesses go, not how. */
static enum mtrr_type clean_type(uint64_t number)
{
    switch (number & 7) {
    case MTRR_WC:
    case MTRR_WT:
    case MTRR_WP:
    case MTRR_WB:
        return (enum mtrr_type)(number & 7);
    default:
        return MTRR_UC;
    }
}

bool pat_is_valid(uint64_t pat)
{
    enum { TYPES = 0xf3, LAST_TYPE = 7 }; /* 0, 1, 4 to 7 */

    for (unsigned i = 0; i < 64; i += 8) {
        uint8_t type = (uint8_t)(pat >> i);
        if (type > LAST_TYPE || !(TYPES >> type & 1))
            return false;
    }
    return true;
}

static unsigned fixed_register(hpa_t address)
{
    unsigned i = MTRR_FIXED_COUNT - 1;

    while (fixed_ranges[i].start > address)
        i--;
    return i;
}

static bool in_fixed(const struct mtrr_values *values, hpa_t address)
{
    return (values->def_type & DEF_TYPE_FIXED) && address < FIXED_TOP;
}

static enum mtrr_type fixed_type(const struct mtrr_values *values, hpa_t address)
{
    unsigned i = fixed_register(address);
    uint64_t range = (address - fixed_ranges[i].start) / fixed_ranges[i].size;

    return clean_type(values->fixed[i] >> (8 * range));
}

static enum mtrr_type default_type(const struct mtrr_values *values, hpa_t address)
{
    if (address >= HV_BIT(32) && address < values->wb_top)
        return MTRR_WB;
    return clean_type(values->def_type);
}

/* Is the default type the same from first to last (included)? The forced WB may begin or end there.
 */
static bool default_uniform(const struct mtrr_values *values, hpa_t first, hpa_t last)
{
    bool outside = last < HV_BIT(32) || first >= values->wb_top || values->wb_top <= HV_BIT(32);
    bool inside = first >= HV_BIT(32) && last < values->wb_top;

    return outside || inside || clean_type(values->def_type) == MTRR_WB;
}

/* SDM, "MTRR Precedences"; both types from variable ranges that hold the same address. */
static enum mtrr_type overlap(enum mtrr_type a, enum mtrr_type b)
{
    if (a == b)
        return a;
    if ((a == MTRR_WT && b == MTRR_WB) || (a == MTRR_WB && b == MTRR_WT))
        return MTRR_WT;
    return MTRR_UC;
}

enum cover { COVER_NONE, COVER_PART, COVER_ALL };

/* How much of [start, start + size) a variable range holds. */
static enum cover cover_of(const struct mtrr_values *values, const struct mtrr_variable *range,
                           hpa_t start, uint64_t size)
{
    unsigned phys_bits = HV_MIN(values->phys_bits, 52U);
    uint64_t mask = range->mask & (HV_BIT(phys_bits) - 1) & ~(uint64_t)(PAGE - 1);

    if (!(range->mask & MASK_VALID) || ((start ^ range->base) & mask & ~(size - 1)))
        return COVER_NONE;
    return mask & (size - 1) ? COVER_PART : COVER_ALL;
}

/* A block that no fixed range reaches into. */
static bool variable_type(const struct mtrr_values *values, hpa_t start, uint64_t size,
                          enum mtrr_type *type)
{
    unsigned count = HV_MIN(values->variable_count, (unsigned)MTRR_VARIABLE_MAX);
    bool any = false;

    *type = default_type(values, start);
    for (unsigned i = 0; i < count; i++) {
        enum mtrr_type here = clean_type(values->variable[i].base);

        if (cover_of(values, &values->variable[i], start, size) != COVER_ALL)
            continue;
        *type = any ? overlap(*type, here) : here;
        any = true;
    }
    if (!any && !default_uniform(values, start, start + (size - 1)))
        return false;
    for (unsigned i = 0; i < count; i++) {
        enum mtrr_type here = clean_type(values->variable[i].base);

        if (cover_of(values, &values->variable[i], start, size) != COVER_PART)
            continue;
        if ((any ? overlap(*type, here) : here) != *type)
            return false;
    }
    return true;
}

enum mtrr_type mtrr_type(const struct mtrr_values *values, hpa_t address)
{
    enum mtrr_type type;

    if (!(values->def_type & DEF_TYPE_ENABLE))
        return MTRR_UC;
    if (in_fixed(values, address))
        return fixed_type(values, address);
    (void)variable_type(values, address & ~(hpa_t)(PAGE - 1), PAGE, &type);
    return type;
}

bool mtrr_block_type(const struct mtrr_values *values, hpa_t start, uint64_t size,
                     enum mtrr_type *type)
{
    hpa_t fixed_end = HV_MIN(start + size, (hpa_t)FIXED_TOP);

    *type = mtrr_type(values, start);
    if (!(values->def_type & DEF_TYPE_ENABLE))
        return true;
    if (!in_fixed(values, start))
        return variable_type(values, start, size, type);
    for (hpa_t at = start; at < fixed_end; at += PAGE) {
        if (fixed_type(values, at) != *type)
            return false;
    }
    /* A block that begins below 1 MiB and ends above it begins at 0, with more blocks behind. */
    return start + size <= FIXED_TOP;
}

/* APM vol. 2, "Extended Type-Field Encodings", "Top of Memory", "System Configuration Register
   (SYSCFG)". A processor without these MSRs says so by a fault. */
static uint64_t read_wb_top(unsigned phys_bits)
{
    enum { TOM2_ON = 1 << 21, TOM2_FORCE_WB = 1 << 22, EIGHT_MIB = 1 << 23 };
    uint64_t config, top;

    if (!rdmsr_safe(MSR_SYSCFG, &config) ||
        (config & (TOM2_ON | TOM2_FORCE_WB)) != (TOM2_ON | TOM2_FORCE_WB) ||
        !rdmsr_safe(MSR_TOM2, &top))
        return 0;
    return HV_ALIGN_DOWN(top, EIGHT_MIB) & (HV_BIT(phys_bits) - 1);
}

/* SDM vol. 3, "MTRR Feature Identification". */
void mtrr_read(struct mtrr_values *values, unsigned phys_bits)
{
    memset(values, 0, sizeof(*values));
    values->phys_bits = phys_bits;
    if (!(cpuid(1, 0).edx & HV_BIT(12))) {
        values->def_type = DEF_TYPE_ENABLE | MTRR_WB;
        return;
    }
    values->def_type = rdmsr(MSR_MTRR_DEF_TYPE);
    values->variable_count = HV_MIN(rdmsr(MSR_MTRRCAP) & 0xff, (uint64_t)MTRR_VARIABLE_MAX);
    values->wb_top = read_wb_top(phys_bits);
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        values->fixed[i] = rdmsr(mtrr_fixed_msrs[i]);
    for (unsigned i = 0; i < values->variable_count; i++) {
        values->variable[i].base = rdmsr(MSR_MTRR_PHYSBASE0 + 2 * i);
        values->variable[i].mask = rdmsr(MSR_MTRR_PHYSBASE0 + 2 * i + 1);
    }
}
