/*
 * A CPU's own view of a few pages: the path to them is copied, all else is shared. So one CPU can
 * have a page opened for an instruction while the others run.
 */
#include "core/stage2.h"
#include "core/stage2_tables.h"
#include "hv/compiler.h"
#include "lib/string.h"

enum { TABLES = STAGE2_OWN_PAGES * (LEVEL_ROOT - 1) };

struct own_view {
    uint64_t root[STAGE2_VIEWS][STAGE2_ENTRIES];
    uint64_t tables[TABLES][STAGE2_ENTRIES];
} HV_ALIGNED(4096);

static struct own_view own[HV_MAX_CPUS];

static struct {
    bool open;
    unsigned tables; /* used */
} state[HV_MAX_CPUS];

hpa_t stage2_root(unsigned cpu, enum stage2_view view)
{
    if (state[cpu].open)
        return (hpa_t)own[cpu].root[view];
    return view == STAGE2_NORMAL && stage2_in_view(cpu) ? stage2_view_root(cpu)
                                                        : stage2_shared_root(view);
}

static void begin(unsigned cpu)
{
    for (unsigned view = 0; view < STAGE2_VIEWS; view++)
        memcpy(own[cpu].root[view], stage2_table(stage2_shared_root((enum stage2_view)view)),
               STAGE2_PAGE);
    state[cpu].open = true;
    state[cpu].tables = 0;
}

/* The table below the entry, as one of this CPU's own. NULL: none left. */
static uint64_t *own_table(unsigned cpu, uint64_t *entry, unsigned level)
{
    const struct stage2_format *f = stage2_format_used();
    uint64_t *from = stage2_table(*entry & STAGE2_ADDRESS);

    if (stage2_is_table(f, *entry, level) && from >= own[cpu].tables[0] &&
        from < own[cpu].tables[TABLES - 1] + STAGE2_ENTRIES)
        return from;
    if (state[cpu].tables == TABLES)
        return NULL;
    uint64_t *table = own[cpu].tables[state[cpu].tables++];
    if (stage2_is_table(f, *entry, level))
        memcpy(table, from, STAGE2_PAGE);
    else
        stage2_fill_split(f, table, *entry, level);
    *entry = (hpa_t)table | f->table;
    return table;
}

enum hv_status stage2_open(unsigned cpu, gpa_t gpa, hpa_t hpa, unsigned access)
{
    const struct stage2_format *f = stage2_format_used();

    if (gpa >> (stage2_shift(LEVEL_ROOT) + 9))
        return HV_ENOSPC;
    if (!state[cpu].open)
        begin(cpu);
    uint64_t *table = own[cpu].root[STAGE2_NORMAL];
    for (unsigned level = LEVEL_ROOT; level > LEVEL_4K; level--) {
        unsigned index = stage2_index(gpa, level);
        uint64_t *below = own_table(cpu, &table[index], level);
        if (!below)
            return HV_ENOSPC;
        if (level == LEVEL_ROOT)
            own[cpu].root[STAGE2_NO_EXECUTE][index] = stage2_no_execute(f, table[index]);
        table = below;
    }
    table[stage2_index(gpa, LEVEL_4K)] = stage2_opened_leaf(f, gpa, hpa, access);
    return HV_OK;
}

void stage2_close(unsigned cpu)
{
    state[cpu].open = false;
}
