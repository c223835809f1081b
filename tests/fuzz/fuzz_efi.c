/*
 * Any load options, gdbvisor.cfg, memory map and PE headers: nothing outside of the bytes is
 * touched, and what comes out is whole. The first byte chooses the room for the line and the
 * stride.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/map.h"
#include "boot/efi/pe.h"
#include "boot/efi/text.h"

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_line(const char *line, size_t room, enum hv_status status)
{
    size_t length = strnlen(line, room);

    require(length < room && (status == HV_OK || length == 0));
    require(length == 0 || (line[length - 1] != ' ' && line[0] != '\n'));
    for (size_t i = 0; i < length; i++)
        require(line[i] >= 0 && line[i] != '\n' && line[i] != '\r');
}

static void check_map(const struct memory_map *map, enum hv_status status)
{
    for (unsigned i = 0; status == HV_OK && i < map->count; i++) {
        require(map->ranges[i].start < map->ranges[i].end);
        require(i == 0 || map->ranges[i - 1].end <= map->ranges[i].start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_map map;
    size_t room, n = size - 1;

    if (size < 1)
        return 0;
    room = 1 + data[0];
    uint8_t *bytes = malloc(n + !n);
    char *line = malloc(room);
    memcpy(bytes, data + 1, n);
    check_line(line, room, efi_text_config(bytes, n, line, room));
    check_line(line, room, efi_text_load_options(bytes, n, "BOOTX64.EFI", line, room));
    check_map(&map, efi_map_read(bytes, n, 40 + (data[0] & 8), &map));
    pe_entry(bytes, n);
    free(line);
    free(bytes);
    return 0;
}
