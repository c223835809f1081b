#include "core/break_list.h"

#include "core/exec_views.h"
#include "lib/string.h"

enum { PAGE = 4096 };

/* Changed only while all CPUs stand. */
static struct breakpoint list[EXEC_BREAKPOINTS_MAX];
static unsigned count;

unsigned break_list_count(void)
{
    return count;
}

struct breakpoint *break_list_get(unsigned index)
{
    return &list[index];
}

unsigned break_list_lower_bound(gpa_t gpa, gva_t gva)
{
    unsigned low = 0, high = count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct breakpoint *b = &list[middle];
        if (b->gpa < gpa || (b->gpa == gpa && b->gva < gva))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool break_list_page(gpa_t page, unsigned *first, unsigned *end)
{
    *first = *end = break_list_lower_bound(page, 0);
    while (*end < count && list[*end].gpa - page < PAGE)
        (*end)++;
    return *end > *first;
}

bool break_list_has(gpa_t gpa)
{
    unsigned at = break_list_lower_bound(gpa, 0);

    return at < count && list[at].gpa == gpa;
}

void break_list_put(unsigned at, gpa_t gpa, gva_t gva)
{
    memmove(&list[at + 1], &list[at], (count - at) * sizeof(list[0]));
    list[at] = (struct breakpoint){.gpa = gpa, .gva = gva};
    count++;
}

void break_list_take(unsigned at)
{
    count--;
    memmove(&list[at], &list[at + 1], (count - at) * sizeof(list[0]));
}
