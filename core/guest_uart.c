#include "core/guest_uart.h"

#include "arch/x86/ns16550_regs.h"
#include "lib/string.h"

enum {
    FCR_KEPT = 0xc9, /* the other bits clear themselves, or are not there */
    LSR_EMPTY = NS16550_LSR_THR_EMPTY | NS16550_LSR_TX_IDLE,
};

void guest_uart_reset(struct guest_uart *u)
{
    memset(u, 0, sizeof(*u));
    u->divisor = 12;
}

static unsigned depth(const struct guest_uart *u)
{
    return u->fcr & NS16550_FCR_ENABLE ? NS16550_FIFO_DEPTH : 1;
}

static uint8_t modem_lines(const struct guest_uart *u)
{
    uint8_t lines = 0;

    if (!(u->mcr & NS16550_MCR_LOOP)) /* a cable with everything on it */
        return NS16550_MSR_CTS | NS16550_MSR_DSR | NS16550_MSR_DCD;
    lines |= u->mcr & NS16550_MCR_RTS ? NS16550_MSR_CTS : 0;
    lines |= u->mcr & NS16550_MCR_DTR ? NS16550_MSR_DSR : 0;
    lines |= u->mcr & NS16550_MCR_OUT1 ? NS16550_MSR_RI : 0;
    lines |= u->mcr & NS16550_MCR_OUT2 ? NS16550_MSR_DCD : 0;
    return lines;
}

/* What stands in IIR: the most urgent of what is enabled and pending. */
static uint8_t pending(const struct guest_uart *u)
{
    if ((u->ier & NS16550_IER_LINE) && u->overrun)
        return NS16550_IIR_LINE;
    if ((u->ier & NS16550_IER_RX) && u->rx_count)
        return NS16550_IIR_RX;
    if ((u->ier & NS16550_IER_TX) && u->tx_event && !u->tx_held)
        return NS16550_IIR_TX;
    if ((u->ier & NS16550_IER_MODEM) && u->msr_changes)
        return NS16550_IIR_MODEM;
    return NS16550_IIR_NONE;
}

bool guest_uart_interrupts(const struct guest_uart *u)
{
    return pending(u) != NS16550_IIR_NONE &&
           (u->mcr & (NS16550_MCR_OUT2 | NS16550_MCR_LOOP)) == NS16550_MCR_OUT2;
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
    if (u->rx_count == depth(u) || (u->mcr & NS16550_MCR_LOOP))
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

    if (id == NS16550_IIR_TX)
        u->tx_event = false;
    return (uint8_t)(id | (u->fcr & NS16550_FCR_ENABLE ? NS16550_IIR_FIFO_GOOD : 0));
}

static uint8_t read_line(struct guest_uart *u)
{
    uint8_t lsr = (uint8_t)((u->rx_count ? NS16550_LSR_DATA : 0) |
                            (u->overrun ? NS16550_LSR_OVERRUN : 0) | (u->tx_held ? 0 : LSR_EMPTY));

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
    bool latch = u->lcr & NS16550_LCR_DLAB;

    if (reg == NS16550_LSR && u->looks < GUEST_UART_LOOKS)
        u->looks++;
    u->pause |= u->looks == GUEST_UART_LOOKS;
    switch (reg) {
    case NS16550_RBR:
        return latch ? (uint8_t)u->divisor : take(u);
    case NS16550_IER:
        return latch ? (uint8_t)(u->divisor >> 8) : u->ier;
    case NS16550_IIR:
        return read_id(u);
    case NS16550_LCR:
        return u->lcr;
    case NS16550_MCR:
        return u->mcr;
    case NS16550_LSR:
        return read_line(u);
    case NS16550_MSR:
        return read_modem(u);
    default:
        return u->scr;
    }
}

static int write_data(struct guest_uart *u, uint8_t value)
{
    u->tx_event = true;
    u->looks = 0;
    if (!(u->mcr & NS16550_MCR_LOOP))
        return value;
    store(u, value);
    return GUEST_UART_NOTHING;
}

/* Who turns the transmitter's interrupt on with nothing to send is told at once. */
static void write_ier(struct guest_uart *u, uint8_t value)
{
    if ((value & NS16550_IER_TX) && !(u->ier & NS16550_IER_TX))
        u->tx_event = true;
    u->ier = value & NS16550_IER_ALL;
    u->pause = true;
}

static void write_fcr(struct guest_uart *u, uint8_t value)
{
    if (((value ^ u->fcr) & NS16550_FCR_ENABLE) || (value & NS16550_FCR_CLEAR_RX))
        u->rx_count = 0;
    u->fcr = value & NS16550_FCR_ENABLE ? value & FCR_KEPT : 0;
}

static void write_mcr(struct guest_uart *u, uint8_t value)
{
    uint8_t before = modem_lines(u), changed;

    u->mcr = value & NS16550_MCR_ALL;
    changed = before ^ modem_lines(u);
    if (!(before & NS16550_MSR_RI)) /* of this line only its end is noted */
        changed &= (uint8_t)~NS16550_MSR_RI;
    u->msr_changes |= changed >> 4;
}

int guest_uart_write(struct guest_uart *u, unsigned reg, uint8_t value)
{
    bool latch = u->lcr & NS16550_LCR_DLAB;

    switch (reg) {
    case NS16550_THR:
        if (!latch)
            return write_data(u, value);
        u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
        break;
    case NS16550_IER:
        if (latch)
            u->divisor = (uint16_t)((u->divisor & 0x00ff) | value << 8);
        else
            write_ier(u, value);
        break;
    case NS16550_FCR:
        write_fcr(u, value);
        break;
    case NS16550_LCR:
        u->lcr = value;
        break;
    case NS16550_MCR:
        write_mcr(u, value);
        break;
    case NS16550_SCR:
        u->scr = value;
        break;
    default: /* LSR and MSR are the chip's */
        break;
    }
    return GUEST_UART_NOTHING;
}
