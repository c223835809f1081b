/* Finding a UART and setting it up. */
#include "drivers/serial/ns16550.h"
#include "hv/compiler.h"
#include "lib/string.h"

enum {
    BAUD_TOLERANCE = 50, /* one part in 50: sender and receiver together may be 4 % apart */

    /*
     * How often to look for an empty transmitter. A look takes from 0.1 to 1 us, a full FIFO at
     * divisor 1 takes 1.4 ms to empty: the time is some times what is needed, at any divisor.
     */
    TX_POLLS = 2000000,
    TX_POLLS_PER_DIVISOR = 40000,

    /* For what the firmware left in the transmitter: a full FIFO at 9600 baud, and no UART at all.
     */
    LAST_WORDS_POLLS = 200000,
};

static const struct ns16550_com com_ports[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

const struct ns16550_com *ns16550_com(unsigned number)
{
    if (number < 1 || number > HV_ARRAY_SIZE(com_ports))
        return NULL;
    return &com_ports[number - 1];
}

struct ns16550_place ns16550_at_port(uint16_t port)
{
    return (struct ns16550_place){.space = NS16550_PORT, .base = port, .stride = 1, .width = 1};
}

const char *ns16550_kind_name(enum ns16550_kind kind)
{
    switch (kind) {
    case NS16550_KIND_8250:
        return "8250";
    case NS16550_KIND_16450:
        return "16450";
    case NS16550_KIND_16550:
        return "16550";
    case NS16550_KIND_16550A:
        return "16550A";
    }
    return "unknown UART";
}

static bool place_is_sane(const struct ns16550_place *at)
{
    uint64_t last;

    if (at->stride == 0 || at->stride > 8 || (at->stride & (at->stride - 1)) != 0)
        return false;
    if (__builtin_add_overflow(at->base, (NS16550_REG_COUNT - 1ULL) * at->stride, &last))
        return false;
    if (at->space == NS16550_PORT)
        return at->width == 1 && last <= 0xffff;
    if (at->width != 1 && at->width != 4)
        return false;
    return at->base != 0 && at->width <= at->stride && at->base % at->width == 0;
}

uint16_t ns16550_divisor(uint64_t baud, uint32_t clock_hz)
{
    uint32_t fastest = clock_hz / 16;
    uint64_t divisor, asked, error;

    if (baud == 0 || baud > UINT32_MAX)
        return 0;
    divisor = (fastest + baud / 2) / baud;
    if (divisor == 0 || divisor > 0xffff)
        return 0;
    asked = divisor * baud; /* compared at the generator's side: no rounding */
    error = asked > fastest ? asked - fastest : fastest - asked;
    return error * BAUD_TOLERANCE <= asked ? (uint16_t)divisor : 0;
}

/* In loopback the four outputs are wired to the four modem status inputs inside the chip. */
static bool loops_back(const struct ns16550_place *at)
{
    ns16550_write(at, NS16550_MCR, NS16550_MCR_LOOP | NS16550_MCR_RTS | NS16550_MCR_OUT2);
    if ((ns16550_read(at, NS16550_MSR) & NS16550_MSR_LINES) != (NS16550_MSR_CTS | NS16550_MSR_DCD))
        return false;
    ns16550_write(at, NS16550_MCR, NS16550_MCR_LOOP | NS16550_MCR_DTR | NS16550_MCR_OUT1);
    return (ns16550_read(at, NS16550_MSR) & NS16550_MSR_LINES) ==
           (NS16550_MSR_DSR | NS16550_MSR_RI);
}

/* Lets the firmware's last words go out: loopback and a new divisor would garble them. */
static void wait_idle(const struct ns16550_place *at)
{
    for (unsigned i = 0; i < LAST_WORDS_POLLS; i++) {
        if (ns16550_read(at, NS16550_LSR) & NS16550_LSR_TX_IDLE)
            return;
        cpu_pause();
    }
}

/* Leaves LCR at 8N1 and IER at 0 when true, everything as it was when false. */
static bool answers(const struct ns16550_place *at)
{
    uint8_t lcr, ier, mcr;

    /* Twice: the error bits, which make up half of it, are gone after the first read. */
    if (ns16550_read(at, NS16550_LSR) == 0xff && ns16550_read(at, NS16550_LSR) == 0xff)
        return false;

    wait_idle(at);
    lcr = ns16550_read(at, NS16550_LCR);
    ns16550_write(at, NS16550_LCR, NS16550_LCR_8N1); /* DLAB off, or IER would be the divisor's */
    ier = ns16550_read(at, NS16550_IER);
    mcr = ns16550_read(at, NS16550_MCR);
    ns16550_write(at, NS16550_IER, 0); /* before OUT2 moves */
    if (ns16550_read(at, NS16550_LCR) == NS16550_LCR_8N1 &&
        (ns16550_read(at, NS16550_IER) & NS16550_IER_ALL) == 0 && loops_back(at))
        return true;

    ns16550_write(at, NS16550_MCR, mcr);
    ns16550_write(at, NS16550_IER, ier);
    ns16550_write(at, NS16550_LCR, lcr);
    return false;
}

static bool has_scratch(const struct ns16550_place *at)
{
    ns16550_write(at, NS16550_SCR, 0x5a);
    if (ns16550_read(at, NS16550_SCR) != 0x5a)
        return false;
    ns16550_write(at, NS16550_SCR, 0xa5);
    return ns16550_read(at, NS16550_SCR) == 0xa5;
}

/* Leaves the FIFOs on. */
static enum ns16550_kind find_kind(const struct ns16550_place *at)
{
    uint8_t fifo;

    ns16550_write(at, NS16550_FCR, NS16550_FCR_ENABLE);
    fifo = ns16550_read(at, NS16550_IIR) & NS16550_IIR_FIFO_GOOD;
    if (fifo == NS16550_IIR_FIFO_GOOD)
        return NS16550_KIND_16550A;
    if (fifo == NS16550_IIR_FIFO_BROKEN)
        return NS16550_KIND_16550;
    return has_scratch(at) ? NS16550_KIND_16450 : NS16550_KIND_8250;
}

static void set_divisor(struct ns16550 *u, uint16_t divisor)
{
    u->divisor = divisor;
    u->tx_polls = TX_POLLS + (uint32_t)divisor * TX_POLLS_PER_DIVISOR;
    ns16550_write(&u->at, NS16550_LCR, NS16550_LCR_8N1 | NS16550_LCR_DLAB);
    ns16550_write(&u->at, NS16550_DLL, (uint8_t)divisor);
    ns16550_write(&u->at, NS16550_DLM, (uint8_t)(divisor >> 8));
    ns16550_write(&u->at, NS16550_LCR, NS16550_LCR_8N1);
}

static void set_line(const struct ns16550_place *at, enum ns16550_kind kind)
{
    uint8_t fcr = NS16550_FCR_ENABLE | NS16550_FCR_CLEAR_RX | NS16550_FCR_CLEAR_TX;

    ns16550_write(at, NS16550_FCR, kind == NS16550_KIND_16550A ? fcr : 0);
    ns16550_write(at, NS16550_MCR, NS16550_MCR_DTR | NS16550_MCR_RTS | NS16550_MCR_OUT2);
}

/* Throws away what came at another speed, and reads what a pending interrupt wants read. */
static void flush(const struct ns16550_place *at)
{
    for (unsigned i = 0; i < NS16550_FIFO_DEPTH; i++) {
        if (!(ns16550_read(at, NS16550_LSR) & NS16550_LSR_DATA))
            break;
        ns16550_read(at, NS16550_RBR);
    }
    ns16550_read(at, NS16550_IIR);
    ns16550_read(at, NS16550_MSR);
}

enum hv_status ns16550_init(struct ns16550 *u, const struct ns16550_place *at, uint32_t baud,
                            uint32_t clock_hz)
{
    uint16_t divisor;

    if (baud == 0 || !place_is_sane(at))
        return HV_EINVAL;
    divisor = ns16550_divisor(baud, clock_hz);
    if (divisor == 0)
        return HV_ENOTSUP;
    if (!answers(at))
        return HV_ENOENT;

    memset(u, 0, sizeof(*u));
    u->at = *at;
    u->clock_hz = clock_hz;
    u->kind = find_kind(at);
    u->tx_depth = u->kind == NS16550_KIND_16550A ? NS16550_FIFO_DEPTH : 1;
    ring_init(&u->rx, u->rx_data, NS16550_RX_SIZE);
    set_divisor(u, divisor);
    set_line(at, u->kind);
    flush(at);
    return HV_OK;
}

enum hv_status ns16550_set_baud(struct ns16550 *u, uint32_t baud)
{
    uint16_t divisor = ns16550_divisor(baud, u->clock_hz);

    if (divisor == 0)
        return HV_ENOTSUP;
    for (uint32_t i = 0; i < u->tx_polls && !ns16550_sent_all(u); i++)
        cpu_pause();
    set_divisor(u, divisor);
    return HV_OK;
}

uint32_t ns16550_baud(const struct ns16550 *u)
{
    return u->clock_hz / 16 / u->divisor;
}
