/* The UEFI application: what its parts share. All of it runs before the takeover, or as the guest.
 */
#ifndef BOOT_EFI_APP_APP_H
#define BOOT_EFI_APP_APP_H

#include <efi.h>

#include "boot/boot_info.h"
#include "boot/refusal.h"

struct efi_app {
    EFI_HANDLE handle;
    EFI_SYSTEM_TABLE *system;
    EFI_BOOT_SERVICES *services;
    EFI_LOADED_IMAGE *loaded; /* ourselves */
};

/* Set by efi_start() before anything else is called. */
extern struct efi_app app;

/* The interface of a handle, NULL when it has none of that kind. */
void *app_protocol(EFI_HANDLE handle, const EFI_GUID *guid);

/*
 * The option line: from the load options, else from gdbvisor.cfg beside the program, else "". False
 * with the reason when there is one that cannot be taken.
 */
bool app_read_options(char *line, size_t room, struct refusal *refusal);

/* Screen, ACPI's root table, and where the boot services' word is. */
void app_read_machine(struct boot_info *info);

/*
 * The firmware's other CPUs wait in efi_door_join() when this returns; or none does: it has no MP
 * services, or not all came.
 */
void app_gather_cpus(void);

/* Returns when all of them are back in the firmware, as guests or dismissed. */
void app_release_cpus(void);

/* The memory map, as of now. */
enum hv_status app_read_map(struct memory_map *map);

/* An image to be started as the guest. */
struct app_image {
    EFI_HANDLE handle;
    gva_t entry;
};

/*
 * Loads \PATH from our own volume, else from the first other one that has it. False with the
 * reason: there is none, it is no image, the firmware does not allow it.
 */
bool app_load_image(const char *path, struct app_image *image, struct refusal *refusal);

/* A file of a volume, opened for reading; NULL when it is not there. path begins with '\'. */
EFI_FILE_PROTOCOL *app_open(EFI_HANDLE volume, const CHAR16 *path);

#endif
