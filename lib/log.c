/*
 * The hypervisor's own log.
 *
 * The ring is an array and a count rather than a struct ring: it then holds no address, and stays
 * valid when the image is copied to another place.
 */
#include "lib/log.h"

#include "lib/fmt.h"

enum {
    LOG_RING_SIZE = 16384, /* a power of two */
    LOG_LINE_SIZE = 256,   /* the longest line, with its newline */
    LOG_SINKS = 4,
};

static char ring_text[LOG_RING_SIZE];
static size_t ring_written; /* bytes since the start; the ring holds the last of them */
static log_sink_fn sinks[LOG_SINKS];

static size_t ring_length(void)
{
    return HV_MIN(ring_written, (size_t)LOG_RING_SIZE);
}

size_t log_read(size_t offset, char *buf, size_t size)
{
    size_t length = ring_length();
    size_t start = ring_written - length + offset;
    size_t count;

    if (offset >= length)
        return 0;
    count = HV_MIN(size, length - offset);
    for (size_t i = 0; i < count; i++)
        buf[i] = ring_text[(start + i) % LOG_RING_SIZE];
    return count;
}

static void replay(log_sink_fn sink)
{
    char part[LOG_LINE_SIZE];
    size_t offset = 0;
    size_t count;

    while ((count = log_read(offset, part, sizeof(part))) > 0) {
        sink(part, count);
        offset += count;
    }
}

bool log_add_sink(log_sink_fn sink)
{
    for (size_t i = 0; i < LOG_SINKS; i++) {
        if (sinks[i] == NULL) {
            sinks[i] = sink;
            replay(sink);
            return true;
        }
    }
    return false;
}

void log_remove_sink(log_sink_fn sink)
{
    for (size_t i = 0; i < LOG_SINKS; i++) {
        if (sinks[i] == sink)
            sinks[i] = NULL;
    }
}

void log_print(const char *format, ...)
{
    char line[LOG_LINE_SIZE];
    size_t length;
    va_list args;

    va_start(args, format);
    length = fmt_vprint(line, sizeof(line), format, args);
    va_end(args);

    length = HV_MIN(length, sizeof(line) - 1);
    line[length++] = '\n';
    for (size_t i = 0; i < length; i++)
        ring_text[ring_written++ % LOG_RING_SIZE] = line[i];
    for (size_t i = 0; i < LOG_SINKS; i++) {
        if (sinks[i] != NULL)
            sinks[i](line, length);
    }
}
