/*
 * A UEFI application for the tests: takes the MP services away (UEFI Platform Initialization
 * Specification, "MP Services Protocol"), as a firmware has none that leaves its CPUs alone.
 */
#include <efi.h>

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    static EFI_GUID mp_services = {
        0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    EFI_BOOT_SERVICES *services = system->BootServices;
    EFI_HANDLE cpu;
    UINTN size = sizeof(cpu);
    void *interface;
    EFI_STATUS status;

    (void)handle;
    status = services->LocateHandle(ByProtocol, &mp_services, NULL, &size, &cpu);
    if (!EFI_ERROR(status))
        status = services->HandleProtocol(cpu, &mp_services, &interface);
    if (!EFI_ERROR(status))
        status = services->UninstallProtocolInterface(cpu, &mp_services, interface);
    return status;
}
