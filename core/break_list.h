/* The software breakpoints of execute views, ordered by gpa, then gva; theirs alone. */
#ifndef CORE_BREAK_LIST_H
#define CORE_BREAK_LIST_H

#include "hv/types.h"

struct breakpoint {
    gpa_t gpa;
    gva_t gva;
    uint8_t original; /* while there is an INT3 in memory: planted.c */
};

unsigned break_list_count(void);
/* index below the count; good until the set changes. */
struct breakpoint *break_list_get(unsigned index);

/* The first that is not before (gpa, gva). */
unsigned break_list_lower_bound(gpa_t gpa, gva_t gva);
/* The breakpoints of a 4 KiB page are [*first, *end). False: it has none. */
bool break_list_page(gpa_t page, unsigned *first, unsigned *end);
/* True when there is one at the byte. */
bool break_list_has(gpa_t gpa);

/* A new one at the lower bound of its place; there must be fewer than EXEC_BREAKPOINTS_MAX. */
void break_list_put(unsigned at, gpa_t gpa, gva_t gva);
void break_list_take(unsigned at);

#endif
