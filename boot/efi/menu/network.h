/* A file of the server that a firmware has booted us from by PXE over IPv4. */
#ifndef BOOT_EFI_MENU_NETWORK_H
#define BOOT_EFI_MENU_NETWORK_H

#include <efi.h>

/*
 * Reads it by TFTP: *bytes is of the pool of EfiLoaderData, the caller's, *size its bytes. card:
 * the device that our own image came from; EFI_UNSUPPORTED when that is none with PXE. (UEFI
 * Specification, "PXE Base Code Protocol".)
 */
EFI_STATUS network_read(EFI_BOOT_SERVICES *services, EFI_HANDLE card, const char *name,
                        void **bytes, UINTN *size);

#endif
