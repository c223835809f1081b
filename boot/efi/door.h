/*
 * The UEFI door: the running machine becomes the guest. The firmware's application (app/) fills the
 * boot_info and launches; what it called efi_launch() from goes on as a guest.
 */
#ifndef BOOT_EFI_DOOR_H
#define BOOT_EFI_DOOR_H

#include "boot/boot_info.h"

/* To be filled before efi_door_launch(): all but modules, loader and running. */
struct boot_info *efi_door_info(void);

/*
 * Takes the processor over. map_status as hall_enter()'s. NULL: the caller is a guest now. Else
 * nothing has been started and all is as it was; the sentence why, which lies in the reservation.
 */
const char *efi_door_launch(enum hv_status map_status);

#endif
