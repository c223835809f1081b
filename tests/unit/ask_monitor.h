/* Asking the monitor, and what it answers: whole lines, none too long for a terminal. */
#ifndef TESTS_UNIT_ASK_MONITOR_H
#define TESTS_UNIT_ASK_MONITOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "debug/state.h"

enum { ASK_COLUMNS = 80 };

static char out[65536];
static size_t length;

static void print(const char *text, size_t size)
{
    assert_true(length + size < sizeof(out));
    memcpy(out + length, text, size);
    out[length += size] = 0;
}

static const char *ask(const char *command)
{
    length = 0;
    out[0] = 0;
    assert_int_equal(debug_monitor(command, print), HV_OK);
    assert_true(length > 0);
    assert_int_equal(out[length - 1], '\n');
    for (const char *p = out; *p; p += strcspn(p, "\n") + 1) {
        if (strcspn(p, "\n") > ASK_COLUMNS)
            fail_msg("%s: longer than %d: %.*s", command, ASK_COLUMNS, (int)strcspn(p, "\n"), p);
    }
    return out;
}

#endif
