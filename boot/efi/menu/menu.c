/*
 * Starts GRUB, which shows the menu: as BOOTX64.EFI of gdbvisor.iso the one that lies beside it,
 * from a network the server's. When GRUB ends it tells of a success, and a firmware then shows its
 * own setup; after an error it boots its next entry (UEFI Specification, "Boot Manager"), and that
 * is what "what the firmware boots next" is to do.
 */
#include <efi.h>

#include "boot/efi/device_path.h"
#include "boot/efi/menu/network.h"

/* The PE entry; its name is known to the makefile. */
EFI_STATUS EFIAPI menu_start(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

/* Where grub-mknetdir puts it. */
static const char network_name[] = "/boot/grub/x86_64-efi/core.efi";

/* Of the disk that we are from; else of the server, for a card has no files but its boot file. */
static EFI_STATUS load_grub(EFI_BOOT_SERVICES *services, EFI_HANDLE self, EFI_HANDLE device,
                            const uint8_t *device_path, EFI_HANDLE *grub)
{
    static const uint16_t name[] = u"\\EFI\\BOOT\\grubx64.efi";
    static uint8_t path[DEVICE_PATH_MAX];
    UINTN size;
    void *bytes;
    EFI_STATUS status;

    if (!device_path_of_file(device_path, name, sizeof(name), path))
        return EFI_OUT_OF_RESOURCES;
    status = network_read(services, device, network_name, &bytes, &size);
    if (status == EFI_UNSUPPORTED)
        return services->LoadImage(FALSE, self, (EFI_DEVICE_PATH *)path, NULL, 0, grub);
    if (EFI_ERROR(status))
        return status;
    status = services->LoadImage(FALSE, self, (EFI_DEVICE_PATH *)path, bytes, size, grub);
    services->FreePool(bytes);
    return status;
}

EFI_STATUS EFIAPI menu_start(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    static EFI_GUID device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
    EFI_BOOT_SERVICES *services = system->BootServices;
    EFI_HANDLE grub = NULL, device;
    void *self, *volume;
    EFI_STATUS status;

    status = services->HandleProtocol(handle, &loaded_image, &self);
    if (EFI_ERROR(status))
        return status;
    device = ((EFI_LOADED_IMAGE *)self)->DeviceHandle;
    status = services->HandleProtocol(device, &device_path, &volume);
    if (!EFI_ERROR(status))
        status = load_grub(services, handle, device, volume, &grub);
    if (!EFI_ERROR(status))
        status = services->StartImage(grub, NULL, NULL);
    return EFI_ERROR(status) ? status : EFI_NOT_FOUND;
}
