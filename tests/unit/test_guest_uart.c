/* core/guest_uart.c: the chip as drivers know it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/guest_uart.h"
#include "drivers/serial/ns16550.h"

/* The chip, and the names of its registers, are the driver's too. */
static struct guest_uart u;
static char sent[64];
static unsigned sent_count;

static uint8_t in(unsigned reg)
{
    return guest_uart_read(&u, reg);
}

static void out(unsigned reg, uint8_t value)
{
    int byte = guest_uart_write(&u, reg, value);

    if (byte != GUEST_UART_NOTHING)
        sent[sent_count++ % sizeof(sent)] = (char)byte;
}

static int setup(void **state)
{
    (void)state;
    guest_uart_reset(&u);
    sent_count = 0;
    return 0;
}

/* A PC's ports through the virtual chip: the hypervisor's own driver on it. */
uint8_t model_inb(uint16_t port)
{
    return in(port - 0x3f8U);
}

void model_outb(uint16_t port, uint8_t value)
{
    out(port - 0x3f8U, value);
}

static void test_power_on(void **state)
{
    (void)state;
    assert_int_equal(in(NS16550_IER), 0);
    assert_int_equal(in(NS16550_IIR), 0x01);
    assert_int_equal(in(NS16550_LCR), 0);
    assert_int_equal(in(NS16550_MCR), 0);
    assert_int_equal(in(NS16550_LSR), 0x60);
    assert_int_equal(in(NS16550_MSR), 0xb0);
    assert_false(guest_uart_interrupts(&u));
    out(NS16550_LSR, 0xff);
    out(NS16550_MSR, 0xff);
    assert_int_equal(in(NS16550_LSR), 0x60);
    assert_int_equal(in(NS16550_MSR), 0xb0);
}

/* Our own driver finds a 16550A, sends and receives. */
static void test_our_driver(void **state)
{
    struct ns16550_place at = ns16550_at_port(0x3f8);
    static struct ns16550 driver;

    (void)state;
    assert_int_equal(ns16550_init(&driver, &at, 9600, NS16550_CLOCK_HZ), HV_OK);
    assert_int_equal(driver.kind, NS16550_KIND_16550A);
    assert_int_equal(u.divisor, 12);
    assert_int_equal(ns16550_put_bytes(&driver, "through and through", 19), 19);
    assert_int_equal(sent_count, 19);
    assert_memory_equal(sent, "through and through", 19);
    for (unsigned i = 0; i < 16; i++)
        assert_true(guest_uart_receive(&u, (uint8_t)(0xf0 + i)));
    assert_false(guest_uart_receive(&u, 'x'));
    assert_int_equal(ns16550_poll(&driver), 16);
    for (int i = 0; i < 16; i++)
        assert_int_equal(ns16550_get(&driver), 0xf0 + i);
    assert_int_equal(driver.stats.overruns, 0);
}

/* What Linux does in serial8250_do_startup() to tell good chips from bad ones. */
static void test_thre_interrupt(void **state)
{
    (void)state;
    out(NS16550_MCR, NS16550_MCR_OUT2);
    out(NS16550_IER, 2);
    assert_true(guest_uart_interrupts(&u));
    assert_int_equal(in(NS16550_IIR), 0x02);
    assert_false(guest_uart_interrupts(&u)); /* reading it was the answer */
    assert_int_equal(in(NS16550_IIR), 0x01);
    out(NS16550_IER, 0);
    out(NS16550_IER, 2); /* turned on anew: told anew */
    assert_int_equal(in(NS16550_IIR), 0x02);
    out(NS16550_THR, 'a');
    assert_true(guest_uart_interrupts(&u));
    u.tx_held = true;
    assert_false(guest_uart_interrupts(&u));
    assert_int_equal(in(NS16550_LSR), 0);
    u.tx_held = false;
    assert_int_equal(in(NS16550_IIR), 0x02);
}

static void test_rx_interrupt(void **state)
{
    (void)state;
    out(NS16550_FCR, NS16550_FCR_ENABLE);
    out(NS16550_IER, 3);
    assert_true(guest_uart_receive(&u, 'q'));
    assert_false(guest_uart_interrupts(&u)); /* without OUT2 it goes nowhere */
    out(NS16550_MCR, 0x0b);
    assert_true(guest_uart_interrupts(&u));
    assert_int_equal(in(NS16550_IIR), 0xc4); /* before the transmitter's */
    assert_int_equal(in(NS16550_LSR), 0x61);
    assert_int_equal(in(NS16550_RBR), 'q');
    assert_int_equal(in(NS16550_RBR), 0);
    assert_int_equal(in(NS16550_IIR), 0xc2);
    assert_int_equal(in(NS16550_IIR), 0xc1);
}

