/*
 * A UEFI application for the tests: greets, and has a function and a variable to look at. The start
 * code of gnu-efi calls it by its own convention, not by EFIAPI.
 */
#include <efi.h>

#include "tests/efi/debug_directory.h"

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

volatile UINTN greetings = 41;

static __attribute__((noinline)) void greet(EFI_SYSTEM_TABLE *system, UINTN number)
{
    greetings = number;
    system->ConOut->OutputString(system->ConOut, (CHAR16 *)u"greeter: hello\r\n");
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    (void)handle;
    greet(system, greetings + 1);
    return EFI_SUCCESS;
}
