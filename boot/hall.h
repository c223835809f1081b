/* The hall behind the doors: from boot_info to the running guest. */
#ifndef BOOT_HALL_H
#define BOOT_HALL_H

#include "boot/boot_info.h"
#include "hv/compiler.h"
#include "hv/status.h"

/*
 * Goes on with boot in the core's final place. map_status: how reading the loader's information
 * went; anything but HV_OK is refused here, where there is a console to say it.
 */
HV_NORETURN void hall_enter(struct boot_info *info, enum hv_status map_status);

#endif
