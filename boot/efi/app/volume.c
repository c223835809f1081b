#include "boot/efi/app/app.h"
#include "boot/efi/device_path.h"
#include "boot/efi/pe.h"
#include "boot/options.h"
#include "lib/string.h"

enum { VOLUMES_MAX = 64, PE_HEADERS = 4096 };

static EFI_GUID file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID device_path = EFI_DEVICE_PATH_PROTOCOL_GUID;
static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;

EFI_FILE_PROTOCOL *app_open(EFI_HANDLE volume, const CHAR16 *path)
{
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *fs = app_protocol(volume, &file_system);
    EFI_FILE_PROTOCOL *root = NULL, *file = NULL;

    if (!fs || EFI_ERROR(fs->OpenVolume(fs, &root)))
        return NULL;
    EFI_STATUS status = root->Open(root, &file, (CHAR16 *)path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    return EFI_ERROR(status) ? NULL : file;
}

static bool has(EFI_HANDLE volume, const CHAR16 *path)
{
    EFI_FILE_PROTOCOL *file = app_open(volume, path);

    if (file)
        file->Close(file);
    return file != NULL;
}

/* Ours first. NULL: none of `looked_at` volumes has it. */
static EFI_HANDLE find_volume(const CHAR16 *path, unsigned *looked_at)
{
    static EFI_HANDLE volumes[VOLUMES_MAX];
    UINTN size = sizeof(volumes);

    *looked_at = 1;
    if (has(app.loaded->DeviceHandle, path))
        return app.loaded->DeviceHandle;
    if (EFI_ERROR(app.services->LocateHandle(ByProtocol, &file_system, NULL, &size, volumes)))
        return NULL;
    *looked_at = (unsigned)(size / sizeof(volumes[0]));
    for (unsigned i = 0; i < *looked_at; i++) {
        if (has(volumes[i], path))
            return volumes[i];
    }
    return NULL;
}

static bool refuse_status(EFI_STATUS status, const char *path, struct refusal *refusal)
{
    switch (status) {
    case EFI_SECURITY_VIOLATION:
    case EFI_ACCESS_DENIED:
        return refuse(refusal, "guest=efi:%s: the firmware's Secure Boot does not allow it.", path);
    case EFI_UNSUPPORTED:
    case EFI_LOAD_ERROR:
        return refuse(refusal, "guest=efi:%s is no EFI program for this machine.", path);
    default:
        return refuse(refusal, "guest=efi:%s cannot be loaded (EFI error %llu).", path,
                      (unsigned long long)(status & ~EFI_ERROR_MASK));
    }
}

bool app_load_image(const char *path, struct app_image *image, struct refusal *refusal)
{
    static CHAR16 wide[BOOT_PATH_SIZE];
    static uint8_t full[DEVICE_PATH_MAX];
    size_t length = strlen(path);
    unsigned looked_at;

    for (size_t i = 0; i <= length; i++)
        wide[i] = (uint8_t)path[i];
    EFI_HANDLE volume = find_volume(wide, &looked_at);
    if (!volume)
        return refuse(refusal, "guest=efi:%s: no such file on any volume (of %u).", path,
                      looked_at);
    if (!device_path_of_file(app_protocol(volume, &device_path), wide,
                             (length + 1) * sizeof(wide[0]), full))
        return refuse(refusal, "guest=efi:%s: its device path is too long.", path);

    EFI_STATUS status = app.services->LoadImage(FALSE, app.handle, (EFI_DEVICE_PATH *)full, NULL, 0,
                                                &image->handle);
    if (EFI_ERROR(status)) {
        if (status == EFI_SECURITY_VIOLATION && image->handle) /* loaded, and not to be started */
            app.services->UnloadImage(image->handle);
        return refuse_status(status, path, refusal);
    }
    const EFI_LOADED_IMAGE *loaded = app_protocol(image->handle, &loaded_image);
    uint32_t entry = pe_entry(loaded->ImageBase, PE_HEADERS);
    image->entry = entry ? (gva_t)loaded->ImageBase + entry : 0;
    return true;
}
