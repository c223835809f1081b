/*
 * A UEFI application for the tests: takes all free memory, then gives back pieces that an
 * application of gdbvisor's size fits in, but that are smaller than its reservation. What it holds
 * stays taken behind its end.
 */
#include <efi.h>

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

enum { PIECE = 960 /* pages: 3.75 MiB */, RETURNED = 8, SPACED = 2 };

static UINTN take_all(EFI_BOOT_SERVICES *services, UINTN pages, EFI_PHYSICAL_ADDRESS *kept,
                      UINTN room)
{
    EFI_PHYSICAL_ADDRESS got;
    UINTN count = 0;

    while (!EFI_ERROR(services->AllocatePages(AllocateAnyPages, EfiLoaderData, pages, &got))) {
        if (count < room)
            kept[count] = got;
        count++;
    }
    return count;
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    static EFI_PHYSICAL_ADDRESS kept[RETURNED * SPACED];
    EFI_BOOT_SERVICES *services = system->BootServices;

    (void)handle;
    if (take_all(services, PIECE, kept, RETURNED * SPACED) < RETURNED * SPACED)
        return EFI_OUT_OF_RESOURCES;
    for (UINTN pages = PIECE / 2; pages; pages /= 2)
        take_all(services, pages, NULL, 0);
    for (UINTN i = 0; i < RETURNED; i++)
        services->FreePages(kept[i * SPACED], PIECE);
    return EFI_SUCCESS;
}
