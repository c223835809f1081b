/*
 * A model of a UART of the 8250 family behind model_inb, model_outb and the model of device memory.
 *
 * Time is counted in accesses: each access of a register is one tick, and a character takes
 * char_ticks of them on the line, in each direction. The line in is always busy while there is
 * something queued on it: the other side does not wait for us.
 */
#ifndef TESTS_MODEL_NS16550_H
#define TESTS_MODEL_NS16550_H

#include "hv/types.h"

enum model_uart_kind {
    MODEL_UART_ABSENT, /* the bus floats: all ones, writes lost */
    MODEL_UART_MEMORY, /* not a UART: keeps what is written */
    MODEL_UART_8250,
    MODEL_UART_16450,
    MODEL_UART_16550,
    MODEL_UART_16550A,
};

enum { MODEL_UART_LINE_SIZE = 65536, MODEL_UART_TRACE_SIZE = 4096 };

struct model_uart_trace {
    uint8_t reg;
    bool write;
    uint8_t value;
};

struct model_uart {
    enum model_uart_kind kind;
    uint64_t base;
    unsigned stride;
    unsigned width;      /* of an access; any other aborts the test */
    unsigned char_ticks; /* of a character on the line */
    bool cts_off;        /* the other side takes no bytes */
    bool tx_dead;        /* never sends: a line whose other side holds us back */

    /* What went out. */
    size_t sent;
    uint8_t out[MODEL_UART_LINE_SIZE];
    unsigned tx_lost; /* bytes written while there was no room */

    /* The registers, as a test may want to look at them. */
    uint8_t ier, fcr, lcr, mcr, scr;
    uint16_t divisor;
    unsigned irq_edges; /* rises of the interrupt line */

    size_t trace_count; /* accesses; the last MODEL_UART_TRACE_SIZE are kept */
    struct model_uart_trace trace[MODEL_UART_TRACE_SIZE];
};

extern struct model_uart model_uart;

/* Power on, at a port. */
void model_uart_reset(enum model_uart_kind kind, uint16_t port, unsigned char_ticks);
/* Power on, at a memory address. */
void model_uart_reset_memory(uint64_t address, unsigned stride, unsigned width);

/* Puts bytes on the line in. */
void model_uart_line_in(const void *bytes, size_t size);
/* Puts one character with these error bits of the line status (0x04 0x08 0x10) on it. */
void model_uart_line_error(uint8_t byte, uint8_t errors);
/* How many characters of the line in have not arrived yet. */
size_t model_uart_line_left(void);

/* Lets time pass without an access. */
void model_uart_ticks(unsigned ticks);

/* True while the interrupt line is up. */
bool model_uart_irq(void);

#endif
