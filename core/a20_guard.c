#include "core/a20_guard.h"

/*
 * System control port A, and the keyboard controller's two: its output port has the gate as bit 1,
 * too. (IBM, "Personal System/2 Hardware Interface Technical Reference", the sections on both.)
 */
enum { PORT_A = 0x92, KEYBOARD_DATA = 0x60, KEYBOARD_COMMAND = 0x64 };
enum { GATE = 1 << 1 };
enum { WRITE_OUTPUT_PORT = 0xd1, CLOSE_GATE = 0xdd, OPEN_GATE = 0xdf };

static bool on;
static bool output_port_next; /* the next byte of data is for the output port */

void a20_guard_init(void)
{
    on = true;
    output_port_next = false;
}

bool a20_guard_wants(uint16_t port)
{
    return on && (port == PORT_A || port == KEYBOARD_DATA || port == KEYBOARD_COMMAND);
}

uint8_t a20_guard_write(uint16_t port, uint8_t value)
{
    if (!a20_guard_wants(port))
        return value;
    if (port == PORT_A)
        return value | GATE;
    if (port == KEYBOARD_COMMAND) {
        output_port_next = value == WRITE_OUTPUT_PORT;
        return value == CLOSE_GATE ? OPEN_GATE : value;
    }
    if (output_port_next)
        value |= GATE;
    output_port_next = false;
    return value;
}
