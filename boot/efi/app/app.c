#include "boot/efi/app/app.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "boot/efi/door.h"
#include "boot/options.h"
#include "boot/refuse_start.h"
#include "boot/relocate.h"
#include "boot/reservation.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { PAGE_SIZE = 4096, READING_TIME = 3000000 /* microseconds */ };

struct efi_app app;

static struct boot_options options;
static struct app_image image;

/* The PE entry; its name is known to the makefile. */
EFI_STATUS EFIAPI efi_start(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

void *app_protocol(EFI_HANDLE handle, const EFI_GUID *guid)
{
    void *interface = NULL;

    if (!handle || EFI_ERROR(app.services->HandleProtocol(handle, (EFI_GUID *)guid, &interface)))
        return NULL;
    return interface;
}

static void print(const char *text)
{
    CHAR16 wide[64];
    size_t n = 0;

    for (; *text; text++) {
        wide[n++] = (uint8_t)*text;
        if (n + 1 == HV_ARRAY_SIZE(wide) || !text[1]) {
            wide[n] = 0;
            app.system->ConOut->OutputString(app.system->ConOut, wide);
            n = 0;
        }
    }
}

/*
 * Whole pages below 4 GiB, aligned, of a type that no operating system takes. What alignment costs
 * is given back. Nothing is noted when there is no room: the hall says so.
 */
static void reserve(struct boot_info *info)
{
    uint64_t size = reservation_size(image_size(), options.trace),
             slack = RESERVATION_ALIGN - PAGE_SIZE;
    EFI_PHYSICAL_ADDRESS got = UINT32_MAX;

    info->self_size = size;
    if (EFI_ERROR(app.services->AllocatePages(AllocateMaxAddress, EfiReservedMemoryType,
                                              (size + slack) / PAGE_SIZE, &got)))
        return;
    info->self_start = HV_ALIGN_UP(got, (uint64_t)RESERVATION_ALIGN);
    uint64_t before = info->self_start - got;
    if (before)
        app.services->FreePages(got, before / PAGE_SIZE);
    if (slack - before)
        app.services->FreePages(info->self_start + size, (slack - before) / PAGE_SIZE);
}

/* What is known to be wrong before the core looks for itself. */
static bool prepare(struct boot_info *info, struct refusal *refusal)
{
    struct boot_option_errors errors;

    if (!app_read_options(info->options, sizeof(info->options), refusal))
        return false;
    boot_options_parse(info->options, false, &options, &errors); /* the core tells the errors */
    if (read_cr4() & CR4_LA57)
        return refuse(refusal,
                      "the firmware runs with 5-level paging, which is not supported yet.");
    if (options.guest.kind == BOOT_GUEST_EFI) {
        if (!app_load_image(options.guest.path, &image, refusal))
            return false;
        info->running.entry = image.entry;
    }
    return true;
}

/* Behind a refusal: the firmware gets everything back, and the user time to read. */
static EFI_STATUS give_back(const struct boot_info *info, const char *sentence)
{
    char kept[REFUSAL_SIZE];

    fmt_print(kept, sizeof(kept), "%s", sentence); /* it lies in what is freed */
    efi_door_dismiss();
    app_release_cpus();
    if (info->self_start)
        app.services->FreePages(info->self_start, info->self_size / PAGE_SIZE);
    if (image.handle)
        app.services->UnloadImage(image.handle);
    print("\r\n");
    print(kept);
    print("\r\nNothing was changed. The firmware goes on booting.\r\n");
    app.services->Stall(READING_TIME);
    return EFI_UNSUPPORTED;
}

/* stop=entry ends here when the image did not begin; what it returned otherwise. */
static __attribute__((noinline)) EFI_STATUS image_ended(EFI_STATUS status)
{
    if (EFI_ERROR(status))
        print("gdbvisor: the guest's image came back with an error; the firmware goes on.\r\n");
    return status;
}

/* Here runs the guest. */
static EFI_STATUS go_on(void)
{
    app.services->SetWatchdogTimer(0, 0, 0, NULL); /* who debugs takes time */
    /* After a success a firmware shows its menu and boots nothing. */
    EFI_STATUS status = EFI_NOT_FOUND;
    if (image.handle)
        status = image_ended(app.services->StartImage(image.handle, NULL, NULL));
    app_release_cpus(); /* they may still be in our code */
    return status;
}

EFI_STATUS EFIAPI efi_start(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    struct refusal refusal;

    image_fix_pointers();
    struct boot_info *info = efi_door_info();
    app = (struct efi_app){.handle = handle, .system = system, .services = system->BootServices};
    app.loaded = app_protocol(handle, &loaded_image);

    if (!prepare(info, &refusal))
        fmt_print(info->problem, sizeof(info->problem), "%s", refusal.text);
    app_read_machine(info);
    if (!*info->problem)
        reserve(info);
    if (!*info->problem)
        app_gather_cpus();
    info->running.not_entered = (gva_t)image_ended;
    const char *refused = efi_door_launch(app_read_map(&info->map));
    if (refused)
        return give_back(info, refused);
    return go_on();
}
