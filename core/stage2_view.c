/*
 * A CPU's view in which one page alone is executable. Its tables are kept while it is elsewhere:
 * coming back costs no more than the change of the root.
 */
#include "core/stage2.h"
#include "core/stage2_tables.h"
#include "hv/compiler.h"
#include "lib/string.h"

struct page_view {
    uint64_t root[STAGE2_ENTRIES];
    uint64_t tables[LEVEL_ROOT - 1][STAGE2_ENTRIES]; /* [level - 1] */
} HV_ALIGNED(4096);

static struct page_view views[HV_MAX_CPUS];

static struct {
    gpa_t page;
    uint32_t changes; /* of what is shared, when it was built */
    bool on;
    bool built;
} state[HV_MAX_CPUS];

hpa_t stage2_view_root(unsigned cpu)
{
    return (hpa_t)views[cpu].root;
}

bool stage2_in_view(unsigned cpu)
{
    return state[cpu].on;
}

bool stage2_view_is_stale(unsigned cpu)
{
    return state[cpu].changes != stage2_changes();
}

/* A table of the view: as the one (or the large leaf) that all share, nothing executable. */
static void copy_level(uint64_t *to, uint64_t entry, unsigned level)
{
    const struct stage2_format *f = stage2_format_used();

    if (stage2_is_table(f, entry, level))
        memcpy(to, stage2_table(entry & STAGE2_ADDRESS), STAGE2_PAGE);
    else
        stage2_fill_split(f, to, entry, level);
    for (unsigned i = 0; i < STAGE2_ENTRIES; i++)
        to[i] = stage2_no_execute(f, to[i]);
}

static void build(unsigned cpu, gpa_t page)
{
    const struct stage2_format *f = stage2_format_used();
    const uint64_t *from = stage2_table(stage2_shared_root(STAGE2_NORMAL));
    uint64_t *to = views[cpu].root;
    uint64_t entry = from[stage2_index(page, LEVEL_ROOT)];

    state[cpu].changes = stage2_changes(); /* before the look at the tables: later is stale */
    memcpy(to, stage2_table(stage2_shared_root(STAGE2_NO_EXECUTE)), STAGE2_PAGE);
    for (unsigned level = LEVEL_ROOT; level > LEVEL_4K; level--) {
        uint64_t *below = views[cpu].tables[level - 2];
        uint64_t next;

        if (stage2_is_table(f, entry, level)) {
            next = stage2_table(entry & STAGE2_ADDRESS)[stage2_index(page, level - 1)];
            copy_level(below, entry, level);
        } else {
            copy_level(below, entry, level);
            next = below[stage2_index(page, level - 1)];
        }
        to[stage2_index(page, level)] = (hpa_t)below | f->table;
        to = below;
        entry = next;
    }
    state[cpu].page = page;
    state[cpu].built = true;
}

bool stage2_enter_view(unsigned cpu, gpa_t page, hpa_t hpa, unsigned access)
{
    uint64_t *leaf = &views[cpu].tables[0][stage2_index(page, LEVEL_4K)];
    bool fresh = state[cpu].built && state[cpu].page == page && !stage2_view_is_stale(cpu);
    uint64_t before = *leaf;

    if (!fresh)
        build(cpu, page);
    *leaf = stage2_opened_leaf(stage2_format_used(), page, hpa, access);
    state[cpu].on = true;
    return !fresh || before != *leaf;
}

void stage2_leave_view(unsigned cpu)
{
    state[cpu].on = false;
}
