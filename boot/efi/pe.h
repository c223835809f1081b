/* PE/COFF images, as far as needed here. Pure. (Microsoft, "PE Format".) */
#ifndef BOOT_EFI_PE_H
#define BOOT_EFI_PE_H

#include "hv/types.h"

/*
 * Where the image begins to run: an offset from its first byte. 0 when the bytes (the headers of an
 * image as it stands in memory) are no PE32+ image for x86-64.
 */
uint32_t pe_entry(const uint8_t *image, size_t size);

#endif
