/*
 * The registers of the 8250 family.
 *
 * Source: National Semiconductor, "PC16550D Universal Asynchronous Receiver/Transmitter with
 * FIFOs", section "Registers".
 */
#ifndef ARCH_X86_NS16550_REGS_H
#define ARCH_X86_NS16550_REGS_H

enum ns16550_reg {
    NS16550_RBR = 0, /* receiver buffer, read */
    NS16550_THR = 0, /* transmitter holding, write */
    NS16550_DLL = 0, /* divisor latch, low; while LCR.DLAB */
    NS16550_IER = 1, /* interrupt enable */
    NS16550_DLM = 1, /* divisor latch, high; while LCR.DLAB */
    NS16550_IIR = 2, /* interrupt identification, read */
    NS16550_FCR = 2, /* FIFO control, write */
    NS16550_LCR = 3, /* line control */
    NS16550_MCR = 4, /* modem control */
    NS16550_LSR = 5, /* line status; a read clears the four error bits */
    NS16550_MSR = 6, /* modem status */
    NS16550_SCR = 7, /* scratch; the 8250 has none */
    NS16550_REG_COUNT = 8,
};

enum { NS16550_FIFO_DEPTH = 16 };

enum {
    NS16550_IER_RX = 0x01,   /* received data (and FIFO timeout) */
    NS16550_IER_TX = 0x02,   /* the transmitter holding register got empty */
    NS16550_IER_LINE = 0x04, /* line status: overrun, parity, framing, break */
    NS16550_IER_MODEM = 0x08,
    NS16550_IER_ALL = 0x0f,

    NS16550_IIR_MODEM = 0x00, /* these from the least urgent to the most */
    NS16550_IIR_NONE = 0x01,
    NS16550_IIR_TX = 0x02,
    NS16550_IIR_RX = 0x04,
    NS16550_IIR_LINE = 0x06,
    NS16550_IIR_FIFO_BROKEN = 0x80, /* 16550: has FIFOs, which lose bytes */
    NS16550_IIR_FIFO_GOOD = 0xc0,   /* 16550A and later */

    NS16550_FCR_ENABLE = 0x01,
    NS16550_FCR_CLEAR_RX = 0x02,
    NS16550_FCR_CLEAR_TX = 0x04, /* bits 7:6 zero: interrupt at the first byte */

    NS16550_LCR_8N1 = 0x03,
    NS16550_LCR_DLAB = 0x80,

    NS16550_MCR_DTR = 0x01,
    NS16550_MCR_RTS = 0x02,
    NS16550_MCR_OUT1 = 0x04,
    NS16550_MCR_OUT2 = 0x08, /* a PC's gate for the interrupt line */
    NS16550_MCR_LOOP = 0x10,
    NS16550_MCR_ALL = 0x1f,

    NS16550_LSR_DATA = 0x01,
    NS16550_LSR_OVERRUN = 0x02,
    NS16550_LSR_PARITY = 0x04,
    NS16550_LSR_FRAMING = 0x08,
    NS16550_LSR_BREAK = 0x10,
    NS16550_LSR_THR_EMPTY = 0x20, /* with FIFOs: the whole transmit FIFO is */
    NS16550_LSR_TX_IDLE = 0x40,   /* and the last bit has left */

    NS16550_MSR_CTS = 0x10, /* the other side takes bytes; in loopback: RTS */
    NS16550_MSR_DSR = 0x20, /* DTR */
    NS16550_MSR_RI = 0x40,  /* OUT1 */
    NS16550_MSR_DCD = 0x80, /* OUT2 */
    NS16550_MSR_LINES = 0xf0,
};

#endif
