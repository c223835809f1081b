#include "boot/efi/app/app.h"
#include "boot/efi/door.h"

/* PI specification vol. 2, "MP Services Protocol". */
typedef void(EFIAPI *mp_procedure)(void *argument);
struct mp_services {
    EFI_STATUS(EFIAPI *count)(struct mp_services *self, UINTN *all, UINTN *enabled);
    void *info;
    EFI_STATUS(EFIAPI *start_all)
    (struct mp_services *self, mp_procedure procedure, BOOLEAN one_by_one, EFI_EVENT finished,
     UINTN timeout, void *argument, UINTN **failed);
};

enum { TRIES = 1000, MILLISECOND = 1000 /* microseconds */ };

static EFI_EVENT finished;

static void EFIAPI join(void *argument)
{
    (void)argument;
    efi_door_join();
}

static bool start(struct mp_services *mp, UINTN others)
{
    if (EFI_ERROR(app.services->CreateEvent(0, 0, NULL, NULL, &finished)))
        return false;
    if (EFI_ERROR(mp->start_all(mp, join, FALSE, finished, 0, NULL, NULL))) {
        app.services->CloseEvent(finished);
        finished = NULL;
        return false;
    }
    for (unsigned i = 0; i < TRIES && efi_door_joined() < others; i++)
        app.services->Stall(MILLISECOND);
    return efi_door_joined() == others;
}

void app_gather_cpus(void)
{
    static EFI_GUID guid = {
        0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct mp_services *mp = NULL;
    UINTN all, enabled;

    if (EFI_ERROR(app.services->LocateProtocol(&guid, NULL, (void **)&mp)) ||
        EFI_ERROR(mp->count(mp, &all, &enabled)) || enabled != all || all == 1 || all > HV_MAX_CPUS)
        return;
    if (!start(mp, all - 1))
        efi_door_dismiss();
}

void app_release_cpus(void)
{
    if (!finished)
        return;
    while (app.services->CheckEvent(finished) == EFI_NOT_READY)
        app.services->Stall(MILLISECOND);
    app.services->CloseEvent(finished);
    finished = NULL;
}
