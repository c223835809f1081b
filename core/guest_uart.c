#include "core/guest_uart.h"

#include "lib/string.h"

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

enum {
    IER_RX = 0x01,
    IER_TX = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,
    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_TX = 0x02,
    IIR_RX = 0x04,
    IIR_LINE = 0x06,
    IIR_FIFO = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_KEPT = 0xc9, /* the other bits clear themselves, or are not there */
    LCR_LATCH = 0x80,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08, /* a PC's gate for the interrupt line */
    MCR_LOOP = 0x10,
    MCR_ALL = 0x1f,
    LSR_DATA = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_EMPTY = 0x60, /* the holding register, and the shift register behind it */
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

void guest_uart_reset(struct guest_uart *u)
{
    memset(u, 0, sizeof(*u));
    u->divisor = 12;
}

static unsigned depth(const struct guest_uart *u)
{
    return u->fcr & FCR_ENABLE ? GUEST_UART_FIFO : 1;
}

static uint8_t modem_lines(const struct guest_uart *u)
{
    uint8_t lines = 0;

    if (!(u->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD; /* a cable with everything on it */
    lines |= u->mcr & MCR_RTS ? MSR_CTS : 0;
    lines |= u->mcr & MCR_DTR ? MSR_DSR : 0;
    lines |= u->mcr & MCR_OUT1 ? MSR_RI : 0;
    lines |= u->mcr & MCR_OUT2 ? MSR_DCD : 0;
    return lines;
}

/* What stands in IIR: the most urgent of what is enabled and pending. */
static uint8_t pending(const struct guest_uart *u)
{
    if ((u->ier & IER_LINE) && u->overrun)
        return IIR_LINE;
    if ((u->ier & IER_RX) && u->rx_count)
        return IIR_RX;
    if ((u->ier & IER_TX) && u->tx_event && !u->tx_held)
        return IIR_TX;
    if ((u->ier & IER_MODEM) && u->msr_changes)
        return IIR_MODEM;
    return IIR_NONE;
}

bool guest_uart_interrupts(const struct guest_uart *u)
{
    return pending(u) != IIR_NONE && (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
}

static void store(struct guest_uart *u, uint8_t byte)
{
    if (u->rx_count == depth(u)) {
        u->overrun = true;
        return;
    }
    u->rx[u->rx_count++] = byte;
}

bool guest_uart_receive(struct guest_uart *u, uint8_t byte)
{
    if (u->rx_count == depth(u) || (u->mcr & MCR_LOOP))
        return false;
    store(u, byte);
    return true;
}

static uint8_t take(struct guest_uart *u)
{
    uint8_t byte = u->rx[0];

    if (!u->rx_count)
        return 0;
    memmove(u->rx, u->rx + 1, --u->rx_count);
    return byte;
}

static uint8_t read_id(struct guest_uart *u)
{
    uint8_t id = pending(u);

    if (id == IIR_TX)
        u->tx_event = false;
    return (uint8_t)(id | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

static uint8_t read_line(struct guest_uart *u)
{
    uint8_t lsr = (uint8_t)((u->rx_count ? LSR_DATA : 0) | (u->overrun ? LSR_OVERRUN : 0) |
                            (u->tx_held ? 0 : LSR_EMPTY));

    u->overrun = false;
    return lsr;
}

static uint8_t read_modem(struct guest_uart *u)
{
    uint8_t msr = modem_lines(u) | u->msr_changes;

    u->msr_changes = 0;
    return msr;
}

uint8_t guest_uart_read(struct guest_uart *u, unsigned reg)
{
    bool latch = u->lcr & LCR_LATCH;

    if (reg == LSR && u->looks < GUEST_UART_LOOKS)
        u->looks++;
    u->pause |= u->looks == GUEST_UART_LOOKS;
    switch (reg) {
    case DATA:
        return latch ? (uint8_t)u->divisor : take(u);
    case IER:
        return latch ? (uint8_t)(u->divisor >> 8) : u->ier;
    case IIR_FCR:
        return read_id(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_line(u);
    case MSR:
        return read_modem(u);
    default:
        return u->scr;
    }
}

static int write_data(struct guest_uart *u, uint8_t value)
{
    u->tx_event = true;
    u->looks = 0;
    if (!(u->mcr & MCR_LOOP))
        return value;
    store(u, value);
    return GUEST_UART_NOTHING;
}

/* Who turns the transmitter's interrupt on with nothing to send is told at once. */
static void write_ier(struct guest_uart *u, uint8_t value)
{
    if ((value & IER_TX) && !(u->ier & IER_TX))
        u->tx_event = true;
    u->ier = value & (IER_RX | IER_TX | IER_LINE | IER_MODEM);
    u->pause = true;
}

static void write_fcr(struct guest_uart *u, uint8_t value)
{
    if (((value ^ u->fcr) & FCR_ENABLE) || (value & FCR_CLEAR_RX))
        u->rx_count = 0;
    u->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
}

static void write_mcr(struct guest_uart *u, uint8_t value)
{
    uint8_t before = modem_lines(u), changed;

    u->mcr = value & MCR_ALL;
    changed = before ^ modem_lines(u);
    if (!(before & MSR_RI)) /* of this line only its end is noted */
        changed &= (uint8_t)~MSR_RI;
    u->msr_changes |= changed >> 4;
}

int guest_uart_write(struct guest_uart *u, unsigned reg, uint8_t value)
{
    bool latch = u->lcr & LCR_LATCH;

    switch (reg) {
    case DATA:
        if (!latch)
            return write_data(u, value);
        u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
        break;
    case IER:
        if (latch)
            u->divisor = (uint16_t)((u->divisor & 0x00ff) | value << 8);
        else
            write_ier(u, value);
        break;
    case IIR_FCR:
        write_fcr(u, value);
        break;
    case LCR:
        u->lcr = value;
        break;
    case MCR:
        write_mcr(u, value);
        break;
    case SCR:
        u->scr = value;
        break;
    default: /* LSR and MSR are the chip's */
        break;
    }
    return GUEST_UART_NOTHING;
}
