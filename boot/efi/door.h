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
 * For each other CPU, on it and in the firmware's surroundings: waits here until it is taken over
 * by efi_door_launch(), and returns as a guest; or until efi_door_dismiss(). Returns at once when
 * there are too many.
 */
void efi_door_join(void);

/* How many wait so. */
unsigned efi_door_joined(void);

/* Nothing is to be started: all of them return, those that come later, too. */
void efi_door_dismiss(void);

/*
 * Takes the processor over. map_status as hall_enter()'s. NULL: the caller is a guest now. Else
 * nothing has been started and all is as it was; the sentence why, which lies in the reservation.
 */
const char *efi_door_launch(enum hv_status map_status);

#endif
