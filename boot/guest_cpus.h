/* The machine's other CPUs become the guest's. */
#ifndef BOOT_GUEST_CPUS_H
#define BOOT_GUEST_CPUS_H

#include "boot/boot_info.h"
#include "boot/options.h"

/*
 * On CPU 0, once everything is there that a CPU needs to be one of the guest's: starts the others,
 * which then wait for the guest to start them; or takes over those that a firmware has, which go on
 * where they were. Does not return when they could escape (refuse_start()).
 */
void guest_cpus_take(const struct boot_info *info, const struct memory_map *map, enum boot_ap way);

/* They may go on. v, CPU 0, holds them (core/park.h) when this returns. */
void guest_cpus_let_go(const struct vcpu *v);

#endif
