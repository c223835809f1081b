/*
 * Stage 2: guest physical to system physical addresses. An identity map of all physical address
 * bits, in the largest pages the processor has, split only where a page is different.
 *
 * Two views share all tables but the root: the normal one, and one in which nothing can be
 * executed (for RUN_TO_FETCH).
 */
#ifndef CORE_STAGE2_H
#define CORE_STAGE2_H

#include "arch/x86/mtrr.h"
#include "hv/status.h"
#include "hv/types.h"

enum stage2_access {
    STAGE2_NONE = 0,
    STAGE2_READ = 1,
    STAGE2_WRITE = 2,
    STAGE2_EXECUTE = 4,
    STAGE2_ALL = 7
};

enum stage2_view { STAGE2_NORMAL, STAGE2_NO_EXECUTE, STAGE2_VIEWS };

struct stage2_format {
    uint64_t table;      /* bits of an entry that points to a table */
    uint64_t leaf;       /* bits of every present leaf */
    uint64_t large;      /* and of one above the last level */
    uint64_t read;       /* of leaf: clear when not readable (0: what is present is readable) */
    uint64_t write;      /* set when writable */
    uint64_t execute;    /* set when executable (0: there is none) */
    uint64_t no_execute; /* set when not executable (0: there is none) */
    uint8_t type_shift;  /* where a leaf has its memory type (0: it has none) */
    bool execute_only;   /* a page can be executable and not readable */
};

struct stage2_config {
    const struct stage2_format *format;
    unsigned phys_bits; /* of guest physical addresses */
    bool gib_pages;
    hpa_t pool;         /* identity-mapped for us, 4 KiB aligned, */
    uint64_t pool_size; /* bytes */
};

/* Can a page be executable and not readable? */
bool stage2_execute_only(void);

/* Bytes of the pool that stage2_init() needs, with room for the pages that are split. */
uint64_t stage2_pool_size(unsigned phys_bits, bool gib_pages);

/* Memory types for formats that carry them; before stage2_init(). Without: all write-back. */
void stage2_use_types(const struct mtrr_values *values);

/* Builds the identity map. HV_ENOSPC when the pool is too small. */
enum hv_status stage2_init(const struct stage2_config *config);

/* The root that a CPU is to use now. */
hpa_t stage2_root(unsigned cpu, enum stage2_view view);

/*
 * For one CPU alone, until stage2_close(): the 4 KiB page at gpa maps to hpa (memory of ours, or
 * the page itself) with the access. Its other pages are as they were shared when the first one was
 * opened. The caller flushes this CPU, then and after closing. HV_ENOSPC: more than
 * STAGE2_OWN_PAGES, or out of range.
 */
enum { STAGE2_OWN_PAGES = 4 };
enum hv_status stage2_open(unsigned cpu, gpa_t gpa, hpa_t hpa, unsigned access);
void stage2_close(unsigned cpu);

/*
 * From now on stage2_root() of this CPU is a view in which no page is executable but the 4 KiB
 * page, which maps to hpa (as above) with the access; what is opened goes before. True: the caller
 * flushes this CPU. The page must be mapped, below 2^48.
 */
bool stage2_enter_view(unsigned cpu, gpa_t page, hpa_t hpa, unsigned access);
void stage2_leave_view(unsigned cpu);
bool stage2_in_view(unsigned cpu);
/* True when what all share has changed since. */
bool stage2_view_is_stale(unsigned cpu);

/*
 * Maps the 4 KiB page at gpa to hpa with the access (STAGE2_NONE: not present), splitting larger
 * pages. The caller flushes. HV_ENOSPC: no page left for a table.
 */
enum hv_status stage2_map(gpa_t gpa, hpa_t hpa, unsigned access);

/* The same for a whole 2 MiB page. */
enum hv_status stage2_map_large(gpa_t gpa, hpa_t hpa, unsigned access);

/* What gpa translates to; *access as mapped. False when it is not present. */
bool stage2_lookup(gpa_t gpa, hpa_t *hpa, unsigned *access);

/* True when the 4 KiB page maps to itself, with all access. */
bool stage2_is_plain(gpa_t page);

/*
 * Address space that did not fit in the pool is mapped when it is touched. True when gpa was such
 * and is mapped now (the caller flushes): the access is to be tried again. reuse: when the tables
 * for it are full, they may be used anew (no other CPU can be walking them).
 */
bool stage2_fill(gpa_t gpa, bool reuse);

/* Counts the changes of what all share. */
uint32_t stage2_changes(void);

/* Bytes of tables in use. */
uint64_t stage2_used(void);

#endif
