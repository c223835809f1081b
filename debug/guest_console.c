#include "debug/guest_console.h"

#include "arch/x86/insn.h"
#include "arch/x86/tsc.h"
#include "core/backend.h"
#include "core/guest_uart.h"
#include "core/io_policy.h"
#include "core/ioapic_guard.h"
#include "debug/console_filter.h"
#include "debug/line.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/ring.h"
#include "lib/spinlock.h"

enum {
    OUT_SIZE = 32768,
    OUT_HOLD = OUT_SIZE * 3 / 4, /* the guest is told to wait */
    IN_SIZE = 1024,
    CHUNK = 128,    /* of one packet: 23 ms at 115200 */
    ACK_PART = 4,   /* of a second: for gdb's acknowledgment */
    GONE_AFTER = 8, /* packets in a row that nobody acknowledged: there is no gdb */
};

/* Under the lock: the guest's CPUs use it while they run. */
static struct spinlock lock;
static struct guest_uart uart;
static uint8_t out_data[OUT_SIZE], in_data[IN_SIZE];
static struct ring out = {.data = out_data, .mask = OUT_SIZE - 1}; /* from the guest */
static struct ring in = {.data = in_data, .mask = IN_SIZE - 1};    /* to the guest */
static struct guest_console_report told;
static unsigned lines;         /* whole ones in out */
static bool amid_line, paused; /* the guest is in one; it may be waiting for an answer to it */
static bool irq;

/* The holder's. */
static struct console_filter filter;
static uint64_t packet_sent;  /* when the last packet of ours was; 0: there was none */
static unsigned unheard;      /* of these in a row */
static uint64_t acknowledged; /* by gdb, when last looked at */

static void put(uint8_t byte)
{
    if (!ring_put(&out, byte)) {
        told.dropped++;
        return;
    }
    told.sent++;
    lines += byte == '\n';
}

static void put_stamp(void)
{
    char text[24];
    uint64_t now = rdtsc(), hz = tsc_hz();
    size_t length = fmt_print(text, sizeof(text), "[%5llu.%03llu] ", (unsigned long long)(now / hz),
                              (unsigned long long)(now % hz * 1000 / hz));

    for (size_t i = 0; i < length; i++)
        ring_put(&out, (uint8_t)text[i]);
}

static void take_sent(uint8_t byte)
{
    if (told.stamps && !amid_line && byte != '\r' && byte != '\n')
        put_stamp();
    amid_line = byte != '\n';
    paused = false;
    put(byte);
}

/* What was typed goes on into the UART. True: its interrupt line has risen. */
static bool settle(void)
{
    bool was = irq;

    while (ring_used(&in) && guest_uart_receive(&uart, in.data[in.tail & in.mask]))
        ring_get(&in);
    uart.tx_held = ring_used(&out) >= OUT_HOLD;
    irq = guest_uart_interrupts(&uart);
    return irq && !was;
}

/* The guest's access; any CPU's. */
static bool access(unsigned offset, bool read, uint8_t *value)
{
    bool raise;
    int byte;

    spin_lock(&lock);
    if (read) {
        *value = guest_uart_read(&uart, offset);
    } else {
        byte = guest_uart_write(&uart, offset, *value);
        if (byte != GUEST_UART_NOTHING)
            take_sent((uint8_t)byte);
    }
    paused |= uart.pause;
    uart.pause = false;
    raise = settle();
    spin_unlock(&lock);
    if (raise)
        ioapic_guard_raise();
    return guest_console_due(); /* as far as can be told while others run */
}

enum hv_status guest_console_open(uint16_t port)
{
    guest_uart_reset(&uart);
    told.open = true;
    return io_policy_device(port, NS16550_REG_COUNT, access);
}

size_t guest_console_type(const char *text, size_t size)
{
    size_t taken = 0;
    bool raise;

    spin_lock(&lock);
    while (taken < size && ring_put(&in, (uint8_t)text[taken]))
        taken++;
    told.typed += taken;
    told.dropped += size - taken;
    raise = settle();
    spin_unlock(&lock);
    if (raise)
        ioapic_guard_raise();
    return taken;
}

/* Nobody is there who could take it for something else. */
static bool is_clear(void)
{
    return told.open && debug.stub.running && !debug.stub.kept &&
           (!debug.stub.attached || unheard >= GONE_AFTER);
}

