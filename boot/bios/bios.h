/*
 * Guests that the BIOS boots: its services stay as they are, but for the memory it tells of. In the
 * hall's order: bios_check, bios_install, with the backend ready bios_load,
 * then bios_take_cursor.
 */
#ifndef BOOT_BIOS_BIOS_H
#define BOOT_BIOS_BIOS_H

#include "boot/boot_info.h"
#include "boot/memory_map.h"
#include "boot/options.h"
#include "core/vcpu.h"

/*
 * The drive that guest=next or guest=disk:N means. Refuses the start when there is none, or no
 * BIOS.
 */
uint8_t bios_check(const struct boot_info *info, const struct boot_guest *guest);

/*
 * Puts the resident piece into base memory, takes it from the map, hooks INT 15h, keeps the A20
 * gate open, and lets v stand at the loader. drive: what the guest is told it was booted from.
 * sector: the boot sector, when it is not to be read from the drive; else NULL.
 */
void bios_install(struct vcpu *v, const struct boot_info *info, struct memory_map *map,
                  uint8_t drive, const uint8_t *sector);

/*
 * Runs the loader in the guest; then v stands at the first instruction of the boot sector, as a
 * BIOS enters it. Refuses the start when the drive cannot be read or has no boot sector. The
 * screen is in text mode then, and info->screen says so. Without bios_install nothing happens.
 */
void bios_load(struct vcpu *v, struct boot_info *info);

/* The last thing before the guest runs: the BIOS writes on where our console's cursor stands. */
void bios_take_cursor(void);

#endif
