/* Any accesses of the guest's UART, with any bytes coming in: none is lost, made up or reordered.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/guest_uart.h"

static void require(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guest_uart u;
    uint8_t arrived[NS16550_FIFO_DEPTH] = {0};
    unsigned count = 0;

    guest_uart_reset(&u);
    for (size_t i = 0; i + 1 < size; i += 2) {
        unsigned reg = data[i] & 7;
        bool latch = u.lcr & 0x80, loop = u.mcr & 0x10;

        u.tx_held = data[i] & 0x80;
        if (data[i] & 0x40) {
            if (guest_uart_receive(&u, data[i + 1])) {
                require(count < NS16550_FIFO_DEPTH && !loop);
                arrived[count++] = data[i + 1];
            }
        } else if (data[i] & 0x20) {
            int byte = guest_uart_write(&u, reg, data[i + 1]);
            require((byte == data[i + 1]) == (reg == 0 && !latch && !loop));
            require(byte == data[i + 1] || byte == GUEST_UART_NOTHING);
        } else {
            uint8_t value = guest_uart_read(&u, reg);
            if (reg == 0 && !latch && count && u.rx_count == count - 1) {
                require(value == arrived[0]);
                for (unsigned n = 1; n < count; n++)
                    arrived[n - 1] = arrived[n];
                count--;
            }
            require(reg != 2 || (value & 0x30) == 0);
            require(reg != 5 || (value & 0x9c) == 0);
        }
        require(u.rx_count <= NS16550_FIFO_DEPTH);
        require(!guest_uart_interrupts(&u) || (u.ier && (u.mcr & 0x18) == 0x08));
        while (count < u.rx_count) { /* looped back */
            arrived[count] = u.rx[count];
            count++;
        }
        count = u.rx_count; /* emptied */
    }
    return 0;
}
