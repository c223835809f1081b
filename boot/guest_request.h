/* What the image loaders are given: everything about the guest to start, as places and facts. */
#ifndef BOOT_GUEST_REQUEST_H
#define BOOT_GUEST_REQUEST_H

#include "boot/boot_info.h"
#include "boot/memory_map.h"
#include "hv/types.h"

struct guest_request {
    const uint8_t *image;              /* the readable bytes of modules[0] */
    const struct boot_module *modules; /* [0] the kernel; then initrds or modules */
    unsigned module_count;             /* at least 1 */
    const struct memory_map *map;      /* as the guest will see it: ours is reserved */
    struct memory_range self;          /* our reservation, so that refusals can name it */
    const struct boot_framebuffer *screen;
    /*
     * The RSDP for guests that are told of it: where the guest finds it (0: unknown), and a copy
     * (size 0: none), which is put into memory of the guest when the address is unknown.
     */
    gpa_t rsdp_address;
    const uint8_t *rsdp;
    size_t rsdp_size;
};

#endif
