#include "boot/gdb_uart.h"

#include "boot/refuse_start.h"
#include "core/io_policy.h"
#include "core/mediate.h"
#include "debug/guest_console.h"
#include "drivers/serial/ns16550.h"
#include "lib/fmt.h"
#include "lib/string.h"

static struct ns16550 uart;
static char name[24]; /* "com1"; "" while none is open */
static int irq = -1;

static bool interrupted(void)
{
    return ns16550_irq_ack(&uart);
}

static void listen(void)
{
    if (irq >= 0)
        ns16550_irq_enable(&uart);
}

static void hush(void)
{
    ns16550_irq_disable(&uart);
}

static void poll(void)
{
    ns16550_poll(&uart);
}

static int get(void)
{
    int byte = ns16550_get(&uart);
    return byte == NS16550_EMPTY ? LINK_EMPTY : byte == NS16550_BREAK ? LINK_BREAK : byte;
}

static bool waits(void)
{
    return ns16550_waits(&uart);
}

static void put(const char *bytes, size_t size)
{
    ns16550_put_bytes(&uart, bytes, size);
}

static size_t describe(char *text, size_t size)
{
    const struct ns16550_stats *s = &uart.stats;

    return fmt_print(text, size, "%s at %u, %llu bytes in, %llu out, %llu lost, %llu line errors",
                     name, (unsigned)ns16550_baud(&uart), (unsigned long long)s->bytes_in,
                     (unsigned long long)s->bytes_out,
                     (unsigned long long)(s->overruns + s->ring_overflow + s->tx_dropped),
                     (unsigned long long)(s->framing + s->parity));
}

#define U(x) ((unsigned long long)(x))

static size_t report(unsigned n, char *text, size_t size)
{
    const struct ns16550_stats *s = &uart.stats;
    bool fifo = uart.tx_depth > 1;
    char line[] = "no known interrupt: no break-in";

    switch (n) {
    case 0:
        if (irq >= 0)
            fmt_print(line, sizeof(line), "interrupt %d", irq);
        return fmt_print(text, size, "%s: %s at %s %llx, %s", name, ns16550_kind_name(uart.kind),
                         uart.at.space == NS16550_PORT ? "port" : "address", U(uart.at.base), line);
    case 1:
        return fmt_print(text, size, "speed     %u baud, 8N1; at most %u, from a clock of %u Hz",
                         (unsigned)ns16550_baud(&uart), (unsigned)uart.clock_hz / 16,
                         (unsigned)uart.clock_hz);
    case 2:
        return fmt_print(text, size, "FIFO      %s; flow control: %s%s", fifo ? "16 bytes" : "none",
                         uart.rtscts ? "RTS/CTS" : "none",
                         uart.rts_off ? ", the other side waits" : "");
    case 3:
        return fmt_print(text, size, "received  %llu bytes, %llu breaks", U(s->bytes_in),
                         U(s->breaks));
    case 4:
        return fmt_print(text, size,
                         "  lost    %llu overruns, %llu framing, %llu parity, %llu dropped",
                         U(s->overruns), U(s->framing), U(s->parity), U(s->ring_overflow));
    case 5:
        return fmt_print(text, size, "sent      %llu bytes, %llu dropped, %llu time-outs",
                         U(s->bytes_out), U(s->tx_dropped), U(s->tx_timeouts));
    default:
        return 0;
    }
}

static uint64_t errors(void)
{
    return uart.stats.framing + uart.stats.parity + uart.stats.breaks;
}

static uint32_t baud(void)
{
    return ns16550_baud(&uart);
}

static bool set_baud(uint32_t rate, bool probe)
{
    if (probe)
        return ns16550_divisor(rate, uart.clock_hz) != 0;
    return ns16550_set_baud(&uart, rate) == HV_OK;
}

static const struct debug_link uart_link = {
    .interrupted = interrupted,
    .listen = listen,
    .hush = hush,
    .poll = poll,
    .get = get,
    .waits = waits,
    .put = put,
    .describe = describe,
    .report = report,
    .errors = errors,
    .baud = baud,
    .set_baud = set_baud,
};

static enum hv_status open_at(const struct ns16550_place *at, const struct boot_gdb *gdb, int line)
{
    enum hv_status status = ns16550_init(&uart, at, gdb->baud, gdb->clock);

