#include "core/ap_state.h"

uint32_t ap_post_init(uint32_t word)
{
    /* What was on its way to the CPU as it was is gone. */
    return (word & (AP_WAITS | AP_BOOTSTRAP)) | AP_INIT;
}

bool ap_needs_startup(uint32_t word)
{
    bool will_wait = word & (AP_WAITS | AP_INIT);

    return will_wait && !(word & (AP_STARTUP | AP_BOOTSTRAP));
}

uint32_t ap_post_startup(uint32_t word, uint8_t vector)
{
    return ap_needs_startup(word) ? word | AP_STARTUP | vector : word;
}

uint32_t ap_post_nmi(uint32_t word)
{
    bool waits = word & (AP_WAITS | AP_INIT);

    return waits && !(word & AP_BOOTSTRAP) ? word : word | AP_NMI;
}

uint32_t ap_take(uint32_t word, enum ap_action *action, uint8_t *vector)
{
    *action = AP_NOTHING;
    if (word & AP_INIT) {
        *action = AP_RESET;
        return (word & ~(uint32_t)AP_INIT) | (word & AP_BOOTSTRAP ? 0 : AP_WAITS);
    }
    if (word & AP_STARTUP) {
        *action = AP_START;
        *vector = (uint8_t)(word & AP_VECTOR);
        return word & AP_BOOTSTRAP;
    }
    if (word & AP_NMI) {
        *action = AP_TAKE_NMI;
        return word & ~(uint32_t)AP_NMI;
    }
    return word;
}
