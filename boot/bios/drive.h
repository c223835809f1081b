/* Which drive of the BIOS's is the guest. Pure. */
#ifndef BOOT_BIOS_DRIVE_H
#define BOOT_BIOS_DRIVE_H

#include "boot/options.h"
#include "boot/refusal.h"
#include "hv/types.h"

enum { BIOS_FIRST_DISK = 0x80 };

/*
 * For guest=disk:N the drive 0x80 + N; for guest=next the hard disk behind the one gdbvisor was
 * loaded from, and the first one when that was something else (a CD, a floppy disk, the network).
 * loaded_from: the BIOS's number of it, -1 when it is not known; disks: how many hard disks the
 * BIOS has. False: there is no such drive, and the refusal says so.
 */
bool bios_choose_drive(const struct boot_guest *guest, int loaded_from, unsigned disks,
                       uint8_t *drive, struct refusal *refusal);

#endif
