#include "boot/efi/device_path.h"

#include "lib/bytes.h"
#include "lib/string.h"

enum { NODE = 4, TYPE_MEDIA = 4, MEDIA_FILE = 4, TYPE_END = 0x7f, END_ENTIRE = 0xff };

static void put_node(uint8_t *at, uint8_t type, uint8_t subtype, size_t size)
{
    at[0] = type;
    at[1] = subtype;
    put16(at + 2, (uint16_t)size);
}

bool device_path_of_file(const uint8_t *volume, const uint16_t *name, size_t name_size,
                         uint8_t path[DEVICE_PATH_MAX])
{
    size_t n = 0, size;

    for (; volume && volume[n] != TYPE_END; n += size) {
        size = get16(volume + n + 2);
        if (size < NODE || n + size > DEVICE_PATH_MAX)
            return false;
        memcpy(path + n, volume + n, size);
    }
    if (name_size > DEVICE_PATH_MAX || n + name_size + 2UL * NODE > DEVICE_PATH_MAX)
        return false;
    put_node(path + n, TYPE_MEDIA, MEDIA_FILE, NODE + name_size);
    memcpy(path + n + NODE, name, name_size);
    put_node(path + n + NODE + name_size, TYPE_END, END_ENTIRE, NODE);
    return true;
}
