/* Device paths (UEFI Specification, "Device Path Protocol"), built. Pure. */
#ifndef BOOT_EFI_DEVICE_PATH_H
#define BOOT_EFI_DEVICE_PATH_H

#include "hv/types.h"

enum { DEVICE_PATH_MAX = 1024 };

/*
 * Of a file: the path of its volume (NULL: none), a node with its name, the end. name: UTF-16, of
 * name_size bytes with its terminator. False when that does not fit into DEVICE_PATH_MAX bytes, or
 * the volume's path makes no sense.
 */
bool device_path_of_file(const uint8_t *volume, const uint16_t *name, size_t name_size,
                         uint8_t path[DEVICE_PATH_MAX]);

#endif
