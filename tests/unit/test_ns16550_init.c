/* Finding a UART and setting it up, on a model of the chip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/serial/ns16550.h"
#include "tests/model/ns16550.h"

enum { PORT = 0x2f8 };

static struct ns16550 uart;

static enum hv_status init_at(enum model_uart_kind kind, uint32_t baud)
{
    struct ns16550_place at = ns16550_at_port(PORT);

    model_uart_reset(kind, PORT, 8);
    memset(&uart, 0xa5, sizeof(uart));
    return ns16550_init(&uart, &at, baud, NS16550_CLOCK_HZ);
}

static void test_kinds(void **state)
{
    static const struct {
        enum model_uart_kind model;
        enum ns16550_kind kind;
        uint8_t depth;
        uint8_t fcr;
        const char *name;
    } rows[] = {
        {MODEL_UART_8250, NS16550_KIND_8250, 1, 0, "8250"},
        {MODEL_UART_16450, NS16550_KIND_16450, 1, 0, "16450"},
        {MODEL_UART_16550, NS16550_KIND_16550, 1, 0, "16550"},
        {MODEL_UART_16550A, NS16550_KIND_16550A, 16, 1, "16550A"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(init_at(rows[i].model, 115200), HV_OK);
        assert_int_equal(uart.kind, rows[i].kind);
        assert_int_equal(uart.tx_depth, rows[i].depth);
        assert_int_equal(model_uart.fcr, rows[i].fcr);
        assert_string_equal(ns16550_kind_name(uart.kind), rows[i].name);
    }
}

static void test_registers_after_init(void **state)
{
    (void)state;
    assert_int_equal(init_at(MODEL_UART_16550A, 115200), HV_OK);
    assert_int_equal(model_uart.lcr, 0x03);     /* 8N1, latch closed */
    assert_int_equal(model_uart.mcr, 0x0b);     /* DTR, RTS, OUT2, no loopback */
    assert_int_equal(model_uart.ier, 0);        /* no interrupts yet */
    assert_int_equal(model_uart.fcr & 0xc0, 0); /* interrupt at the first byte */
    assert_int_equal(model_uart.divisor, 1);
    assert_int_equal(model_uart.irq_edges, 0);
    assert_int_equal(uart.stats.bytes_in, 0);
    assert_int_equal(uart.stats.tx_dropped, 0);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
}

static void test_absent(void **state)
{
    (void)state;
    assert_int_equal(init_at(MODEL_UART_ABSENT, 115200), HV_ENOENT);
}

/* Something else that keeps what is written does not loop back, and is left as it was. */
static void test_not_a_uart(void **state)
{
    uint8_t now[8] = {0};

    (void)state;
    assert_int_equal(init_at(MODEL_UART_MEMORY, 115200), HV_ENOENT);
    for (size_t i = 0; i < model_uart.trace_count && i < MODEL_UART_TRACE_SIZE; i++) {
        if (model_uart.trace[i].write)
            now[model_uart.trace[i].reg] = model_uart.trace[i].value;
    }
    for (unsigned reg = 0; reg < 8; reg++)
        assert_int_equal(now[reg], 0);
}

static void test_divisors(void **state)
{
    static const struct {
        uint32_t baud;
        uint16_t divisor;
    } rows[] = {
        {115200, 1}, {57600, 2}, {38400, 3},  {19200, 6}, {9600, 12},
        {2400, 48},  {300, 384}, {110, 1047}, {2, 57600}, {114000, 1}, /* 1.05 % off: near enough */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(init_at(MODEL_UART_16550A, rows[i].baud), HV_OK);
        assert_int_equal(model_uart.divisor, rows[i].divisor);
        assert_int_equal(uart.divisor, rows[i].divisor);
        assert_int_equal(model_uart.lcr, 0x03);
    }
}

static void test_refused_bauds(void **state)
{
    static const uint32_t rows[] = {
        1,      /* the divisor has 16 bits */
        110000, /* 4.7 % off */
        76800,  /* between two divisors */
        230400, /* faster than the clock */
        118000, /* 2.4 % off */
        0xffffffff,
    };

    (void)state;
    assert_int_equal(init_at(MODEL_UART_16550A, 0), HV_EINVAL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(init_at(MODEL_UART_16550A, rows[i]), HV_ENOTSUP);
        assert_int_equal(model_uart.trace_count, 0); /* refused before a register is touched */
    }
}

