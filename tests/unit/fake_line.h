/*
 * The other end of the stub's line, for tests: collects what the stub sends and takes it apart,
 * strictly. Whatever a stub must never send ends the program (abort(), which cmocka and libFuzzer
 * both report). One stub per program, in `stub`.
 */
#ifndef TESTS_UNIT_FAKE_LINE_H
#define TESTS_UNIT_FAKE_LINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdbstub/gdbstub.h"
#include "tests/unit/fake_target.h"

static struct gdbstub stub;

static struct {
    char bytes[1 << 20];
    size_t len, taken;
} line;

/* The last packet that line_take() found: decoded, terminated. */
static struct {
    char text[GDBSTUB_PACKET_SIZE + 1];
    size_t len;
    size_t wire_len; /* with framing, as sent */
} reply;

#define LINE_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void line_put(const char *bytes, size_t size)
{
    LINE_CHECK(size > 0 && size <= GDBSTUB_PACKET_SIZE + 4);
    LINE_CHECK(line.len + size <= sizeof(line.bytes));
    memcpy(line.bytes + line.len, bytes, size);
    line.len += size;
}

/* Expands runs, as the manual says. */
static void line_decode(const char *body, size_t len)
{
    reply.len = 0;
    for (size_t i = 0; i < len; i++) {
        size_t count = 1;
        char c = body[i];

        if (c == '*') {
            LINE_CHECK(i > 0 && i + 1 < len);
            c = body[i - 1];
            /* The characters that must not be a count, and counts that would not pay. */
            LINE_CHECK(body[i + 1] >= ' ' && body[i + 1] <= '~');
            LINE_CHECK(strchr("#$+-", body[i + 1]) == NULL);
            count = (size_t)body[++i] - 29;
        }
        LINE_CHECK(reply.len + count <= GDBSTUB_PACKET_SIZE);
        memset(reply.text + reply.len, c, count);
        reply.len += count;
    }
    reply.text[reply.len] = '\0';
}

/*
 * Takes the next thing off the line: '+', '-', '$' (then in `reply`), or 0 when there is none.
 * Anything else, or half a packet, or a bad checksum, is the stub's fault.
 */
static inline char line_take(void)
{
    const char *start = line.bytes + line.taken;
    const char *end;
    unsigned given;
    uint8_t sum = 0;

    if (line.taken == line.len)
        return 0;
    if (*start == '+' || *start == '-') {
        line.taken++;
        return *start;
    }
    LINE_CHECK(*start == '$');
    end = memchr(start, '#', line.len - line.taken);
    LINE_CHECK(end != NULL && end + 3 <= line.bytes + line.len);
    for (const char *p = start + 1; p < end; p++) {
        LINE_CHECK(*p != '$');
        sum = (uint8_t)(sum + (uint8_t)*p);
    }
    LINE_CHECK(sscanf(end + 1, "%2x", &given) == 1 && given == sum);
    line_decode(start + 1, (size_t)(end - start - 1));
    reply.wire_len = (size_t)(end + 3 - start);
    line.taken += reply.wire_len;
    return '$';
}

static inline void line_clear(void)
{
    line.len = 0;
    line.taken = 0;
}

static inline void line_feed(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        gdbstub_receive(&stub, ((const uint8_t *)bytes)[i]);
}

/* A packet with these bytes as they are (the caller escapes) and the right checksum. */
static inline void line_send(const void *body, size_t size)
{
    char tail[4];
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)body)[i]);
    line_feed("$", 1);
    line_feed(body, size);
    snprintf(tail, sizeof(tail), "#%02x", sum);
    line_feed(tail, 3);
}

/*
 * Sends a packet and takes its acknowledgment and its reply, which is acknowledged in turn. NULL
 * when there is no reply (yet).
 */
static inline const char *ask_bytes(const void *body, size_t size)
{
    line_clear();
    line_send(body, size);
    LINE_CHECK(line_take() == '+');
    if (line_take() != '$')
        return NULL;
    line_feed("+", 1);
    return reply.text;
}

static inline const char *ask(const char *body)
{
    const char *answer = ask_bytes(body, strlen(body));

    LINE_CHECK(answer == NULL || line.taken == line.len); /* one reply, not two */
    return answer;
}

/* Lets the target run; the stop reply if there is one (NULL: none, or it runs on). */
static inline const char *run(unsigned count)
{
    line_clear();
    if (fake_run(count))
        gdbstub_stopped(&stub, &fake.stop);
    if (line_take() != '$')
        return NULL;
    line_feed("+", 1);
    LINE_CHECK(line.taken == line.len);
    return reply.text;
}

/* A stub on a target that has just stopped as break-in stops it; no gdb yet. */
static inline void start(unsigned threads)
{
    static const struct gdb_stop first = {.signal = GDB_SIGINT, .thread = 1};

    fake_reset(threads);
    line_clear();
    gdbstub_init(&stub, &fake_target, line_put, &first);
}

/* The same with gdb attached. */
static inline void start_session(unsigned threads)
{
    start(threads);
    LINE_CHECK(ask("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386") != NULL);
}

/* Whatever happened before: a gdb that comes now must be served. Leaves the target stopped. */
static inline void line_check_alive(void)
{
    line_clear();
    if (gdbstub_is_running(&stub)) {
        LINE_CHECK(fake.running);
        line_send("qSupported", 10);
        if (fake_run(1))
            gdbstub_stopped(&stub, &fake.stop);
    }
    LINE_CHECK(!gdbstub_is_running(&stub));
    line_clear();
    line_send("?", 1);
    LINE_CHECK(line_take() == '+');
    LINE_CHECK(line_take() == '$');
    LINE_CHECK(reply.text[0] == 'T' && strstr(reply.text, "thread:") != NULL);
    LINE_CHECK(line_take() == 0);
    line_feed("+", 1);
}

#endif
