#include "core/stage2.h"

#include "core/stage2_tables.h"
#include "hv/compiler.h"
#include "lib/spinlock.h"
#include "lib/string.h"

enum {
    PAGE = STAGE2_PAGE,
    ENTRIES = STAGE2_ENTRIES,
    SPLIT_PAGES = 96,     /* for pages that are different: holes, devices, breakpoints */
    MAX_PHYS_BITS = 48,   /* what four levels reach */
    SMALL_PHYS_BITS = 40, /* without 1 GiB pages: what is mapped at once, 1 TiB */
    FILL_PAGES = 64,      /* and tables for what lies above, reused round and round */
};

#define GIB (1ULL << 30)

static struct stage2_config config;
static struct spinlock lock; /* of all that changes once the guest runs */
static hpa_t roots[STAGE2_VIEWS];
static uint64_t next_free;  /* offset in the pool */
static uint64_t fill_start; /* offset in the pool of the pages for filling */
static uint64_t fill_next;
static uint32_t changes;

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

static hpa_t new_table(void)
{
    uint64_t limit = config.gib_pages ? config.pool_size : fill_start;
    if (next_free + PAGE > limit)
        return 0;
    hpa_t table = config.pool + next_free;
    next_free += PAGE;
    memset(stage2_table(table), 0, PAGE);
    return table;
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
    return uniform_gib || mtrr_block_type(&types, hpa, 1ULL << stage2_shift(level), type);
}

/* The memory type of a page as a leaf has it. False: the page has several. */
static bool type_of(hpa_t hpa, unsigned level, uint64_t *leaf_type)
{
    enum mtrr_type type = MTRR_WB;
    bool uniform = true;

    if (config.format->type_shift && have_types)
        uniform = block_type(hpa, level, &type);
    *leaf_type = (uint64_t)(uniform ? type : MTRR_UC);
    return uniform;
}

uint64_t stage2_page_type(hpa_t page)
{
    enum mtrr_type type = MTRR_WB;

    if (config.format->type_shift && have_types)
        mtrr_block_type(&types, page, PAGE, &type);
    return (uint64_t)type;
}

static uint64_t leaf_entry(hpa_t hpa, unsigned access, unsigned level)
{
    uint64_t type = 0;

    if (access)
        type_of(hpa, level, &type);
    return stage2_leaf(config.format, hpa, access, level, type);
}

/* The second root: the same tables, nothing executable through them. */
static void set_root(unsigned index, uint64_t entry)
{
    stage2_table(roots[STAGE2_NORMAL])[index] = entry;
    stage2_table(roots[STAGE2_NO_EXECUTE])[index] = stage2_no_execute(config.format, entry);
}

/* Replaces a large leaf by a table of the next smaller pages that maps the same. */
static bool split(uint64_t *entry, unsigned level)
{
    hpa_t table = new_table();
    if (!table)
        return false;

    stage2_fill_split(config.format, stage2_table(table), *entry, level);
    *entry = table | config.format->table;
    return true;
}

