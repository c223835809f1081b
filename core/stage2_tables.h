/* What the two files that make stage-2 tables share: the shape of four-level tables. */
#ifndef CORE_STAGE2_TABLES_H
#define CORE_STAGE2_TABLES_H

#include "core/stage2.h"

enum {
    STAGE2_PAGE = 4096,
    STAGE2_ENTRIES = 512,
    LEVEL_4K = 1,
    LEVEL_2M = 2,
    LEVEL_1G = 3,
    LEVEL_ROOT = 4,
};

#define STAGE2_ADDRESS 0x000ffffffffff000ULL

static inline uint64_t *stage2_table(hpa_t address)
{
    return (uint64_t *)address;
}

static inline unsigned stage2_shift(unsigned level)
{
    return 12 + 9 * (level - 1);
}

static inline unsigned stage2_index(gpa_t gpa, unsigned level)
{
    return gpa >> stage2_shift(level) & (STAGE2_ENTRIES - 1);
}

static inline bool stage2_is_table(const struct stage2_format *f, uint64_t entry, unsigned level)
{
    return entry && level > LEVEL_4K && !(entry & f->large);
}

/* An entry of any level as a view has it in which nothing under it is executable. */
static inline uint64_t stage2_no_execute(const struct stage2_format *f, uint64_t entry)
{
    return entry ? (entry & ~f->execute) | f->no_execute : 0;
}

/* A leaf of this memory type (as MTRRs number them). */
static inline uint64_t stage2_leaf(const struct stage2_format *f, hpa_t hpa, unsigned access,
                                   unsigned level, uint64_t type)
{
    if (!access)
        return 0;
    return hpa | (f->type_shift ? type << f->type_shift : 0) |
           (access & STAGE2_READ ? f->leaf : f->leaf & ~f->read) |
           (level > LEVEL_4K ? f->large : 0) | (access & STAGE2_WRITE ? f->write : 0) |
           (access & STAGE2_EXECUTE ? f->execute : f->no_execute);
}

/* The memory type of a 4 KiB page, as MTRRs number them. */
uint64_t stage2_page_type(hpa_t page);

/*
 * The leaf of a page as one CPU has it: the page itself, or another of ours, which is write-back.
 * Nothing is taken from the leaf that all share: one without access has no type.
 */
static inline uint64_t stage2_opened_leaf(const struct stage2_format *f, gpa_t gpa, hpa_t hpa,
                                          unsigned access)
{
    bool itself = hpa == (gpa & ~(gpa_t)(STAGE2_PAGE - 1));

    return stage2_leaf(f, hpa, access, LEVEL_4K, itself ? stage2_page_type(hpa) : MTRR_WB);
}

/* The table below this one entry of `level` maps the same in the next smaller pages. */
static inline void stage2_fill_split(const struct stage2_format *f, uint64_t *table, uint64_t entry,
                                     unsigned level)
{
    uint64_t size = 1ULL << stage2_shift(level - 1);

    for (unsigned i = 0; i < STAGE2_ENTRIES; i++) {
        uint64_t leaf = entry ? entry + i * size : 0;
        table[i] = level - 1 == LEVEL_4K ? leaf & ~f->large : leaf;
    }
}

/* The tables that all CPUs share. */
const struct stage2_format *stage2_format_used(void);
hpa_t stage2_shared_root(enum stage2_view view);

/* Where a CPU's view of one page begins. */
hpa_t stage2_view_root(unsigned cpu);

#endif
