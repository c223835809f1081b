#include "boot/efi/app/app.h"
#include "boot/efi/text.h"
#include "lib/string.h"

enum { PATH_MAX_CHARS = 512, CONFIG_MAX = 16384 };

static const char config_name[] = "gdbvisor.cfg";

/* Our own file's path as far as the volume tells it: all file path nodes, one behind the other. */
static size_t own_path(CHAR16 *path, size_t room)
{
    const uint8_t *node = (const uint8_t *)app.loaded->FilePath;
    size_t n = 0, size;

    for (; node && node[0] == MEDIA_DEVICE_PATH && node[1] == MEDIA_FILEPATH_DP; node += size) {
        size = node[2] | (size_t)node[3] << 8;
        for (size_t at = 4; at + 2 <= size && n + 1 < room; at += 2) {
            CHAR16 c = (CHAR16)(node[at] | node[at + 1] << 8);
            if (c && (c != '\\' || n == 0 || path[n - 1] != '\\'))
                path[n++] = c;
        }
        if (size < 4)
            break;
    }
    path[n] = 0;
    return n;
}

/* The part of the path up to its last backslash. */
static size_t folder_length(const CHAR16 *path, size_t length)
{
    while (length > 0 && path[length - 1] != '\\')
        length--;
    return length;
}

static bool read_config(CHAR16 *path, size_t folder, char *line, size_t room,
                        struct refusal *refusal)
{
    static uint8_t bytes[CONFIG_MAX];
    UINTN size = sizeof(bytes);

    if (folder == 0)
        path[folder++] = '\\';
    for (size_t i = 0; i < sizeof(config_name); i++)
        path[folder + i] = (CHAR16)config_name[i];
    EFI_FILE_PROTOCOL *file = app_open(app.loaded->DeviceHandle, path);
    if (!file)
        return true; /* none: the defaults */
    EFI_STATUS status = file->Read(file, &size, bytes);
    file->Close(file);
    if (EFI_ERROR(status))
        return refuse(refusal, "%s cannot be read (EFI error %llu).", config_name,
                      (unsigned long long)(status & ~EFI_ERROR_MASK));
    enum hv_status read = efi_text_config(bytes, size, line, room);
    if (read == HV_EINVAL)
        return refuse(refusal, "%s is neither UTF-8 nor UTF-16 with a byte order mark.",
                      config_name);
    if (size == sizeof(bytes) || read != HV_OK)
        return refuse(refusal, "%s holds more options than %u characters.", config_name,
                      (unsigned)room - 1);
    return true;
}

bool app_read_options(char *line, size_t room, struct refusal *refusal)
{
    static CHAR16 path[PATH_MAX_CHARS + sizeof(config_name)];
    char own_name[64];
    size_t length = own_path(path, PATH_MAX_CHARS);
    size_t folder = folder_length(path, length), n = 0;

    for (size_t i = folder; i < length && n + 1 < sizeof(own_name); i++)
        own_name[n++] = path[i] < 0x7f ? (char)path[i] : '?';
    own_name[n] = '\0';

    if (efi_text_load_options(app.loaded->LoadOptions, app.loaded->LoadOptionsSize, own_name, line,
                              room) != HV_OK)
        return refuse(refusal, "there are more load options than %u characters.",
                      (unsigned)room - 1);
    return *line || read_config(path, folder, line, room, refusal);
}
