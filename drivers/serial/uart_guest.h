/*
 * What the guest sees where the debug UART is: nothing. Pure functions; the bytes of a port access
 * are numbered from 0, byte i goes to port + i.
 *
 * An access may straddle the edge of the hidden range; only the bytes inside are hidden then, the
 * others are the guest's (Intel SDM and AMD APM both treat a wide access as one to each port).
 */
#ifndef DRIVERS_SERIAL_UART_GUEST_H
#define DRIVERS_SERIAL_UART_GUEST_H

#include "hv/types.h"

enum { UART_GUEST_PORTS = 8 };

/*
 * Which bytes of an access of size bytes at port hit the UART at base: bit i for byte i, 0 for
 * none. size: 1, 2 or 4; any other is no access and hits nothing. Ports do not wrap at 64 Ki.
 */
uint8_t uart_guest_hits(uint16_t base, uint16_t port, unsigned size);

/*
 * What the guest reads: passed, the value the access would have without us, with the bytes of hits
 * replaced by what an absent device gives, all ones. Bytes beyond size are 0.
 */
uint32_t uart_guest_read(uint8_t hits, unsigned size, uint32_t passed);

/* True when byte i of a write reaches a device; the bytes that do not are dropped. */
bool uart_guest_write_passes(uint8_t hits, unsigned size, unsigned i);

#endif