/* The entry of gpa at `level`, making tables down to it. NULL: out of tables or out of range. */
static uint64_t *entry_at(gpa_t gpa, unsigned level)
{
    if (gpa >> clamp_bits(config.phys_bits))
        return NULL;

    uint64_t *table = stage2_table(roots[STAGE2_NORMAL]);
    for (unsigned l = LEVEL_ROOT;; l--) {
        unsigned index = gpa >> stage2_shift(l) & (ENTRIES - 1);
        uint64_t *entry = &table[index];
        if (l == level)
            return entry;
        if (!stage2_is_table(config.format, *entry, l)) {
            if (!split(entry, l))
                return NULL;
            if (l == LEVEL_ROOT)
                set_root(index, *entry);
        }
        table = stage2_table(*entry & STAGE2_ADDRESS);
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
    uint64_t type;

    while (level > LEVEL_4K &&
           (gpa & ((1ULL << stage2_shift(level)) - 1) || !type_of(gpa, level, &type)))
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
    for (gpa_t gpa = 0; gpa < size; gpa += 1ULL << stage2_shift(level)) {
        level = uniform_level(gpa);
        uint64_t *entry = entry_at(gpa, level);
        if (!entry)
            return HV_ENOSPC;
        *entry = leaf_entry(gpa, STAGE2_ALL, level);
    }
    return HV_OK;
}

const struct stage2_format *stage2_format_used(void)
{
    return config.format;
}

hpa_t stage2_shared_root(enum stage2_view view)
{
    return roots[view];
}

static enum hv_status map_at(gpa_t gpa, hpa_t hpa, unsigned access, unsigned level)
{
    uint64_t *entry = entry_at(gpa, level);
    if (!entry)
        return HV_ENOSPC;
    if (stage2_is_table(config.format, *entry, level))
        return HV_EINVAL; /* smaller pages are there already, each with its reason */
    *entry = leaf_entry(HV_ALIGN_DOWN(hpa, 1ULL << stage2_shift(level)), access, level);
    atomic_set(&changes, changes + 1);
    return HV_OK;
}

static enum hv_status map_locked(gpa_t gpa, hpa_t hpa, unsigned access, unsigned level)
{
    spin_lock(&lock);
    enum hv_status status = map_at(gpa, hpa, access, level);
    spin_unlock(&lock);
    return status;
}

enum hv_status stage2_map(gpa_t gpa, hpa_t hpa, unsigned access)
{
    return map_locked(gpa, hpa, access, LEVEL_4K);
}

enum hv_status stage2_map_large(gpa_t gpa, hpa_t hpa, unsigned access)
{
    return map_locked(gpa, hpa, access, LEVEL_2M);
}

bool stage2_lookup(gpa_t gpa, hpa_t *hpa, unsigned *access)
{
    const struct stage2_format *f = config.format;
    const uint64_t *table = stage2_table(roots[STAGE2_NORMAL]);

    if (gpa >> clamp_bits(config.phys_bits))
        return false;
    for (unsigned l = LEVEL_ROOT; l >= LEVEL_4K; l--) {
        uint64_t entry = table[gpa >> stage2_shift(l) & (ENTRIES - 1)];
        if (!entry)
            return false;
        if (stage2_is_table(f, entry, l)) {
            table = stage2_table(entry & STAGE2_ADDRESS);
            continue;
        }
        uint64_t offset = gpa & ((1ULL << stage2_shift(l)) - 1);
        *hpa = (entry & STAGE2_ADDRESS & ~((1ULL << stage2_shift(l)) - 1)) + offset;
        *access = STAGE2_READ | (entry & f->write ? STAGE2_WRITE : 0);
        if (f->execute ? (entry & f->execute) != 0 : !(entry & f->no_execute))
            *access |= STAGE2_EXECUTE;
        return true;
    }
    return false;
}

bool stage2_is_plain(gpa_t page)
{
    hpa_t hpa;
    unsigned access;

    return stage2_lookup(page, &hpa, &access) && hpa == page && access == STAGE2_ALL;
}

/* The next page for filling; after the last one everything that was filled is forgotten. */
static hpa_t fill_table(void)
{
    if (fill_next == FILL_PAGES) {
        unsigned first = 1U << (SMALL_PHYS_BITS - stage2_shift(LEVEL_ROOT));
        for (unsigned i = first; i < ENTRIES; i++)
            set_root(i, 0);
        fill_next = 0;
    }
    hpa_t table = config.pool + fill_start + fill_next * PAGE;
    fill_next++;
    memset(stage2_table(table), 0, PAGE);
    return table;
}

static bool fill(gpa_t gpa, bool reuse)
{
    if (config.gib_pages || gpa < mapped_size(config.phys_bits, false) ||
        gpa >> clamp_bits(config.phys_bits))
        return false;

    /* Both tables first: taking the second may forget the first. */
    if (fill_next > FILL_PAGES - 2) {
        if (!reuse)
            return false;
        fill_next = FILL_PAGES;
    }
    unsigned index = (unsigned)(gpa >> stage2_shift(LEVEL_ROOT));
    if (!stage2_table(roots[STAGE2_NORMAL])[index] || fill_next == FILL_PAGES) {
        hpa_t pdpt = fill_table();
        set_root(index, pdpt | config.format->table);
    }
    uint64_t *pdpt = stage2_table(stage2_table(roots[STAGE2_NORMAL])[index] & STAGE2_ADDRESS);
    uint64_t *entry = &pdpt[gpa >> stage2_shift(LEVEL_1G) & (ENTRIES - 1)];
    if (*entry)
        return false; /* mapped: the fault has another reason */
    hpa_t pd = fill_table();
    gpa_t base = HV_ALIGN_DOWN(gpa, GIB);
    for (unsigned i = 0; i < ENTRIES; i++)
        stage2_table(pd)[i] =
            leaf_entry(base + ((uint64_t)i << stage2_shift(LEVEL_2M)), STAGE2_ALL, LEVEL_2M);
    *entry = pd | config.format->table;
    return true;
}

bool stage2_fill(gpa_t gpa, bool reuse)
{
    spin_lock(&lock);
    bool filled = fill(gpa, reuse);
    if (filled)
        atomic_set(&changes, changes + 1);
    spin_unlock(&lock);
    return filled;
}

bool stage2_execute_only(void)
{
    return config.format->execute_only;
}

uint32_t stage2_changes(void)
{
    return atomic_get(&changes);
}

uint64_t stage2_used(void)
{
    return next_free + fill_next * PAGE;
}
