#include "core/stage2.h"

#include "hv/compiler.h"
#include "lib/string.h"

enum {
    PAGE = 4096,
    ENTRIES = 512,
    LEVEL_4K = 1,
    LEVEL_2M = 2,
    LEVEL_1G = 3,
    LEVEL_ROOT = 4,
    SPLIT_PAGES = 32,     /* for pages that are different: holes, devices, later breakpoints */
    MAX_PHYS_BITS = 48,   /* what four levels reach */
    SMALL_PHYS_BITS = 40, /* without 1 GiB pages: what is mapped at once, 1 TiB */
    FILL_PAGES = 64,      /* and tables for what lies above, reused round and round */
};

#define ADDRESS_MASK 0x000ffffffffff000ULL
#define GIB          (1ULL << 30)

static struct stage2_config config;
static hpa_t roots[STAGE2_VIEWS];
static uint64_t next_free;  /* offset in the pool */
static uint64_t fill_start; /* offset in the pool of the pages for filling */
static uint64_t fill_next;

static struct mtrr_values types;
static bool have_types;
static bool uniform_gib; /* the last one looked at was */

static unsigned clamp_bits(unsigned phys_bits)
{
    return HV_MIN(phys_bits, (unsigned)MAX_PHYS_BITS);
}

/* How much is mapped from the beginning. */
static uint64_t mapped_size(unsigned phys_bits, bool gib_pages)
{
    unsigned bits = clamp_bits(phys_bits);
    if (!gib_pages)
        bits = HV_MIN(bits, (unsigned)SMALL_PHYS_BITS);
    return 1ULL << bits;
}

uint64_t stage2_pool_size(unsigned phys_bits, bool gib_pages)
{
    uint64_t size = mapped_size(phys_bits, gib_pages);
    uint64_t pages = STAGE2_VIEWS + SPLIT_PAGES;

    pages += HV_MAX(size / (512 * GIB), 1ULL);
    if (!gib_pages)
        pages += HV_MAX(size / GIB, 1ULL) + FILL_PAGES;
    return pages * PAGE;
}

static uint64_t *table_at(hpa_t address)
{
    return (uint64_t *)address;
}

static hpa_t new_table(void)
{
    uint64_t limit = config.gib_pages ? config.pool_size : fill_start;
    if (next_free + PAGE > limit)
        return 0;
    hpa_t table = config.pool + next_free;
    next_free += PAGE;
    memset(table_at(table), 0, PAGE);
    return table;
}

static unsigned level_shift(unsigned level)
{
    return 12 + 9 * (level - 1);
}

/*
 * One type for a block? Where 1 GiB has one, its smaller pages need no look at the registers: there
 * are half a million of them in the tables of a processor without 1 GiB pages.
 */
static bool block_type(hpa_t hpa, unsigned level, enum mtrr_type *type)
{
    static hpa_t start;
    static enum mtrr_type known;

    if (!uniform_gib || hpa - start >= GIB) {
        start = HV_ALIGN_DOWN(hpa, GIB);
        uniform_gib = mtrr_block_type(&types, start, GIB, &known);
    }
    *type = known;
    return uniform_gib || mtrr_block_type(&types, hpa, 1ULL << level_shift(level), type);
}

/* The memory type of a page as a leaf has it. False: the page has several. */
static bool type_bits(hpa_t hpa, unsigned level, uint64_t *bits)
{
    enum mtrr_type type = MTRR_WB;
    bool uniform = true;

    *bits = 0;
    if (!config.format->type_shift)
        return true;
    if (have_types)
        uniform = block_type(hpa, level, &type);
    *bits = (uint64_t)(uniform ? type : MTRR_UC) << config.format->type_shift;
    return uniform;
}

static uint64_t leaf_entry(hpa_t hpa, unsigned access, unsigned level)
{
    const struct stage2_format *f = config.format;
    uint64_t type;

    if (!access)
        return 0;
    type_bits(hpa, level, &type);
    return hpa | type | f->leaf | (level > LEVEL_4K ? f->large : 0) |
           (access & STAGE2_WRITE ? f->write : 0) |
           (access & STAGE2_EXECUTE ? f->execute : f->no_execute);
}

static bool is_table(uint64_t entry, unsigned level)
{
    return entry && level > LEVEL_4K && !(entry & config.format->large);
}

/* The second root: the same tables, nothing executable through them. */
static void set_root(unsigned index, uint64_t entry)
{
    table_at(roots[STAGE2_NORMAL])[index] = entry;
    if (entry)
        entry = (entry & ~config.format->execute) | config.format->no_execute;
    table_at(roots[STAGE2_NO_EXECUTE])[index] = entry;
}

/* Replaces a large leaf by a table of the next smaller pages that maps the same. */
static bool split(uint64_t *entry, unsigned level)
{
    hpa_t table = new_table();
    if (!table)
        return false;

    unsigned below = level - 1;
    uint64_t large = config.format->large;
    uint64_t size = 1ULL << level_shift(below);
    for (unsigned i = 0; *entry && i < ENTRIES; i++) {
        uint64_t leaf = *entry + i * size;
        table_at(table)[i] = below == LEVEL_4K ? leaf & ~large : leaf;
    }
    *entry = table | config.format->table;
    return true;
}

/* The entry of gpa at `level`, making tables down to it. NULL: out of tables or out of range. */
static uint64_t *entry_at(gpa_t gpa, unsigned level)
{
    if (gpa >> clamp_bits(config.phys_bits))
        return NULL;

    uint64_t *table = table_at(roots[STAGE2_NORMAL]);
    for (unsigned l = LEVEL_ROOT;; l--) {
        unsigned index = gpa >> level_shift(l) & (ENTRIES - 1);
        uint64_t *entry = &table[index];
        if (l == level)
            return entry;
        if (!is_table(*entry, l)) {
            if (!split(entry, l))
                return NULL;
            if (l == LEVEL_ROOT)
                set_root(index, *entry);
        }
        table = table_at(*entry & ADDRESS_MASK);
    }
}

