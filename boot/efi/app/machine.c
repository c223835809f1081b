#include "boot/efi/app/app.h"
#include "boot/efi/map.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum { MAP_BYTES = 64 << 10, RSDP_LENGTH_AT = 20, RSDP_V1_SIZE = 20 };

static uint8_t descriptors[MAP_BYTES] HV_ALIGNED(8);

enum hv_status app_read_map(struct memory_map *map)
{
    UINTN size = sizeof(descriptors), key, stride;
    UINT32 version;
    EFI_STATUS status = app.services->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)descriptors,
                                                   &key, &stride, &version);

    if (status == EFI_BUFFER_TOO_SMALL)
        return HV_ENOSPC;
    if (EFI_ERROR(status))
        return HV_ENOENT;
    return efi_map_read(descriptors, size, stride, map);
}

static bool same_guid(const EFI_GUID *a, const EFI_GUID *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void read_rsdp(struct boot_info *info)
{
    static const EFI_GUID acpi1 = ACPI_TABLE_GUID, acpi2 = ACPI_20_TABLE_GUID;

    for (UINTN i = 0; i < app.system->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *t = &app.system->ConfigurationTable[i];
        const uint8_t *rsdp = t->VendorTable;
        size_t size = 0;

        if (same_guid(&t->VendorGuid, &acpi2))
            size = HV_MIN(get32(rsdp + RSDP_LENGTH_AT), (uint32_t)sizeof(info->rsdp));
        else if (same_guid(&t->VendorGuid, &acpi1))
            size = RSDP_V1_SIZE;
        if (size <= info->rsdp_size)
            continue;
        memcpy(info->rsdp, rsdp, size);
        info->rsdp_size = size;
    }
}

/* The lowest bit set and how many there are, of a mask that is one run. */
static void read_mask(uint32_t mask, uint8_t *position, uint8_t *size)
{
    *position = *size = 0;
    if (!mask)
        return;
    for (; !(mask & 1); mask >>= 1)
        ++*position;
    for (; mask & 1; mask >>= 1)
        ++*size;
}

/* UEFI specification, "EFI_GRAPHICS_OUTPUT_PROTOCOL". */
static void read_screen(struct boot_framebuffer *screen)
{
    static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop = NULL;

    if (EFI_ERROR(app.services->LocateProtocol(&guid, NULL, (void **)&gop)) || !gop->Mode ||
        !gop->Mode->Info)
        return;

    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = gop->Mode->Info;
    EFI_PIXEL_BITMASK mask = {0xff, 0xff00, 0xff0000, 0};
    switch (mode->PixelFormat) {
    case PixelRedGreenBlueReserved8BitPerColor:
        break;
    case PixelBlueGreenRedReserved8BitPerColor:
        mask = (EFI_PIXEL_BITMASK){0xff0000, 0xff00, 0xff, 0};
        break;
    case PixelBitMask:
        mask = mode->PixelInformation;
        break;
    case PixelBltOnly:
    case PixelFormatMax:
    default:
        return; /* there is no memory to draw in */
    }
    uint32_t used = mask.RedMask | mask.GreenMask | mask.BlueMask | mask.ReservedMask;
    screen->kind = BOOT_SCREEN_RGB;
    screen->address = gop->Mode->FrameBufferBase;
    screen->width = mode->HorizontalResolution;
    screen->height = mode->VerticalResolution;
    screen->bits_per_pixel = used >> 24 || mode->PixelFormat != PixelBitMask ? 32
                             : used >> 16                                    ? 24
                                                                             : 16;
    screen->pitch = mode->PixelsPerScanLine * (screen->bits_per_pixel / 8U);
    read_mask(mask.RedMask, &screen->red_position, &screen->red_size);
    read_mask(mask.GreenMask, &screen->green_position, &screen->green_size);
    read_mask(mask.BlueMask, &screen->blue_position, &screen->blue_size);
}

void app_read_machine(struct boot_info *info)
{
    read_rsdp(info);
    read_screen(&info->screen);
    /* ExitBootServices() clears it. */
    info->running.boot_services = (gpa_t)&app.system->BootServices;
}