static void test_other_clock(void **state)
{
    struct ns16550_place at = ns16550_at_port(PORT);

    (void)state;
    model_uart_reset(MODEL_UART_16550A, PORT, 8);
    assert_int_equal(ns16550_init(&uart, &at, 921600, 14745600), HV_OK);
    assert_int_equal(model_uart.divisor, 1);
    assert_int_equal(ns16550_init(&uart, &at, 115200, 14745600), HV_OK);
    assert_int_equal(model_uart.divisor, 8);
    assert_int_equal(ns16550_init(&uart, &at, 115200, 0), HV_ENOTSUP);
}

/* A fast clock's fastest rates; and those between two divisors. */
static void test_fast_clocks(void **state)
{
    (void)state;
    assert_int_equal(ns16550_divisor(1500000, 24000000), 1);
    assert_int_equal(ns16550_divisor(3000000, 48000000), 1);
    assert_int_equal(ns16550_divisor(115200, 48000000), 26); /* 0.16 % off */
    assert_int_equal(ns16550_divisor(921600, 62500000), 0);  /* 5.9 % */
    assert_int_equal(ns16550_divisor(4000000, 64000000), 1);
    assert_int_equal(ns16550_divisor(UINT32_MAX / 16, UINT32_MAX), 1);
    assert_int_equal(ns16550_divisor(0, 24000000), 0);
    assert_int_equal(ns16550_divisor(UINT64_MAX, 24000000), 0);
    assert_int_equal(ns16550_divisor(1ULL << 32 | 115200, 1843200), 0);
}

/* The last bytes leave at the old speed; what came at it is kept. */
static void test_set_baud(void **state)
{
    size_t i;

    (void)state;
    assert_int_equal(init_at(MODEL_UART_16550A, 115200), HV_OK);
    ns16550_irq_enable(&uart);
    ns16550_put_bytes(&uart, "at the old speed", 16);
    model_uart_line_in("+", 1);
    model_uart.trace_count = 0;
    assert_int_equal(ns16550_set_baud(&uart, 57600), HV_OK);
    assert_int_equal(model_uart.divisor, 2);
    assert_int_equal(model_uart.lcr, 0x03);
    assert_int_equal(ns16550_baud(&uart), 57600);
    for (i = 0; !model_uart.trace[i].write; i++)
        assert_int_equal(model_uart.trace[i].reg == 5 || model_uart.trace[i].reg == 0, 1);
    assert_true(i > 100); /* the 16 bytes had left before the first register was written */
    assert_int_equal(model_uart.sent, 16);
    assert_int_equal(ns16550_get(&uart), '+');
    assert_int_equal(model_uart.ier, 5); /* not the divisor's */
}

static void test_set_baud_refused(void **state)
{
    (void)state;
    assert_int_equal(init_at(MODEL_UART_16550A, 115200), HV_OK);
    model_uart.trace_count = 0;
    assert_int_equal(ns16550_set_baud(&uart, 230400), HV_ENOTSUP);
    assert_int_equal(ns16550_set_baud(&uart, 0), HV_ENOTSUP);
    assert_int_equal(model_uart.trace_count, 0);
    assert_int_equal(ns16550_baud(&uart), 115200);
    model_uart.tx_dead = true; /* a line that is held back does not hold us */
    ns16550_put(&uart, 'x');
    assert_int_equal(ns16550_set_baud(&uart, 9600), HV_OK);
    assert_int_equal(model_uart.divisor, 12);
}