void stage2_use_types(const struct mtrr_values *values)
{
    types = *values;
    have_types = true;
    uniform_gib = false;
}

/* Pages of one memory type: the largest that begin at gpa. */
static unsigned uniform_level(gpa_t gpa)
{
    unsigned level = config.gib_pages ? LEVEL_1G : LEVEL_2M;
    uint64_t bits;

    while (level > LEVEL_4K &&
           (gpa & ((1ULL << level_shift(level)) - 1) || !type_bits(gpa, level, &bits)))
        level--;
    return level;
}

enum hv_status stage2_init(const struct stage2_config *c)
{
    config = *c;
    next_free = 0;
    fill_start = config.pool_size - (uint64_t)FILL_PAGES * PAGE;
    fill_next = 0;
    if (config.pool_size < stage2_pool_size(c->phys_bits, c->gib_pages))
        return HV_ENOSPC;

    for (unsigned view = 0; view < STAGE2_VIEWS; view++)
        roots[view] = new_table();

    uint64_t size = mapped_size(c->phys_bits, c->gib_pages);
    unsigned level;
    for (gpa_t gpa = 0; gpa < size; gpa += 1ULL << level_shift(level)) {
        level = uniform_level(gpa);
        uint64_t *entry = entry_at(gpa, level);
        if (!entry)
            return HV_ENOSPC;
        *entry = leaf_entry(gpa, STAGE2_ALL, level);
    }
    return HV_OK;
}

hpa_t stage2_root(enum stage2_view view)
{
    return roots[view];
}

static enum hv_status map_at(gpa_t gpa, hpa_t hpa, unsigned access, unsigned level)
{
    uint64_t *entry = entry_at(gpa, level);
    if (!entry)
        return HV_ENOSPC;
    if (is_table(*entry, level))
        return HV_EINVAL; /* smaller pages are there already, each with its reason */
    *entry = leaf_entry(HV_ALIGN_DOWN(hpa, 1ULL << level_shift(level)), access, level);
    return HV_OK;
}

enum hv_status stage2_map(gpa_t gpa, hpa_t hpa, unsigned access)
{
    return map_at(gpa, hpa, access, LEVEL_4K);
}

enum hv_status stage2_map_large(gpa_t gpa, hpa_t hpa, unsigned access)
{
    return map_at(gpa, hpa, access, LEVEL_2M);
}

bool stage2_lookup(gpa_t gpa, hpa_t *hpa, unsigned *access)
{
    const struct stage2_format *f = config.format;
    const uint64_t *table = table_at(roots[STAGE2_NORMAL]);

    if (gpa >> clamp_bits(config.phys_bits))
        return false;
    for (unsigned l = LEVEL_ROOT; l >= LEVEL_4K; l--) {
        uint64_t entry = table[gpa >> level_shift(l) & (ENTRIES - 1)];
        if (!entry)
            return false;
        if (is_table(entry, l)) {
            table = table_at(entry & ADDRESS_MASK);
            continue;
        }
        uint64_t offset = gpa & ((1ULL << level_shift(l)) - 1);
        *hpa = (entry & ADDRESS_MASK & ~((1ULL << level_shift(l)) - 1)) + offset;
        *access = STAGE2_READ | (entry & f->write ? STAGE2_WRITE : 0);
        if (f->execute ? (entry & f->execute) != 0 : !(entry & f->no_execute))
            *access |= STAGE2_EXECUTE;
        return true;
    }
    return false;
}

/* The next page for filling; after the last one everything that was filled is forgotten. */
static hpa_t fill_table(void)
{
    if (fill_next == FILL_PAGES) {
        unsigned first = 1U << (SMALL_PHYS_BITS - level_shift(LEVEL_ROOT));
        for (unsigned i = first; i < ENTRIES; i++)
            set_root(i, 0);
        fill_next = 0;
    }
    hpa_t table = config.pool + fill_start + fill_next * PAGE;
    fill_next++;
    memset(table_at(table), 0, PAGE);
    return table;
}

bool stage2_fill(gpa_t gpa)
{
    if (config.gib_pages || gpa < mapped_size(config.phys_bits, false) ||
        gpa >> clamp_bits(config.phys_bits))
        return false;

    /* Both tables first: taking the second may forget the first. */
    if (fill_next > FILL_PAGES - 2)
        fill_next = FILL_PAGES;
    unsigned index = (unsigned)(gpa >> level_shift(LEVEL_ROOT));
    if (!table_at(roots[STAGE2_NORMAL])[index] || fill_next == FILL_PAGES) {
        hpa_t pdpt = fill_table();
        set_root(index, pdpt | config.format->table);
    }
    uint64_t *pdpt = table_at(table_at(roots[STAGE2_NORMAL])[index] & ADDRESS_MASK);
    uint64_t *entry = &pdpt[gpa >> level_shift(LEVEL_1G) & (ENTRIES - 1)];
    if (*entry)
        return false; /* mapped: the fault has another reason */
    hpa_t pd = fill_table();
    gpa_t base = HV_ALIGN_DOWN(gpa, GIB);
    for (unsigned i = 0; i < ENTRIES; i++)
        table_at(pd)[i] =
            leaf_entry(base + ((uint64_t)i << level_shift(LEVEL_2M)), STAGE2_ALL, LEVEL_2M);
    *entry = pd | config.format->table;
    return true;
}

uint64_t stage2_used(void)
{
    return next_free + fill_next * PAGE;
}