bool guest_console_take(uint8_t byte)
{
    size_t count;

    if (!told.open || !debug.stub.running || debug.stub.attached || debug.stub.kept ||
        (debug.stub.acks_due && (byte == '+' || byte == '-')))
        return false;
    switch (console_filter(&filter, (char)byte, &count)) {
    case CONSOLE_HELD:
        return true;
    case CONSOLE_TYPED:
        guest_console_type(filter.held, count);
        break;
    case CONSOLE_PACKET:
        for (size_t i = 0; i < count; i++)
            gdbstub_receive(&debug.stub, (uint8_t)filter.held[i]);
        break;
    }
    console_filter_drop(&filter, count);
    return true;
}

/* The last packet is on its way: gdb is given time to acknowledge it. */
static bool is_awaited(void)
{
    return packet_sent && debug.stub.acks_due && rdtsc() - packet_sent < tsc_hz() / ACK_PART;
}

bool guest_console_due(void)
{
    bool worth_it = lines || ring_used(&out) >= CHUNK || (paused && ring_used(&out));

    return worth_it && (is_clear() || (debug.stub.stop_due && !is_awaited()));
}

/* Up to the end of the last whole line, if there is one. */
static size_t take_chunk(char *text, size_t size)
{
    size_t count = 0;
    bool raise;

    spin_lock(&lock);
    while (count < size && ring_used(&out)) {
        text[count++] = (char)ring_get(&out);
        if (text[count - 1] == '\n' && --lines == 0)
            break;
    }
    raise = settle();
    spin_unlock(&lock);
    if (raise)
        ioapic_guard_raise();
    return count;
}

static void send_packet(const char *text, size_t size)
{
    unheard = debug.stub.acks_due ? unheard + 1 : 0;
    acknowledged = debug.stub.stats.acknowledged;
    debug.stub.acks_due = 0; /* those before are late or lost; this one has its own */
    gdbstub_console(&debug.stub, text, size);
    packet_sent = rdtsc(); /* all of it */
}

static void flush(void)
{
    char text[CHUNK];

    if (debug.stub.stats.acknowledged != acknowledged)
        unheard = 0;
    if (!guest_console_due())
        return;
    size_t count = take_chunk(text, sizeof(text));
    if (is_clear())
        debug.config->link->put(text, count);
    else
        send_packet(text, count);
}

void guest_console_turn(void)
{
    /* Not for as long as another CPU has something to say: this one stands meanwhile. */
    unsigned turns = OUT_SIZE / CHUNK + 1;

    do {
        flush();
        line_feed_stub();
    } while (guest_console_due() && --turns);
}

void guest_console_drain(void)
{
    paused = true;
    while (guest_console_due() || (debug.stub.stop_due && is_awaited())) {
        flush();
        line_feed_stub();
    }
}

void guest_console_say(const char *text, size_t size)
{
    if (!debug.stub.stop_due)
        return;
    guest_console_drain();
    send_packet(text, size);
    guest_console_drain();
}

void guest_console_stamp(bool on)
{
    told.stamps = on;
}

struct guest_console_report guest_console_report(void)
{
    struct guest_console_report report = told;

    report.waiting = ring_used(&out);
    return report;
}

static bool tell_code(uint16_t port, uint8_t value)
{
    char text[24];
    size_t length = fmt_print(text, sizeof(text), "%s[port %x: %02x]\n", amid_line ? "\n" : "",
                              (unsigned)port, (unsigned)value);

    spin_lock(&lock);
    for (size_t i = 0; i < length; i++)
        take_sent((uint8_t)text[i]);
    spin_unlock(&lock);
    return guest_console_due();
}

static bool tell_debug(uint16_t port, uint8_t value)
{
    (void)port;
    spin_lock(&lock);
    take_sent(value);
    spin_unlock(&lock);
    return guest_console_due();
}

static void tap(uint16_t port, io_tap_fn tell)
{
    io_policy_tap(port, tell); /* there is room for all three */
    hv_backend->remap();
}

void guest_console_tap_codes(bool on)
{
    if (told.codes != on)
        tap(0x80, on ? tell_code : NULL);
    told.codes = on;
}

void guest_console_tap_debug(bool on)
{
    if (told.debug != on) {
        tap(0xe9, on ? tell_debug : NULL);
        tap(0x402, on ? tell_debug : NULL);
    }
    told.debug = on;
}
