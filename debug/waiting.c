#include "debug/waiting.h"

#include "core/debug_regs.h"
#include "hv/compiler.h"
#include "lib/string.h"

static struct {
    gva_t address;
    bool paged;
} list[WAITING_MAX];
static unsigned count;

static int find(gva_t address)
{
    for (unsigned i = 0; i < count; i++) {
        if (list[i].address == address)
            return (int)i;
    }
    return -1;
}

/* Who comes first is first in the registers, too. */
static void set_registers(void)
{
    gva_t first[DEBUG_SLOTS];
    unsigned n = HV_MIN(count, (unsigned)DEBUG_SLOTS);

    for (unsigned i = 0; i < n; i++)
        first[i] = list[i].address;
    debug_regs_set_spare(first, n);
}

enum hv_status waiting_add(gva_t address, bool paged)
{
    if (find(address) >= 0)
        return HV_OK;
    if (count == WAITING_MAX)
        return HV_ENOSPC;
    list[count].address = address;
    list[count++].paged = paged;
    set_registers();
    return HV_OK;
}

void waiting_remove(gva_t address)
{
    int at = find(address);

    if (at < 0)
        return;
    count--;
    memmove(&list[at], &list[at + 1], (count - (unsigned)at) * sizeof(list[0]));
    set_registers();
}

unsigned waiting_count(void)
{
    return count;
}

gva_t waiting_at(unsigned index)
{
    return list[index].address;
}

bool waiting_is_paged(unsigned index)
{
    return list[index].paged;
}

bool waiting_has(gva_t address)
{
    return find(address) >= 0;
}

bool waiting_is_armed(unsigned index)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (index >= debug_regs_spares(vcpu_get(i)))
            return false;
    }
    return true;
}

bool waiting_unarmed(void)
{
    return count && !waiting_is_armed(count - 1);
}
