/*
 * For one file of a UEFI program: its debug directory, which names the file with its symbols as a
 * firmware's own build does. GNU tools make none: the tests fill in where it lies.
 *
 * PE format, Debug Directory; the record is of the kind NB10. SYMBOLS is the path.
 */
#ifndef TESTS_EFI_DEBUG_DIRECTORY_H
#define TESTS_EFI_DEBUG_DIRECTORY_H

#include <efi.h>

__attribute__((section(".data"), used)) struct {
    UINT32 unused[3], type, size, rva, file_offset;
    CHAR8 signature[4];
    UINT32 record[3];
    CHAR8 path[256];
} debug_directory = {.type = 2, .size = 16 + sizeof(SYMBOLS), .signature = "NB10", .path = SYMBOLS};

#endif
