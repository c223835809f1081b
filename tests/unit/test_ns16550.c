/* The UART's data path, on a model of the chip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/serial/ns16550.h"
#include "tests/model/ns16550.h"

enum { PORT = 0x3f8, CHAR_TICKS = 8 };

static struct ns16550 uart;

static void start(enum model_uart_kind kind, unsigned char_ticks)
{
    struct ns16550_place at = ns16550_at_port(PORT);

    model_uart_reset(kind, PORT, char_ticks);
    assert_int_equal(ns16550_init(&uart, &at, 115200, NS16550_CLOCK_HZ), HV_OK);
    model_uart.trace_count = 0;
}

/* Bytes that differ from their neighbours, with all values. */
static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
}

static void test_put_sends_all_in_order(void **state)
{
    static uint8_t text[5000];

    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    fill(text, sizeof(text));
    assert_int_equal(ns16550_put_bytes(&uart, text, sizeof(text)), sizeof(text));
    model_uart_ticks(20 * CHAR_TICKS);
    assert_int_equal(model_uart.sent, sizeof(text));
    assert_memory_equal(model_uart.out, text, sizeof(text));
    assert_int_equal(model_uart.tx_lost, 0);
    assert_int_equal(uart.stats.bytes_out, sizeof(text));
    assert_int_equal(uart.stats.tx_dropped, 0);
}

static void test_put_without_fifo(void **state)
{
    (void)state;
    start(MODEL_UART_8250, CHAR_TICKS);
    assert_int_equal(ns16550_put_bytes(&uart, "hello, world", 12), 12);
    model_uart_ticks(2 * CHAR_TICKS);
    assert_int_equal(model_uart.sent, 12);
    assert_memory_equal(model_uart.out, "hello, world", 12);
    assert_int_equal(model_uart.tx_lost, 0);
}

/* An empty FIFO takes 16 bytes after one look at the status. */
static void test_burst_fills_fifo(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, 1000);
    ns16550_put_bytes(&uart, "0123456789abcdef", 16);
    assert_int_equal(model_uart.trace_count, 17);
    assert_int_equal(model_uart.trace[0].reg, NS16550_LSR);
    for (unsigned i = 1; i < 17; i++) {
        assert_int_equal(model_uart.trace[i].reg, NS16550_THR);
        assert_true(model_uart.trace[i].write);
    }
    assert_int_equal(model_uart.tx_lost, 0);
}

/* The line is busy in both directions at full speed: nothing is lost in either. */
static void full_duplex(enum model_uart_kind kind, unsigned char_ticks)
{
    static uint8_t in[4000], out[4000];
    size_t got = 0;
    int c;

    start(kind, char_ticks);
    fill(in, sizeof(in));
    fill(out, sizeof(out));
    model_uart_line_in(in, sizeof(in));
    assert_int_equal(ns16550_put_bytes(&uart, out, sizeof(out)), sizeof(out));
    while (model_uart_line_left() > 0)
        ns16550_poll(&uart);
    ns16550_poll(&uart);
    model_uart_ticks(20 * char_ticks);

    assert_int_equal(model_uart.sent, sizeof(out));
    assert_memory_equal(model_uart.out, out, sizeof(out));
    while ((c = ns16550_get(&uart)) >= 0) {
        assert_int_equal(c, in[got]);
        got++;
    }
    assert_int_equal(got, sizeof(in));
    assert_int_equal(uart.stats.bytes_in, sizeof(in));
    assert_int_equal(uart.stats.overruns, 0);
    assert_int_equal(uart.stats.ring_overflow, 0);
}

static void test_full_duplex_16550a(void **state)
{
    (void)state;
    full_duplex(MODEL_UART_16550A, 4);
    full_duplex(MODEL_UART_16550A, 100);
}

static void test_full_duplex_without_fifo(void **state)
{
    (void)state;
    full_duplex(MODEL_UART_8250, 8);
    full_duplex(MODEL_UART_16450, 8);
    full_duplex(MODEL_UART_16550, 8);
}