    if (status == HV_OK) {
        ns16550_set_rtscts(&uart, gdb->rtscts);
        irq = line;
    }
    return status;
}

static int port_irq(uint64_t port)
{
    for (unsigned com = 1; com <= 4; com++) {
        if (ns16550_com(com)->port == port)
            return ns16550_com(com)->irq;
    }
    return -1;
}

/* The first COM port that answers and is not the console's. */
static bool open_auto(const struct boot_gdb *gdb, const struct boot_console *console)
{
    for (unsigned com = 1; com <= 4; com++) {
        const struct ns16550_com *c = ns16550_com(com);
        struct ns16550_place at = ns16550_at_port(c->port);
        if (console->kind == BOOT_CONSOLE_COM && console->com == com)
            continue;
        if (open_at(&at, gdb, c->irq) == HV_OK) {
            fmt_print(name, sizeof(name), "com%u", com);
            return true;
        }
    }
    return false;
}

const struct debug_link *gdb_uart_open(const struct boot_gdb *gdb,
                                       const struct boot_console *console)
{
    struct ns16550_place at = ns16550_at_port((uint16_t)gdb->address);
    char wanted[sizeof(name)];

    switch (gdb->kind) {
    case BOOT_GDB_NONE:
        return NULL;
    case BOOT_GDB_AUTO:
        if (!open_auto(gdb, console))
            refuse_start("no UART answers at com1 to com4; name one (gdb=io:PORT, gdb=mmio:ADDR) "
                         "or boot with gdb=none.");
        return &uart_link;
    case BOOT_GDB_MMIO:
        if (gdb->address >> 32)
            refuse_start("gdb=mmio:%llx is above 4 GiB, where gdbvisor cannot reach a UART.",
                         (unsigned long long)gdb->address);
        at = (struct ns16550_place){NS16550_MEMORY, gdb->address, gdb->stride,
                                    gdb->stride >= 4 ? 4 : 1};
        fmt_print(wanted, sizeof(wanted), "mmio:%llx", (unsigned long long)gdb->address);
        break;
    case BOOT_GDB_PORT:
        if (gdb->com)
            fmt_print(wanted, sizeof(wanted), "com%u", gdb->com);
        else
            fmt_print(wanted, sizeof(wanted), "io:%llx", (unsigned long long)gdb->address);
        break;
    }
    int line = gdb->kind == BOOT_GDB_PORT ? port_irq(gdb->address) : -1;
    if (open_at(&at, gdb, line) != HV_OK)
        refuse_start("no UART answers at %s; choose another with gdb= (com1..com4, io:PORT, "
                     "mmio:ADDR, auto) or boot with gdb=none.",
                     wanted);
    memcpy(name, wanted, sizeof(name));
    return &uart_link;
}

void gdb_uart_hide(bool in_use, bool guest_console)
{
    /*
     * Absent, but for a line status that says "nothing received, all sent": a driver that has this
     * UART already loops on errors, or on a busy transmitter, that would never end.
     */
    static const uint8_t idle[NS16550_REG_COUNT] = {
        0xff, 0xff, 0xff, 0xff, 0xff, NS16550_LSR_THR_EMPTY | NS16550_LSR_TX_IDLE, 0xff, 0xff};

    if (!*name)
        return;
    if (guest_console) {
        guest_console_open((uint16_t)uart.at.base);
        return;
    }
    if (uart.at.space == NS16550_PORT) {
        io_policy_hide((uint16_t)uart.at.base, NS16550_REG_COUNT, in_use ? idle : NULL);
        return;
    }
    gpa_t page = HV_ALIGN_DOWN(uart.at.base, 4096);
    struct mediator nothing = {page, page + 4096, false, NULL, NULL};
    if (mediate_add(&nothing) != HV_OK)
        refuse_start("the UART's page at %llx cannot be hidden from the guest.",
                     (unsigned long long)page);
}

int gdb_uart_irq(void)
{
    return *name ? irq : -1;
}

size_t gdb_uart_describe(char *text, size_t size)
{
    return fmt_print(text, size, "%s at %u (%s)", name, (unsigned)ns16550_baud(&uart),
                     ns16550_kind_name(uart.kind));
}

void gdb_uart_say(const char *text)
{
    if (!*name)
        return;
    put(text, strlen(text));
    put("\r\n", 2);
}
