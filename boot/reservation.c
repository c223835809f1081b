#include "boot/reservation.h"

#include "boot/backends.h"
#include "boot/platform.h"
#include "core/stage2.h"
#include "hv/compiler.h"

uint64_t reservation_size(uint64_t image_bytes, uint64_t trace_bytes)
{
    const struct hv_backend *backend = backends_find(); /* none: refused later, with a console */
    bool gib_pages = !backend || backend->gib_pages();
    uint64_t tables = stage2_pool_size(platform_phys_bits(), gib_pages);

    return HV_ALIGN_UP(image_bytes + tables + trace_bytes, (uint64_t)RESERVATION_ALIGN);
}
