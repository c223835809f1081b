#include "drivers/serial/ns16550.h"

/*
 * The ring holds bytes; ESCAPE, something is two of them: a break, in its place among the bytes, or
 * the byte that looks like ESCAPE.
 */
enum { ESCAPE = 0xff, ESCAPED_BREAK = 0x00, ESCAPED_BYTE = 0xff, ESCAPE_SIZE = 2 };

enum {
    LSR_BAD = NS16550_LSR_PARITY | NS16550_LSR_FRAMING | NS16550_LSR_BREAK,
    LSR_NEWS = NS16550_LSR_DATA | NS16550_LSR_OVERRUN,
};

/* Where the other side is asked to wait, and to go on: it may be some hundred bytes late. */
enum { RX_STOP = NS16550_RX_SIZE * 3 / 4, RX_GO = NS16550_RX_SIZE / 4 };

static void set_rts(struct ns16550 *u, bool on)
{
    if (u->rts_off == !on)
        return;
    u->rts_off = !on;
    ns16550_write(&u->at, NS16550_MCR,
                  NS16550_MCR_DTR | NS16550_MCR_OUT2 | (on ? NS16550_MCR_RTS : 0));
}

static void store(struct ns16550 *u, uint8_t first, int second)
{
    uint32_t room = NS16550_RX_SIZE - ring_used(&u->rx);
    uint32_t need = second < 0 ? 1 : ESCAPE_SIZE;

    /* Bytes leave room for one break, which is how a person gets out of a flood of bytes. */
    if (!(first == ESCAPE && second == ESCAPED_BREAK))
        need += ESCAPE_SIZE;
    if (room < need) {
        u->stats.ring_overflow++;
        return;
    }
    ring_put(&u->rx, first);
    if (second >= 0)
        ring_put(&u->rx, (uint8_t)second);
    if (u->rtscts && ring_used(&u->rx) >= RX_STOP)
        set_rts(u, false);
}

/*
 * Takes the byte at the top of the receiver, which came with these line status bits.
 *
 * A byte without its stop bit is noise, not data: on an open line it could read as a Ctrl-C and
 * stop a guest that nobody debugs. The protocol above notices what is missing by its checksums.
 */
static void take_byte(struct ns16550 *u, uint8_t lsr)
{
    uint8_t byte = ns16550_read(&u->at, NS16550_RBR);

    if (lsr & NS16550_LSR_BREAK) { /* comes with a zero byte and a framing error */
        u->stats.breaks++;
        store(u, ESCAPE, ESCAPED_BREAK);
        return;
    }
    if (lsr & LSR_BAD) {
        u->stats.framing += (lsr & NS16550_LSR_FRAMING) != 0;
        u->stats.parity += (lsr & NS16550_LSR_PARITY) != 0;
        return;
    }
    u->stats.bytes_in++;
    if (byte == ESCAPE)
        store(u, ESCAPE, ESCAPED_BYTE);
    else
        store(u, byte, -1);
}

/*
 * The only reader of the line status: reading it clears the error bits, so they are judged, with
 * the byte they belong to, at once. Returns the status; 0 when nothing answers (all ones: with
 * parity off no UART shows that).
 */
static uint8_t service(struct ns16550 *u)
{
    uint8_t lsr = ns16550_read(&u->at, NS16550_LSR);

    if (lsr == 0xff)
        return 0;
    if (lsr & NS16550_LSR_OVERRUN)
        u->stats.overruns++;
    if (lsr & NS16550_LSR_DATA)
        take_byte(u, lsr);
    return lsr;
}

/* The other side takes bytes. */
static bool may_send(const struct ns16550 *u)
{
    return !u->rtscts || (ns16550_read(&u->at, NS16550_MSR) & NS16550_MSR_CTS);
}

static bool wait_transmitter(struct ns16550 *u)
{
    uint32_t polls = u->tx_stuck ? 1 : u->tx_polls;

    while (polls-- > 0) {
        if ((service(u) & NS16550_LSR_THR_EMPTY) && may_send(u)) {
            u->tx_room = u->tx_depth;
            u->tx_stuck = false;
            return true;
        }
        cpu_pause();
    }
    if (!u->tx_stuck)
        u->stats.tx_timeouts++;
    u->tx_stuck = true;
    return false;
}

bool ns16550_put(struct ns16550 *u, uint8_t byte)
{
    /* tx_room may be out of date on the low side only: the transmitter empties by itself. */
    if ((u->tx_room == 0 || !may_send(u)) && !wait_transmitter(u)) {
        u->stats.tx_dropped++;
        return false;
    }
    u->tx_room--;
    ns16550_write(&u->at, NS16550_THR, byte);
    u->stats.bytes_out++;
    return true;
}

size_t ns16550_put_bytes(struct ns16550 *u, const void *bytes, size_t size)
{
    const uint8_t *next = bytes;
    size_t sent = 0;

    for (size_t i = 0; i < size; i++)
        sent += ns16550_put(u, next[i]);
    return sent;
}

bool ns16550_sent_all(struct ns16550 *u)
{
    return service(u) & NS16550_LSR_TX_IDLE;
}

unsigned ns16550_poll(struct ns16550 *u)
{
    unsigned news = 0;

    while (news < NS16550_RX_SIZE && (service(u) & LSR_NEWS))
        news++;
    return news;
}

int ns16550_get(struct ns16550 *u)
{
    int first = ring_get(&u->rx);

    if (u->rts_off && ring_used(&u->rx) <= RX_GO)
        set_rts(u, true);
    if (first != ESCAPE)
        return first;
    return ring_get(&u->rx) == ESCAPED_BYTE ? ESCAPE : NS16550_BREAK;
}

bool ns16550_waits(const struct ns16550 *u)
{
    return ring_used(&u->rx) > 0;
}

void ns16550_irq_enable(struct ns16550 *u)
{
    ns16550_write(&u->at, NS16550_IER, NS16550_IER_RX | NS16550_IER_LINE);
}

void ns16550_irq_disable(struct ns16550 *u)
{
    ns16550_write(&u->at, NS16550_IER, 0);
}

void ns16550_set_rtscts(struct ns16550 *u, bool on)
{
    u->rtscts = on;
    if (!on)
        set_rts(u, true);
}

bool ns16550_irq_ack(struct ns16550 *u)
{
    ns16550_irq_disable(u);
    return ns16550_poll(u) > 0;
}
