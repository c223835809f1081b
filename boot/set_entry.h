/* The guest's first state on its CPU. */
#ifndef BOOT_SET_ENTRY_H
#define BOOT_SET_ENTRY_H

#include "boot/guest_entry.h"
#include "core/vcpu.h"

/* Resets v and lets it stand at the entry; the backend takes it over with the next run. */
void set_entry(struct vcpu *v, const struct guest_entry *entry);

#endif
