/*
 * Any multiboot2 information: nothing outside of its bytes is touched, and what comes out is whole.
 *
 * Input: the bytes behind the total size, which is the input's own or, by the first byte, cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot2/mbi.h"
#include "lib/bytes.h"

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check(const struct boot_info *info, enum hv_status status)
{
    require(memchr(info->options, 0, sizeof(info->options)) != NULL);
    require(memchr(info->loader, 0, sizeof(info->loader)) != NULL);
    require(info->module_count <= BOOT_MAX_MODULES);
    for (unsigned i = 0; i < info->module_count; i++) {
        const struct boot_module *m = &info->modules[i];
        require(memchr(m->cmdline, 0, sizeof(m->cmdline)) != NULL);
        require(m->start + m->size <= UINT32_MAX);
    }
    require(info->rsdp_size == 0 || (info->rsdp_size >= 20 && info->rsdp_size <= 36));
    if (status != HV_OK)
        return;
    require(info->map.count <= MEMORY_MAP_MAX);
    for (unsigned i = 0; i < info->map.count; i++) {
        const struct memory_range *r = &info->map.ranges[i];
        require(r->start < r->end);
        require(i == 0 || info->map.ranges[i - 1].end <= r->start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info info;
    struct memory_range ranges[4];

    if (size < 1)
        return 0;
    size_t cut = data[0] & 7, total = 8 + size - 1;
    uint8_t *mbi = malloc(total);
    memset(mbi, 0, 8);
    memcpy(mbi + 8, data + 1, size - 1);
    put32(mbi, (uint32_t)(total - cut));
    memset(&info, 0, sizeof(info));
    check(&info, mbi_read(mbi, &info));
    require(mbi_used_ranges(mbi, ranges, 4) <= 4);
    free(mbi);
    return 0;
}
