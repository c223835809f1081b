/*
 * A UEFI boot service driver for the tests: stays behind its entry, and counts the ticks of a timer
 * whose event calls it.
 */
#include <efi.h>

#include "tests/efi/debug_directory.h"

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

enum { PERIOD = 1000000 /* of 100 ns: 100 ms */ };

volatile UINTN ticks;

static __attribute__((noinline)) void count(UINTN more)
{
    ticks += more;
    __asm__ volatile("nop"); /* something to step to behind the line that counts */
}

static void EFIAPI on_tick(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
    count(1);
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    EFI_BOOT_SERVICES *services = system->BootServices;
    EFI_EVENT timer;
    EFI_STATUS status;

    (void)handle;
    status =
        services->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_CALLBACK, on_tick, NULL, &timer);
    if (!EFI_ERROR(status))
        status = services->SetTimer(timer, TimerPeriodic, PERIOD);
    return status;
}
