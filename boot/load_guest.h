/* guest=module: from the modules to a guest that is ready to be entered. */
#ifndef BOOT_LOAD_GUEST_H
#define BOOT_LOAD_GUEST_H

#include "boot/boot_info.h"
#include "core/vcpu.h"

/*
 * Loads the first module as kernel, the rest as its initrds or modules, and sets v to begin there.
 * map: what the guest is to be told of, the reservation carved out; a boot sector
 * (boot/bios/bios.h) and a bzImage take more of it. Refuses to start, by name, what cannot be
 * loaded.
 */
void load_guest(struct vcpu *v, const struct boot_info *info, struct memory_map *map);

#endif
