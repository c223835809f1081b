#include "boot/efi/map.h"

#include "hv/compiler.h"
#include "lib/bytes.h"

/* EFI_MEMORY_DESCRIPTOR. */
enum { AT_TYPE = 0, AT_START = 8, AT_PAGES = 24, DESCRIPTOR_SIZE = 40, PAGE_SHIFT = 12 };

static uint32_t type_of(uint32_t efi_type)
{
    /* By EFI_MEMORY_TYPE, in its order; what is newer than these is reserved. */
    static const uint8_t types[] = {
        MEMORY_RESERVED,                  /* reserved */
        MEMORY_RAM,      MEMORY_RAM,      /* loader code, data */
        MEMORY_RAM,      MEMORY_RAM,      /* boot services code, data */
        MEMORY_RESERVED, MEMORY_RESERVED, /* runtime services code, data */
        MEMORY_RAM,                       /* conventional */
        MEMORY_BAD,                       /* unusable */
        MEMORY_ACPI,     MEMORY_NVS,      /* ACPI: reclaimable, NVS */
    };

    return efi_type < HV_ARRAY_SIZE(types) ? types[efi_type] : MEMORY_RESERVED;
}

/* Adds a range; one that goes on where the last one ended makes that longer. */
static enum hv_status add(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    struct memory_range *last = map->count ? &map->ranges[map->count - 1] : NULL;

    if (last && last->type == type && last->end == start && end > start) {
        last->end = end;
        return HV_OK;
    }
    return memory_map_add(map, start, end, type);
}

enum hv_status efi_map_read(const uint8_t *descriptors, size_t size, size_t stride,
                            struct memory_map *map)
{
    map->count = 0;
    if (stride < DESCRIPTOR_SIZE)
        return HV_EINVAL;
    for (size_t at = 0; size - at >= stride; at += stride) {
        const uint8_t *d = descriptors + at;
        uint64_t start = get64(d + AT_START), pages = get64(d + AT_PAGES);

        if (pages > (UINT64_MAX - start) >> PAGE_SHIFT)
            continue; /* beyond all address bits: no memory */
        enum hv_status status =
            add(map, start, start + (pages << PAGE_SHIFT), type_of(get32(d + AT_TYPE)));
        if (status != HV_OK)
            return status;
    }
    return map->count ? memory_map_normalise(map) : HV_ENOENT;
}
