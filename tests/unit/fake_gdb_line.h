/*
 * The line to a gdb that is a list of packets, for debug/session.c. Include it once, after
 * cmocka.h.
 */
#ifndef TESTS_UNIT_FAKE_GDB_LINE_H
#define TESTS_UNIT_FAKE_GDB_LINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "debug/state.h"

static jmp_buf over;
static const char *why_over;

/*
 * The line. A turn of gdb's is a list of packets, "\3" standing for Ctrl-C and "!" for a BREAK;
 * the first is there at the beginning, each further one arrives with the guest's next NMI exit, or
 * when the guest has stopped.
 */
static const char *const *turns;
static char pending[512], sent[16384];
static size_t pending_at, sent_length;
static unsigned listens, hushes;
static unsigned acks; /* gdb's, of text for its console, on their way; */
static bool is_told;  /* it says nothing else until the stop that the text is about, or a run */
static bool listening;

static inline void end(const char *why)
{
    why_over = why;
    longjmp(over, 1);
}

static inline bool next_turn(void)
{
    char *to = pending;

    pending_at = 0;
    *to = 0;
    if (!*turns)
        return false;
    for (const char *p = *turns++; *p;) {
        size_t length = strcspn(p, " ");
        uint8_t sum = 0;
        if (*p == 3 || *p == '!') {
            to += sprintf(to, "%c", *p);
        } else {
            for (size_t i = 0; i < length; i++)
                sum = (uint8_t)(sum + (uint8_t)p[i]);
            to += sprintf(to, "+$%.*s#%02x+", (int)length, p, sum);
        }
        p += length;
        p += *p == ' ';
    }
    return true;
}

static inline bool link_interrupted(void)
{
    if (!pending[pending_at] && !next_turn())
        return false;
    listening = false;
    return true;
}

static inline void link_listen(void)
{
    listens++;
    listening = true;
    is_told = false;
}

static inline void link_hush(void)
{
    hushes++;
    listening = false;
}

static inline void link_poll(void)
{
}

static inline int link_get(void)
{
    if (acks) {
        acks--;
        return '+';
    }
    if (is_told)
        return LINK_EMPTY;
    if (!pending[pending_at] && !debug.stub.running && !next_turn())
        end("gdb has nothing more to say");
    if (!pending[pending_at])
        return LINK_EMPTY;
    uint8_t byte = (uint8_t)pending[pending_at++];
    return byte == '!' ? LINK_BREAK : byte;
}

static inline bool link_waits(void)
{
    return acks || pending[pending_at];
}

/* What the other end answers may not come as an interrupt: it would be taken for the guest's NMI.
 */
static inline void link_put(const char *bytes, size_t size)
{
    assert_false(listening);
    assert_true(sent_length + size < sizeof(sent));
    memcpy(sent + sent_length, bytes, size);
    sent[sent_length += size] = 0;
    is_told = debug.stub.running && size > 2 && bytes[1] == 'O';
    acks += is_told;
}

static inline uint32_t link_baud(void)
{
    return 115200;
}

static const struct debug_link fake_link = {.interrupted = link_interrupted,
                                            .listen = link_listen,
                                            .hush = link_hush,
                                            .poll = link_poll,
                                            .get = link_get,
                                            .waits = link_waits,
                                            .put = link_put,
                                            .baud = link_baud};

#endif
