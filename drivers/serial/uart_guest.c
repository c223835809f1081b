#include "drivers/serial/uart_guest.h"

static bool is_access(unsigned size)
{
    return size == 1 || size == 2 || size == 4;
}

uint8_t uart_guest_hits(uint16_t base, uint16_t port, unsigned size)
{
    uint8_t hits = 0;

    if (!is_access(size))
        return 0;
    for (uint32_t i = 0; i < size; i++) {
        if (port + i >= base && port + i < (uint32_t)base + UART_GUEST_PORTS)
            hits |= (uint8_t)(1u << i);
    }
    return hits;
}

uint32_t uart_guest_read(uint8_t hits, unsigned size, uint32_t passed)
{
    uint32_t value = 0;

    if (!is_access(size))
        return 0;
    for (unsigned i = 0; i < size; i++)
        value |= ((hits >> i & 1) ? 0xffu : (passed >> 8 * i & 0xff)) << 8 * i;
    return value;
}

bool uart_guest_write_passes(uint8_t hits, unsigned size, unsigned i)
{
    return is_access(size) && i < size && !(hits & 1u << i);
}
