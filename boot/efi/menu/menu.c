/*
 * BOOTX64.EFI of gdbvisor.iso: starts GRUB, which lies beside it and shows the menu. When GRUB ends
 * it tells of a success, and a firmware then shows its own setup; after an error it boots its next
 * entry (UEFI Specification, "Boot Manager"), and that is what "what the firmware boots next" is to
 * do.
 */
#include <efi.h>

#include "boot/efi/device_path.h"

/* The PE entry; its name is known to the makefile. */
EFI_STATUS EFIAPI menu_start(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

EFI_STATUS EFIAPI menu_start(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    static EFI_GUID device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
    static const uint16_t name[] = u"\\EFI\\BOOT\\grubx64.efi";
    static uint8_t path[DEVICE_PATH_MAX];
    EFI_BOOT_SERVICES *services = system->BootServices;
    void *self, *volume;
    EFI_HANDLE grub = NULL;
    EFI_STATUS status;

    status = services->HandleProtocol(handle, &loaded_image, &self);
    if (!EFI_ERROR(status))
        status = services->HandleProtocol(((EFI_LOADED_IMAGE *)self)->DeviceHandle, &device_path,
                                          &volume);
    if (!EFI_ERROR(status) && !device_path_of_file(volume, name, sizeof(name), path))
        status = EFI_OUT_OF_RESOURCES;
    if (!EFI_ERROR(status))
        status = services->LoadImage(FALSE, handle, (EFI_DEVICE_PATH *)path, NULL, 0, &grub);
    if (!EFI_ERROR(status))
        status = services->StartImage(grub, NULL, NULL);
    return EFI_ERROR(status) ? status : EFI_NOT_FOUND;
}
