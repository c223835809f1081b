#include "tests/model/ns16550.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/insn.h"

struct model_uart model_uart;

enum { FIFO = 16 };

struct character {
    uint8_t byte;
    uint8_t errors;
};

/* What a test has no business with. */
static struct {
    struct character line[MODEL_UART_LINE_SIZE];
    size_t line_head, line_tail;
    unsigned line_clock;

    struct character rx[FIFO];
    unsigned rx_count;
    uint8_t overrun;

    uint8_t tx[FIFO];
    unsigned tx_count;
    bool shifting;
    uint8_t shift;
    unsigned tx_clock;

    uint8_t registers[8]; /* of MODEL_UART_MEMORY */
    bool irq_was;
} hidden;

static bool fifo_on(void)
{
    return model_uart.kind == MODEL_UART_16550A && (model_uart.fcr & 1);
}

static unsigned depth(void)
{
    return fifo_on() ? FIFO : 1;
}

static uint8_t line_status(void)
{
    uint8_t lsr = hidden.overrun;

    if (hidden.rx_count > 0)
        lsr |= 0x01 | hidden.rx[0].errors;
    if (hidden.tx_count == 0)
        lsr |= 0x20;
    if (hidden.tx_count == 0 && !hidden.shifting)
        lsr |= 0x40;
    for (unsigned i = 0; fifo_on() && i < hidden.rx_count; i++) {
        if (hidden.rx[i].errors)
            lsr |= 0x80;
    }
    return lsr;
}

bool model_uart_irq(void)
{
    uint8_t lsr = line_status();
    bool up = ((model_uart.ier & 0x01) && (lsr & 0x01)) ||
              ((model_uart.ier & 0x02) && (lsr & 0x20)) ||
              ((model_uart.ier & 0x04) && (lsr & 0x1e));

    return up && (model_uart.mcr & 0x18) == 0x08; /* OUT2, not loopback */
}

static void watch_irq(void)
{
    bool up = model_uart_irq();

    if (up && !hidden.irq_was)
        model_uart.irq_edges++;
    hidden.irq_was = up;
}

static void receive(struct character c)
{
    if (model_uart.mcr & 0x10)
        return; /* in loopback the line in is cut off */
    if (hidden.rx_count < depth()) {
        hidden.rx[hidden.rx_count++] = c;
        return;
    }
    hidden.overrun = 0x02;
    if (!fifo_on())
        hidden.rx[0] = c; /* without FIFO the new one replaces the old one */
}

static void tick_transmitter(void)
{
    if (hidden.shifting && ++hidden.tx_clock >= model_uart.char_ticks) {
        hidden.shifting = false;
        if (!(model_uart.mcr & 0x10))
            model_uart.out[model_uart.sent++ % MODEL_UART_LINE_SIZE] = hidden.shift;
    }
    if (!hidden.shifting && hidden.tx_count > 0 && !model_uart.tx_dead) {
        hidden.shift = hidden.tx[0];
        memmove(hidden.tx, hidden.tx + 1, --hidden.tx_count);
        hidden.shifting = true;
        hidden.tx_clock = 0;
    }
}

static void tick(void)
{
    tick_transmitter();
    if (hidden.line_tail < hidden.line_head && ++hidden.line_clock >= model_uart.char_ticks) {
        hidden.line_clock = 0;
        receive(hidden.line[hidden.line_tail++]);
    }
    watch_irq();
}

void model_uart_ticks(unsigned ticks)
{
    while (ticks-- > 0)
        tick();
}

static uint8_t modem_status(void)
{
    uint8_t mcr = model_uart.mcr;

    if (!(mcr & 0x10))
        return model_uart.cts_off ? 0xa0 : 0xb0; /* a cable with everything on it */
    return (uint8_t)((mcr & 0x0c) << 4 | (mcr & 0x02) << 3 | (mcr & 0x01) << 5);
}

static uint8_t take_received(void)
{
    uint8_t byte = hidden.rx[0].byte;

    if (hidden.rx_count > 0)
        memmove(hidden.rx, hidden.rx + 1, --hidden.rx_count * sizeof(hidden.rx[0]));
    return byte;
}

static uint8_t take_line_status(void)
{
    uint8_t lsr = line_status();

    hidden.overrun = 0;
    hidden.rx[0].errors = 0;
    return lsr;
}

static uint8_t interrupt_id(void)
{
    static const uint8_t fifo_bits[] = {
        [MODEL_UART_8250] = 0,
        [MODEL_UART_16450] = 0,
        [MODEL_UART_16550] = 0x80,
        [MODEL_UART_16550A] = 0xc0,
    };

    return (model_uart.fcr & 1 ? fifo_bits[model_uart.kind] : 0) | (model_uart_irq() ? 0x04 : 0x01);
}

