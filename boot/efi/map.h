/*
 * UEFI's memory map as ours. Pure. (UEFI specification, "EFI_BOOT_SERVICES.GetMemoryMap()" and
 * "UEFI memory types and mapping to ACPI address range types".)
 */
#ifndef BOOT_EFI_MAP_H
#define BOOT_EFI_MAP_H

#include "boot/memory_map.h"

/*
 * Reads `size` bytes of descriptors of `stride` bytes each into map, normalised. What the firmware
 * gives back when it has booted something counts as RAM. Neighbours of one type take one range.
 * HV_EINVAL: the stride is too small for a descriptor; HV_ENOENT: there is none; HV_ENOSPC: more
 * ranges than fit.
 */
enum hv_status efi_map_read(const uint8_t *descriptors, size_t size, size_t stride,
                            struct memory_map *map);

#endif