/* CTS off holds every byte back, also those that the FIFO has room for. */
static void test_cts(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    uart.tx_polls = 50;
    model_uart.cts_off = true;
    assert_true(ns16550_put(&uart, 'a')); /* without flow control nobody looks */
    ns16550_set_rtscts(&uart, true);
    model_uart_ticks(2 * CHAR_TICKS);
    assert_false(ns16550_put(&uart, 'b'));
    assert_int_equal(uart.stats.tx_timeouts, 1);
    assert_int_equal(uart.stats.tx_dropped, 1);
    model_uart.cts_off = false;
    assert_true(ns16550_put(&uart, 'c'));
    model_uart.cts_off = true; /* amid a burst */
    assert_false(ns16550_put(&uart, 'd'));
    model_uart.cts_off = false;
    assert_true(ns16550_put(&uart, 'e'));
    model_uart_ticks(20 * CHAR_TICKS);
    assert_int_equal(model_uart.sent, 3);
    assert_memory_equal(model_uart.out, "ace", 3);
}

/* RTS goes off before the ring is full and on again when it is nearly empty. */
static void test_rts(void **state)
{
    static uint8_t flood[NS16550_RX_SIZE];
    unsigned got = 0;

    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    memset(flood, 'x', sizeof(flood));
    model_uart_line_in(flood, NS16550_RX_SIZE * 3 / 4 + 16);
    while (ns16550_poll(&uart))
        ;
    assert_int_equal(model_uart.mcr, 0x0b); /* without flow control it stays on */
    ns16550_set_rtscts(&uart, true);
    model_uart_line_in("y", 1);
    while (model_uart_line_left() || ns16550_poll(&uart))
        ns16550_poll(&uart);
    assert_int_equal(model_uart.mcr, 0x09);
    while (model_uart.mcr == 0x09 && ns16550_get(&uart) >= 0)
        got++;
    assert_int_equal(model_uart.mcr, 0x0b);
    assert_in_range(got, NS16550_RX_SIZE / 2, NS16550_RX_SIZE / 2 + 32);
    assert_int_equal(uart.stats.ring_overflow, 0);
}

static void test_get_when_empty(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    assert_int_equal(ns16550_poll(&uart), 0);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
}

/* The byte that the ring uses as its escape is a byte like any other. */
static void test_byte_ff_survives(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, 1);
    model_uart_line_in("\xff\x00\xff\xff\x01", 5);
    model_uart_ticks(10);
    assert_int_equal(ns16550_poll(&uart), 5);
    assert_int_equal(ns16550_get(&uart), 0xff);
    assert_int_equal(ns16550_get(&uart), 0x00);
    assert_int_equal(ns16550_get(&uart), 0xff);
    assert_int_equal(ns16550_get(&uart), 0xff);
    assert_int_equal(ns16550_get(&uart), 0x01);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
    assert_int_equal(uart.stats.breaks, 0);
}

/* USER-3: a UART BREAK is a break-in, in its place among the bytes, and its zero byte is none. */
static void test_break_is_an_event(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, 1);
    model_uart_line_in("$c", 2);
    model_uart_line_error(0, NS16550_LSR_BREAK | NS16550_LSR_FRAMING);
    model_uart_line_in("+", 1);
    model_uart_ticks(10);
    assert_int_equal(ns16550_poll(&uart), 4);
    assert_int_equal(ns16550_get(&uart), '$');
    assert_int_equal(ns16550_get(&uart), 'c');
    assert_int_equal(ns16550_get(&uart), NS16550_BREAK);
    assert_int_equal(ns16550_get(&uart), '+');
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
    assert_int_equal(uart.stats.breaks, 1);
    assert_int_equal(uart.stats.framing, 0);
    assert_int_equal(uart.stats.bytes_in, 3);
}

/* A BREAK that arrives while we send is not lost with the status read for the transmitter. */
static void test_break_while_sending(void **state)
{
    static uint8_t out[100];

    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    model_uart_line_in("ab", 2);
    model_uart_line_error(0, NS16550_LSR_BREAK | NS16550_LSR_FRAMING);
    ns16550_put_bytes(&uart, out, sizeof(out));
    assert_int_equal(model_uart_line_left(), 0);
    assert_int_equal(ns16550_get(&uart), 'a');
    assert_int_equal(ns16550_get(&uart), 'b');
    assert_int_equal(ns16550_get(&uart), NS16550_BREAK);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
}