static void test_refused_places(void **state)
{
    static const struct ns16550_place rows[] = {
        {NS16550_PORT, 0xfff9, 1, 1}, /* register 7 beyond the last port */
        {NS16550_PORT, 0x103f8, 1, 1},
        {NS16550_PORT, 0x3f8, 0, 1},
        {NS16550_PORT, 0x3f8, 3, 1},
        {NS16550_PORT, 0x3f8, 1, 4},
        {NS16550_MEMORY, 0, 4, 4},
        {NS16550_MEMORY, 0xfe000000, 16, 4},
        {NS16550_MEMORY, 0xfe000000, 1, 4}, /* accesses would overlap */
        {NS16550_MEMORY, 0xfe000002, 4, 4},
        {NS16550_MEMORY, 0xfe000000, 4, 2},
        {NS16550_MEMORY, UINT64_MAX - 3, 4, 1},
    };

    (void)state;
    model_uart_reset(MODEL_UART_16550A, PORT, 8);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(ns16550_init(&uart, &rows[i], 115200, NS16550_CLOCK_HZ), HV_EINVAL);
    assert_int_equal(model_uart.trace_count, 0);
}

/* In memory, at any stride: the model aborts on an access that is not a register of its own. */
static void test_memory_mapped(void **state)
{
    static const struct ns16550_place rows[] = {
        {NS16550_MEMORY, 0xfe030000, 1, 1}, {NS16550_MEMORY, 0xfe030000, 2, 1},
        {NS16550_MEMORY, 0xfe030000, 4, 1}, {NS16550_MEMORY, 0xfe030000, 4, 4},
        {NS16550_MEMORY, 0xfe030000, 8, 4}, {NS16550_MEMORY, 0x40fe030001, 8, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        model_uart_reset_memory(rows[i].base, rows[i].stride, rows[i].width);
        assert_int_equal(ns16550_init(&uart, &rows[i], 57600, NS16550_CLOCK_HZ), HV_OK);
        assert_int_equal(model_uart.divisor, 2);
        model_uart_line_in("in", 2);
        assert_int_equal(ns16550_put_bytes(&uart, "out", 3), 3);
        model_uart_ticks(100);
        assert_int_equal(model_uart.sent, 3);
        assert_memory_equal(model_uart.out, "out", 3);
        ns16550_poll(&uart);
        assert_int_equal(ns16550_get(&uart), 'i');
        assert_int_equal(ns16550_get(&uart), 'n');
    }
}

/* What a boot loader received at another speed is not ours; what it is still sending is. */
static void leftovers(enum model_uart_kind kind)
{
    struct ns16550_place at = ns16550_at_port(PORT);

    assert_int_equal(init_at(kind, 9600), HV_OK);
    ns16550_put_bytes(&uart, "Booting", 7);
    model_uart_line_in("j", 1);
    model_uart_ticks(9);
    assert_int_equal(ns16550_init(&uart, &at, 115200, NS16550_CLOCK_HZ), HV_OK);
    assert_int_equal(model_uart.sent, 7);
    assert_memory_equal(model_uart.out, "Booting", 7);
    assert_int_equal(model_uart_line_left(), 0);
    assert_int_equal(ns16550_poll(&uart), 0);
    assert_int_equal(ns16550_get(&uart), NS16550_EMPTY);
}

static void test_leftovers(void **state)
{
    (void)state;
    leftovers(MODEL_UART_16550A);
    leftovers(MODEL_UART_16450);
}

static void test_com_ports(void **state)
{
    (void)state;
    assert_null(ns16550_com(0));
    assert_int_equal(ns16550_com(1)->port, 0x3f8);
    assert_int_equal(ns16550_com(1)->irq, 4);
    assert_int_equal(ns16550_com(2)->port, 0x2f8);
    assert_int_equal(ns16550_com(2)->irq, 3);
    assert_int_equal(ns16550_com(3)->port, 0x3e8);
    assert_int_equal(ns16550_com(3)->irq, 4);
    assert_int_equal(ns16550_com(4)->port, 0x2e8);
    assert_int_equal(ns16550_com(4)->irq, 3);
    assert_null(ns16550_com(5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),         cmocka_unit_test(test_registers_after_init),
        cmocka_unit_test(test_absent),        cmocka_unit_test(test_not_a_uart),
        cmocka_unit_test(test_divisors),      cmocka_unit_test(test_refused_bauds),
        cmocka_unit_test(test_other_clock),   cmocka_unit_test(test_refused_places),
        cmocka_unit_test(test_memory_mapped), cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_com_ports),     cmocka_unit_test(test_fast_clocks),
        cmocka_unit_test(test_set_baud),      cmocka_unit_test(test_set_baud_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
