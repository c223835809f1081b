#include "arch/x86/physmem.h"

#include "hv/compiler.h"
#include "lib/string.h"

static size_t part(hpa_t address, size_t size)
{
    size_t left = (2 << 20) - (address & ((2 << 20) - 1));
    return HV_MIN(left, size);
}

void physmem_read(hpa_t address, void *buf, size_t size)
{
    for (size_t done = 0, n; done < size; done += n) {
        n = part(address + done, size - done);
        memcpy((uint8_t *)buf + done, physmem_map(address + done), n);
    }
}

void physmem_write(hpa_t address, const void *buf, size_t size)
{
    for (size_t done = 0, n; done < size; done += n) {
        n = part(address + done, size - done);
        memcpy(physmem_map(address + done), (const uint8_t *)buf + done, n);
    }
}
