#include "core/io_policy.h"

#include "arch/x86/insn.h"
#include "core/a20_guard.h"
#include "hv/compiler.h"
#include "lib/string.h"

struct hidden_ports {
    uint16_t first, count;
    const uint8_t *reads; /* NULL: all ones */
    io_device_fn access;  /* NULL: nothing is there */
};

static struct hidden_ports hidden_ports[8];
static unsigned hidden_count;

static enum hv_status add_hidden(const struct hidden_ports *ports)
{
    if (hidden_count == HV_ARRAY_SIZE(hidden_ports))
        return HV_ENOSPC;
    hidden_ports[hidden_count++] = *ports;
    return HV_OK;
}

enum hv_status io_policy_hide(uint16_t first, uint16_t count, const uint8_t *reads)
{
    struct hidden_ports ports = {.first = first, .count = count, .reads = reads};

    return add_hidden(&ports);
}

enum hv_status io_policy_device(uint16_t first, uint16_t count, io_device_fn access)
{
    struct hidden_ports ports = {.first = first, .count = count, .access = access};

    return add_hidden(&ports);
}

static const struct hidden_ports *find_hidden(uint16_t port)
{
    for (unsigned i = 0; i < hidden_count; i++) {
        unsigned offset = (unsigned)port - hidden_ports[i].first;

        if (port >= hidden_ports[i].first && offset < hidden_ports[i].count)
            return &hidden_ports[i];
    }
    return NULL;
}

static struct {
    uint16_t port;
    io_tap_fn tell; /* NULL: free */
} taps[4];

enum hv_status io_policy_tap(uint16_t port, io_tap_fn tell)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(taps); i++) {
        if (taps[i].tell && taps[i].port == port) {
            taps[i].tell = tell;
            return HV_OK;
        }
    }
    for (unsigned i = 0; tell && i < HV_ARRAY_SIZE(taps); i++) {
        if (!taps[i].tell) {
            taps[i].port = port;
            taps[i].tell = tell;
            return HV_OK;
        }
    }
    return tell ? HV_ENOSPC : HV_OK;
}

static io_tap_fn find_tap(uint16_t port)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(taps); i++) {
        if (taps[i].tell && taps[i].port == port)
            return taps[i].tell;
    }
    return NULL;
}

bool io_policy_is_hidden(uint16_t port)
{
    return find_hidden(port) != NULL;
}

bool io_policy_wants(uint16_t port, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint16_t p = (uint16_t)(port + i);

        if (io_policy_is_hidden(p) || a20_guard_wants(p) || find_tap(p))
            return true;
    }
    return false;
}

static const struct port_row *watched;
static unsigned watched_count;

void io_policy_watch(const struct port_row *rows, unsigned count)
{
    watched = rows;
    watched_count = count;
}

static uint8_t io_maps[POLICY_MAPS][IO_MAP_SIZE] HV_ALIGNED(4096);

static void add_port(enum policy_map map, uint32_t port)
{
    io_maps[map][port / 8] |= (uint8_t)HV_BIT(port % 8);
}

void io_policy_build(void)
{
    memset(io_maps, 0, sizeof(io_maps));
    for (uint32_t port = 0; port < 0x10000; port++) {
        if (io_policy_wants((uint16_t)port, 1)) {
            add_port(POLICY_OWN, port);
            add_port(POLICY_WATCHED, port);
        }
    }
    for (unsigned i = 0; i < watched_count; i++) {
        for (uint32_t port = watched[i].first; port <= watched[i].last; port++)
            add_port(POLICY_WATCHED, port);
    }
}

const uint8_t *io_policy_map(enum policy_map map)
{
    return io_maps[map];
}

static bool access_hidden(const struct hidden_ports *ports, uint16_t port, bool in, uint8_t *value)
{
    unsigned offset = (unsigned)port - ports->first;

    if (ports->access)
        return ports->access(offset, in, value);
    if (in)
        *value = ports->reads ? ports->reads[offset] : 0xff;
    return false;
}

static bool write_port(uint16_t port, uint8_t value)
{
    io_tap_fn tell = find_tap(port);

    outb(port, a20_guard_write(port, value));
    return tell && tell(port, value);
}

bool io_policy_access(uint16_t port, unsigned size, bool in, uint32_t *value)
{
    uint32_t result = 0;
    bool noticed = false;

    for (unsigned i = 0; i < size; i++) {
        uint16_t p = (uint16_t)(port + i);
        uint8_t byte = (uint8_t)(*value >> (8 * i));
        const struct hidden_ports *hidden = find_hidden(p);

        if (hidden)
            noticed |= access_hidden(hidden, p, in, &byte);
        else if (in)
            byte = inb(p);
        else
            noticed |= write_port(p, byte);
        result |= (uint32_t)byte << (8 * i);
    }
    if (in)
        *value = result;
    return noticed;
}