static uint8_t read_register(unsigned reg)
{
    bool latch = model_uart.lcr & 0x80;

    switch (reg) {
    case 0:
        return latch ? (uint8_t)model_uart.divisor : take_received();
    case 1:
        return latch ? (uint8_t)(model_uart.divisor >> 8) : model_uart.ier;
    case 2:
        return interrupt_id();
    case 3:
        return model_uart.lcr;
    case 4:
        return model_uart.mcr;
    case 5:
        return take_line_status();
    case 6:
        return modem_status();
    default:
        return model_uart.kind == MODEL_UART_8250 ? 0xff : model_uart.scr;
    }
}

static void transmit(uint8_t value)
{
    if (hidden.tx_count < depth())
        hidden.tx[hidden.tx_count++] = value;
    else
        model_uart.tx_lost++;
}

static void control_fifo(uint8_t value)
{
    if (model_uart.kind < MODEL_UART_16550)
        return;
    if (value & 0x02 || (value ^ model_uart.fcr) & 1)
        hidden.rx_count = 0;
    if (value & 0x04 || (value ^ model_uart.fcr) & 1)
        hidden.tx_count = 0;
    model_uart.fcr = value & 0xc9;
}

static void write_register(unsigned reg, uint8_t value)
{
    bool latch = model_uart.lcr & 0x80;

    switch (reg) {
    case 0:
        if (latch)
            model_uart.divisor = (uint16_t)((model_uart.divisor & 0xff00) | value);
        else
            transmit(value);
        break;
    case 1:
        if (latch)
            model_uart.divisor = (uint16_t)((model_uart.divisor & 0x00ff) | value << 8);
        else
            model_uart.ier = value & 0x0f;
        break;
    case 2:
        control_fifo(value);
        break;
    case 3:
        model_uart.lcr = value;
        break;
    case 4:
        model_uart.mcr = value & 0x1f;
        break;
    case 7:
        model_uart.scr = value;
        break;
    default:
        break;
    }
}

static uint8_t access_register(uint64_t address, unsigned width, bool write, uint8_t value)
{
    uint64_t offset = address - model_uart.base;
    uint64_t reg = model_uart.stride ? offset / model_uart.stride : 8; /* 8: not reset yet */

    if (reg > 7 || offset % model_uart.stride || width != model_uart.width) {
        fprintf(stderr, "model UART: access of %u bytes at %#llx is not its own\n", width,
                (unsigned long long)address);
        abort();
    }
    tick();
    if (model_uart.kind == MODEL_UART_ABSENT)
        value = write ? value : 0xff;
    else if (model_uart.kind == MODEL_UART_MEMORY && write)
        hidden.registers[reg] = value;
    else if (model_uart.kind == MODEL_UART_MEMORY)
        value = hidden.registers[reg];
    else if (write)
        write_register((unsigned)reg, value);
    else
        value = read_register((unsigned)reg);
    watch_irq();
    model_uart.trace[model_uart.trace_count++ % MODEL_UART_TRACE_SIZE] =
        (struct model_uart_trace){(uint8_t)reg, write, value};
    return value;
}

static void reset(enum model_uart_kind kind, uint64_t base, unsigned char_ticks)
{
    memset(&model_uart, 0, sizeof(model_uart));
    memset(&hidden, 0, sizeof(hidden));
    model_uart.kind = kind;
    model_uart.base = base;
    model_uart.stride = 1;
    model_uart.width = 1;
    model_uart.char_ticks = char_ticks;
    model_uart.divisor = 12; /* 9600 baud */
}

void model_uart_reset(enum model_uart_kind kind, uint16_t port, unsigned char_ticks)
{
    reset(kind, port, char_ticks);
}

void model_uart_reset_memory(uint64_t address, unsigned stride, unsigned width)
{
    reset(MODEL_UART_16550A, address, 8);
    model_uart.stride = stride;
    model_uart.width = width;
}

void model_uart_line_error(uint8_t byte, uint8_t errors)
{
    if (hidden.line_head == MODEL_UART_LINE_SIZE)
        abort();
    hidden.line[hidden.line_head++] = (struct character){byte, errors};
}

void model_uart_line_in(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        model_uart_line_error(((const uint8_t *)bytes)[i], 0);
}

size_t model_uart_line_left(void)
{
    return hidden.line_head - hidden.line_tail;
}

uint8_t model_inb(uint16_t port)
{
    return access_register(port, 1, false, 0);
}

void model_outb(uint16_t port, uint8_t value)
{
    access_register(port, 1, true, value);
}

uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    return access_register(address, size, false, 0);
}

void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    access_register(address, size, true, (uint8_t)value);
}