/* Noise that reads as Ctrl-C does not stop a guest: without its stop bit it is no byte. */
static void test_bad_bytes_are_dropped_and_counted(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, 1);
    model_uart_line_error(0x03, NS16550_LSR_FRAMING);
    model_uart_line_error(0x03, NS16550_LSR_PARITY);
    model_uart_line_in("x", 1);
    model_uart_ticks(10);
    assert_int_equal(ns16550_poll(&uart), 3);
    assert_int_equal(ns16550_get(&uart), 'x');
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
    assert_int_equal(uart.stats.framing, 1);
    assert_int_equal(uart.stats.parity, 1);
    assert_int_equal(uart.stats.bytes_in, 1);
}

static void test_overrun_is_counted(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, 1);
    model_uart_line_in("0123456789abcdefXYZ", 19);
    model_uart_ticks(30);
    assert_int_equal(ns16550_poll(&uart), 16);
    assert_int_equal(uart.stats.overruns, 1);
    assert_int_equal(uart.stats.bytes_in, 16);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(ns16550_get(&uart), "0123456789abcdef"[i]);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
}

/* A full ring drops the newest bytes, counts them, and still has room for a break-in. */
static void test_full_ring_keeps_room_for_break(void **state)
{
    static uint8_t flood[NS16550_RX_SIZE + 100];
    unsigned bytes = 0;
    int c;

    (void)state;
    start(MODEL_UART_16550A, 2);
    memset(flood, 'f', sizeof(flood));
    flood[0] = '1';
    model_uart_line_in(flood, sizeof(flood));
    model_uart_line_error(0, NS16550_LSR_BREAK);
    while (model_uart_line_left() > 0)
        ns16550_poll(&uart);
    ns16550_poll(&uart);
    assert_int_equal(uart.stats.ring_overflow, 102);
    assert_int_equal(uart.stats.breaks, 1);
    assert_int_equal(ns16550_get(&uart), '1');
    while ((c = ns16550_get(&uart)) == 'f')
        bytes++;
    assert_int_equal(bytes, NS16550_RX_SIZE - 3);
    assert_int_equal(c, NS16550_BREAK);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
}

/* One call of poll ends even when the line never does. */
static void test_poll_is_bounded(void **state)
{
    static uint8_t flood[3 * NS16550_RX_SIZE];

    (void)state;
    start(MODEL_UART_16550A, 2); /* as fast as we can read: status and byte */
    model_uart_line_in(flood, sizeof(flood));
    model_uart_ticks(20);
    assert_true(ns16550_poll(&uart) <= NS16550_RX_SIZE);
    assert_true(model_uart_line_left() > NS16550_RX_SIZE);
}

/* A transmitter that never gets ready: one bounded wait, then bytes are dropped at once. */
static void test_dead_transmitter_does_not_hang(void **state)
{
    size_t before;

    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    uart.tx_polls = 500;
    model_uart.tx_dead = true;
    assert_int_equal(ns16550_put_bytes(&uart, "0123456789abcdef", 16), 16);
    assert_false(ns16550_put(&uart, 'x'));
    assert_int_equal(uart.stats.tx_timeouts, 1);
    assert_int_equal(uart.stats.tx_dropped, 1);

    before = model_uart.trace_count;
    assert_int_equal(ns16550_put_bytes(&uart, "dropped", 7), 0);
    assert_int_equal(model_uart.trace_count - before, 7);
    assert_int_equal(uart.stats.tx_timeouts, 1);
    assert_int_equal(uart.stats.tx_dropped, 8);

    /* It comes back: so do we. */
    model_uart.tx_dead = false;
    model_uart_ticks(20 * CHAR_TICKS);
    assert_int_equal(ns16550_put_bytes(&uart, "again", 5), 5);
    model_uart_ticks(20 * CHAR_TICKS);
    assert_int_equal(model_uart.sent, 21);
    assert_memory_equal(model_uart.out, "0123456789abcdefagain", 21);
}

/* The wait that init sets up is long enough for the slowest line and ends all the same. */
static void test_dead_transmitter_default_patience(void **state)
{
    (void)state;
    start(MODEL_UART_8250, CHAR_TICKS);
    model_uart.tx_dead = true;
    assert_true(ns16550_put(&uart, 'a'));
    model_uart.trace_count = 0;
    assert_false(ns16550_put(&uart, 'b'));
    assert_in_range(model_uart.trace_count, 1000000, 10000000);
}

