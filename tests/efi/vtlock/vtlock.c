/*
 * A UEFI application for the tests: switches VT-x off as a firmware does whose setup says so, by
 * IA32_FEATURE_CONTROL (SDM vol. 3, "Enabling and Entering VMX Operation"), which is locked then.
 */
#include <efi.h>

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

enum { FEATURE_CONTROL = 0x3a, LOCKED = 1 };

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    (void)handle;
    (void)system;
    __asm__ volatile("wrmsr" : : "c"(FEATURE_CONTROL), "a"(LOCKED), "d"(0));
    return EFI_SUCCESS;
}
