/*
 * Breakpoints at linear addresses that are no memory yet. The first few are in debug registers that
 * nobody else uses: they hit as soon as something is executed there.
 */
#ifndef DEBUG_WAITING_H
#define DEBUG_WAITING_H

#include "hv/status.h"
#include "hv/types.h"

enum { WAITING_MAX = 1024 };

/*
 * Idempotent both; all CPUs stand. paged: it was asked for under paging, as an address that page
 * tables give its meaning. HV_ENOSPC: too many.
 */
enum hv_status waiting_add(gva_t address, bool paged);
void waiting_remove(gva_t address);

unsigned waiting_count(void);
/* In the order in which they came; index below the count. */
gva_t waiting_at(unsigned index);
bool waiting_is_paged(unsigned index);
bool waiting_has(gva_t address);

/* True when one of them has no debug register on some CPU. */
bool waiting_unarmed(void);
/* True when it has one on every CPU. */
bool waiting_is_armed(unsigned index);

#endif
