/*
 * A UART of the 8250 family, 8N1, polled, with an interrupt only as a break-in.
 *
 * Flow control, where it is asked for, is by RTS and CTS: nothing is sent while CTS is off, and RTS
 * is off while the ring is nearly full.
 *
 * Nothing here waits for received bytes. What arrives while we transmit goes to a ring, so that a
 * full-duplex line loses nothing. One user at a time: no locks.
 *
 * The order on an interrupt (an NMI for us) matters, since an interrupt controller may see a new
 * edge at every register access while the UART has something pending:
 *   ns16550_irq_ack (all sources off, receiver drained), talk, swallow the NMIs that are pending by
 *   then, ns16550_irq_enable.
 */
#ifndef DRIVERS_SERIAL_NS16550_H
#define DRIVERS_SERIAL_NS16550_H

#include "drivers/serial/ns16550_place.h"
#include "hv/status.h"
#include "hv/types.h"
#include "lib/ring.h"

enum {
    NS16550_CLOCK_HZ = 1843200, /* the crystal of every PC */
    NS16550_RX_SIZE = 8192,

    /* What ns16550_get returns besides bytes. */
    NS16550_EMPTY = -1,
    NS16550_BREAK = 256, /* the line was held low: a break-in */
};

enum ns16550_kind {
    NS16550_KIND_8250,   /* no scratch register, no FIFO */
    NS16550_KIND_16450,  /* no FIFO */
    NS16550_KIND_16550,  /* a FIFO that does not work */
    NS16550_KIND_16550A, /* and all later ones */
};

struct ns16550_stats {
    uint64_t bytes_in;    /* good bytes received */
    uint64_t bytes_out;   /* bytes given to the transmitter */
    uint64_t tx_dropped;  /* bytes dropped, the transmitter never got ready */
    uint64_t tx_timeouts; /* times we gave up waiting for it */
    uint64_t overruns;    /* the UART lost bytes: we were too late */
    uint64_t framing;     /* bytes thrown away, no stop bit */
    uint64_t parity;      /* bytes thrown away, parity error */
    uint64_t breaks;
    uint64_t ring_overflow; /* bytes or breaks dropped, the ring was full */
};

struct ns16550 {
    struct ns16550_place at;
    enum ns16550_kind kind;
    uint32_t clock_hz;
    uint16_t divisor;
    bool rtscts;
    bool rts_off;      /* the other side was asked to wait */
    uint8_t tx_depth;  /* bytes the empty transmitter takes */
    uint8_t tx_room;   /* bytes it takes without asking again */
    bool tx_stuck;     /* the last wait was in vain: do not wait again before it is ready */
    uint32_t tx_polls; /* how often to look before giving up */
    struct ring rx;
    struct ns16550_stats stats;
    uint8_t rx_data[NS16550_RX_SIZE];
};

/*
 * Finds the UART, sets it to baud, 8N1, FIFOs on where they work, DTR, RTS and OUT2 set, all
 * interrupt sources off. What was received before is thrown away.
 *
 * clock_hz: of the baud generator, 16 times the fastest baud rate; NS16550_CLOCK_HZ on a PC.
 * HV_EINVAL: place or baud make no sense; HV_ENOTSUP: the clock cannot be divided to within 2 % of
 * baud; HV_ENOENT: no UART answers there (the registers are put back as they were).
 */
enum hv_status ns16550_init(struct ns16550 *u, const struct ns16550_place *at, uint32_t baud,
                            uint32_t clock_hz);

/*
 * The divisor that makes baud from the clock to within 2 %; 0 when there is none. Pure. (A receiver
 * samples a bit's middle: over the ten bits of a character two such ends drift 0.4 bits apart.)
 */
uint16_t ns16550_divisor(uint64_t baud, uint32_t clock_hz);

/*
 * Another speed, when what was given to the transmitter has left. What comes meanwhile goes to the
 * ring. HV_ENOTSUP: the clock cannot make it, nothing is changed.
 */
enum hv_status ns16550_set_baud(struct ns16550 *u, uint32_t baud);

/* The speed that is set, exactly as the clock makes it. */
uint32_t ns16550_baud(const struct ns16550 *u);

/* Flow control by RTS and CTS; off after ns16550_init. */
void ns16550_set_rtscts(struct ns16550 *u, bool on);

/* "8250", "16450", "16550", "16550A". */
const char *ns16550_kind_name(enum ns16550_kind kind);

/*
 * Sends one byte; waits until the transmitter takes it, receiving meanwhile. False when it did not
 * get ready in a time many times that of its FIFO: the byte is dropped and counted, and until the
 * transmitter is seen ready again later bytes are dropped without waiting.
 */
bool ns16550_put(struct ns16550 *u, uint8_t byte);

/* Sends size bytes; returns how many were not dropped. */
size_t ns16550_put_bytes(struct ns16550 *u, const void *bytes, size_t size);

/* True when the last bit of what was given to the transmitter has left; receives meanwhile. */
bool ns16550_sent_all(struct ns16550 *u);

/*
 * Moves what has been received into the ring. Returns how many bytes, breaks and errors there were
 * (at most NS16550_RX_SIZE a call); 0 means that the UART had nothing to say.
 */
unsigned ns16550_poll(struct ns16550 *u);

/* The oldest byte of the ring, NS16550_BREAK, or NS16550_EMPTY. Does not touch the UART. */
int ns16550_get(struct ns16550 *u);

/* True when ns16550_get() would not be NS16550_EMPTY. Does not touch the UART. */
bool ns16550_waits(const struct ns16550 *u);

/* Interrupt on received bytes, breaks and line errors. */
void ns16550_irq_enable(struct ns16550 *u);

/* All interrupt sources off. */
void ns16550_irq_disable(struct ns16550 *u);

/*
 * First thing on an interrupt: sources off, then the receiver into the ring. True when the UART had
 * something, so that the interrupt may have been its own. Ends with ns16550_irq_enable.
 */
bool ns16550_irq_ack(struct ns16550 *u);

/* The four serial ports of a PC. */
struct ns16550_com {
    uint16_t port;
    uint8_t irq; /* ISA interrupt */
};

/* number: 1 to 4, as in com1; NULL for any other. */
const struct ns16550_com *ns16550_com(unsigned number);

/* The place of a UART at an I/O port. */
struct ns16550_place ns16550_at_port(uint16_t port);

#endif