/* What is received during a vain wait is kept. */
static void test_receives_while_transmitter_is_dead(void **state)
{
    (void)state;
    start(MODEL_UART_8250, CHAR_TICKS);
    uart.tx_polls = 500;
    model_uart.tx_dead = true;
    ns16550_put(&uart, 'a');
    model_uart_line_in("\x03", 1);
    assert_false(ns16550_put(&uart, 'b'));
    assert_int_equal(ns16550_get(&uart), 0x03);
}

/* The UART goes away (a card pulled, a chip switched off): all ones are not data. */
static void test_vanished(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    uart.tx_polls = 100;
    model_uart.kind = MODEL_UART_ABSENT;
    assert_int_equal(ns16550_poll(&uart), 0);
    assert_false(ns16550_put(&uart, 'x'));
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
    assert_int_equal(uart.stats.bytes_in, 0);
    assert_int_equal(uart.stats.overruns, 0);
}

/* USER-3: a received byte raises the interrupt, once its source is enabled. */
static void test_irq_enable_disable(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, 1);
    assert_int_equal(model_uart.ier, 0);
    model_uart_line_in("\x03", 1);
    model_uart_ticks(5);
    assert_false(model_uart_irq());
    ns16550_irq_enable(&uart);
    assert_int_equal(model_uart.ier, NS16550_IER_RX | NS16550_IER_LINE);
    assert_true(model_uart_irq());
    ns16550_irq_disable(&uart);
    assert_int_equal(model_uart.ier, 0);
    assert_false(model_uart_irq());
}

/* First the sources off, then the receiver: no access in between, and no edge afterwards. */
static void test_irq_ack_order(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    ns16550_irq_enable(&uart);
    model_uart_line_in("\x03$?#3f", 6);
    model_uart_ticks(4 * CHAR_TICKS);
    assert_int_equal(model_uart.irq_edges, 1);
    model_uart.trace_count = 0;

    assert_true(ns16550_irq_ack(&uart));
    assert_int_equal(model_uart.trace[0].reg, NS16550_IER);
    assert_true(model_uart.trace[0].write);
    assert_int_equal(model_uart.trace[0].value, 0);
    assert_int_equal(model_uart.trace[1].reg, NS16550_LSR);
    assert_int_equal(model_uart.trace[2].reg, NS16550_RBR);

    /* Talking, the rest of the bytes arriving meanwhile, makes no edge either. */
    ns16550_put_bytes(&uart, "$T05#b9", 7);
    while (model_uart_line_left() > 0)
        ns16550_poll(&uart);
    ns16550_poll(&uart);
    assert_int_equal(model_uart.irq_edges, 1);
    ns16550_irq_enable(&uart);
    assert_int_equal(model_uart.irq_edges, 1);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(ns16550_get(&uart), "\x03$?#3f"[i]);
}

/* An interrupt that is not the UART's: nothing to say, so that the NMI can be given to the guest.
 */
static void test_irq_ack_not_ours(void **state)
{
    (void)state;
    start(MODEL_UART_16550A, CHAR_TICKS);
    ns16550_irq_enable(&uart);
    assert_false(ns16550_irq_ack(&uart));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_sends_all_in_order),
        cmocka_unit_test(test_put_without_fifo),
        cmocka_unit_test(test_burst_fills_fifo),
        cmocka_unit_test(test_full_duplex_16550a),
        cmocka_unit_test(test_full_duplex_without_fifo),
        cmocka_unit_test(test_cts),
        cmocka_unit_test(test_rts),
        cmocka_unit_test(test_get_when_empty),
        cmocka_unit_test(test_byte_ff_survives),
        cmocka_unit_test(test_break_is_an_event),
        cmocka_unit_test(test_break_while_sending),
        cmocka_unit_test(test_bad_bytes_are_dropped_and_counted),
        cmocka_unit_test(test_overrun_is_counted),
        cmocka_unit_test(test_full_ring_keeps_room_for_break),
        cmocka_unit_test(test_poll_is_bounded),
        cmocka_unit_test(test_dead_transmitter_does_not_hang),
        cmocka_unit_test(test_dead_transmitter_default_patience),
        cmocka_unit_test(test_receives_while_transmitter_is_dead),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_irq_enable_disable),
        cmocka_unit_test(test_irq_ack_order),
        cmocka_unit_test(test_irq_ack_not_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