static void test_fifo(void **state)
{
    (void)state;
    assert_true(guest_uart_receive(&u, 1));
    assert_false(guest_uart_receive(&u, 2)); /* a 16450 holds one */
    out(NS16550_FCR, NS16550_FCR_ENABLE);
    assert_int_equal(in(NS16550_LSR)&1, 0); /* turning it on empties it */
    assert_true(guest_uart_receive(&u, 3));
    assert_true(guest_uart_receive(&u, 4));
    out(NS16550_FCR, NS16550_FCR_ENABLE); /* again: nothing happens */
    assert_int_equal(in(NS16550_RBR), 3);
    out(NS16550_FCR, NS16550_FCR_ENABLE | NS16550_FCR_CLEAR_RX);
    assert_int_equal(in(NS16550_LSR)&1, 0);
}

static void test_latch(void **state)
{
    (void)state;
    assert_true(guest_uart_receive(&u, 'k'));
    out(NS16550_LCR, 0x83);
    out(NS16550_DLL, 0x34);
    out(NS16550_DLM, 0x12);
    assert_int_equal(in(NS16550_DLL), 0x34);
    assert_int_equal(in(NS16550_DLM), 0x12);
    out(NS16550_LCR, 0x03);
    assert_int_equal(in(NS16550_IER), 0);
    assert_int_equal(in(NS16550_RBR), 'k');
    assert_int_equal(sent_count, 0);
    out(NS16550_SCR, 0xa5);
    assert_int_equal(in(NS16550_SCR), 0xa5);
}

static void test_loopback(void **state)
{
    (void)state;
    out(NS16550_IER, 0x0f);
    out(NS16550_MCR, 0x1a); /* Linux's: OUT2, RTS, loop */
    assert_int_equal(in(NS16550_MSR)&0xf0, 0x90);
    assert_int_equal(in(NS16550_MSR), 0x90); /* the changes are gone */
    out(NS16550_THR, 'L');
    assert_int_equal(sent_count, 0);
    assert_false(guest_uart_interrupts(&u));
    out(NS16550_THR, 'M'); /* no FIFO: no room */
    assert_int_equal(in(NS16550_IIR), 0x06);
    assert_int_equal(in(NS16550_LSR), 0x63);
    assert_int_equal(in(NS16550_LSR), 0x61);
    assert_int_equal(in(NS16550_RBR), 'L');
    assert_false(guest_uart_receive(&u, 'x')); /* the line in is cut off */
    out(NS16550_MCR, 0x1e);
    assert_int_equal(in(NS16550_MSR), 0xd0); /* RI's beginning is no change, */
    out(NS16550_MCR, 0x1a);
    assert_int_equal(in(NS16550_MSR), 0x94); /* its end is */
    out(NS16550_MCR, 0x08);
    in(NS16550_IIR);
    assert_int_equal(in(NS16550_IIR), 0x00);
    assert_int_equal(in(NS16550_MSR), 0xb2);
    assert_int_equal(in(NS16550_IIR), 0x01);
}

/* Where what was sent should be shown, though no line has ended. */
static void test_pause(void **state)
{
    (void)state;
    for (const char *p = "login: "; *p; p++) { /* polled */
        in(NS16550_LSR);
        out(NS16550_THR, (uint8_t)*p);
    }
    assert_false(u.pause);
    for (unsigned i = 0; i < 3; i++) {
        in(NS16550_LSR);
        in(NS16550_MSR);
        assert_false(u.pause);
    }
    in(NS16550_LSR); /* it now looks for input */
    assert_true(u.pause);
    u.pause = false;
    out(NS16550_THR, '>');
    out(NS16550_IER, 1); /* no more to send */
    assert_true(u.pause);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_power_on, setup),
        cmocka_unit_test_setup(test_our_driver, setup),
        cmocka_unit_test_setup(test_thre_interrupt, setup),
        cmocka_unit_test_setup(test_rx_interrupt, setup),
        cmocka_unit_test_setup(test_fifo, setup),
        cmocka_unit_test_setup(test_latch, setup),
        cmocka_unit_test_setup(test_loopback, setup),
        cmocka_unit_test_setup(test_pause, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
