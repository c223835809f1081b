/*
 * A UEFI application for the tests: greets, and has a function and a variable to look at. The start
 * code of gnu-efi calls it by its own convention, not by EFIAPI.
 *
 * Its debug directory names the file with its symbols, as a firmware's own build does. GNU tools
 * make none: the tests fill in where it lies.
 */
#include <efi.h>

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

/* PE format, Debug Directory; the record is of the kind NB10. */
__attribute__((section(".data"), used)) struct {
    UINT32 unused[3], type, size, rva, file_offset;
    CHAR8 signature[4];
    UINT32 record[3];
    CHAR8 path[256];
} debug_directory = {.type = 2, .size = 16 + sizeof(SYMBOLS), .signature = "NB10", .path = SYMBOLS};

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
