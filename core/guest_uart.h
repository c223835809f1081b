/*
 * A 16550A for the guest, with nothing behind it: bytes come out of it and go into it by calls. Its
 * line is endlessly fast, so its transmitter is empty again at once, unless the caller holds it
 * back.
 *
 * Source: National Semiconductor, "PC16550D Universal Asynchronous Receiver/Transmitter with
 * FIFOs", section "Registers". Pure.
 */
#ifndef CORE_GUEST_UART_H
#define CORE_GUEST_UART_H

#include "arch/x86/ns16550_regs.h"
#include "hv/types.h"

enum { GUEST_UART_NOTHING = -1 };

/* So many looks at the line status with nothing sent: the guest waits, or looks for input. */
enum { GUEST_UART_LOOKS = 4 };

struct guest_uart {
    uint8_t ier, fcr, lcr, mcr, scr;
    uint8_t msr_changes; /* the low half of MSR */
    uint16_t divisor;
    uint8_t rx[NS16550_FIFO_DEPTH]; /* the oldest first */
    uint8_t rx_count;
    bool overrun;  /* only in loopback, where nobody asks for room */
    bool tx_event; /* the transmitter got empty, and the guest was not told yet */
    bool tx_held;  /* the caller's: the transmitter shows no room */
    uint8_t looks; /* at the line status, since the last byte was sent; up to GUEST_UART_LOOKS */
    bool pause;    /* the guest has no more to send just now; the caller clears it */
};

/* As after power-on. */
void guest_uart_reset(struct guest_uart *u);

/* The guest reads or writes register 0 to 7. Write: the byte that is sent, or GUEST_UART_NOTHING.
 */
uint8_t guest_uart_read(struct guest_uart *u, unsigned reg);
int guest_uart_write(struct guest_uart *u, unsigned reg, uint8_t value);

/* A byte arrives. False: there is no room, or it is in loopback; ask again after the next read. */
bool guest_uart_receive(struct guest_uart *u, uint8_t byte);

/* The state of its interrupt line. */
bool guest_uart_interrupts(const struct guest_uart *u);

#endif
