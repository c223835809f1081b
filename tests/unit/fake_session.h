/*
 * Whole sessions of debug/session.c with a gdb that is a list of packets, on a guest that is a
 * script. Include it once, first.
 */
#ifndef TESTS_UNIT_FAKE_SESSION_H
#define TESTS_UNIT_FAKE_SESSION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/debug_regs.h"
#include "core/park.h"
#include "debug/breakpoints.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "hv/compiler.h"
#include "lib/hex.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/fake_fpu.h"
#include "tests/unit/fake_gdb_line.h"
#include "tests/unit/script.h"

/* ATTACHED: what is trapped while gdb is there and nothing is set. */
enum { PC = 0x1000, ATTACHED = TRAP_WATCHED | TRAP_HLT };

static struct vcpu *v;
static bool halted;
static gva_t entry[2];
static struct acpi_fadt fadt = {.reset_port = 0x604, .reset_value = 9, .pm1_control = {0x404, 0}};
void model_write_register(const char *name, uint64_t value)
{
    (void)value;
    assert_string_equal(name, "halt");
    halted = true;
    end("halt");
}

static inline void script_end(void)
{
    end("guest runs");
}

static inline int setup(void **state)
{
    (void)state;
    memset(&fpu, 0, sizeof(fpu));
    v = model_backend_reset();
    breakpoints_remove_all();
    watch_remove_all();
    park_release(v); /* the last session ended in the middle of a stop */
    memset(&debug, 0, sizeof(debug));
    v->regs.rflags = 0x202;
    memset(model_memory(PC), 0x90, 256);
    return 0;
}

static inline void session(bool has_link, bool stop_at_entry, const struct model_entry *guest,
                           unsigned count, const char *const *gdb)
{
    static uint8_t trace[4096];
    struct debug_config config = {.trace = trace,
                                  .trace_size = sizeof(trace),
                                  .link = has_link ? &fake_link : NULL,
                                  .stop_at_entry = stop_at_entry,
                                  .entry = {entry[0], entry[1]},
                                  .fadt = fadt};

    turns = gdb;
    pending[0] = sent[0] = 0;
    pending_at = sent_length = 0;
    listens = hushes = acks = 0;
    is_told = false;
    listening = false;
    halted = false;
    model_script(guest, count);
    model_script_end = script_end;
    if (!setjmp(over))
        debug_session_run(v, &config);
    assert_true(model_script_done());
}

#define GUEST(...) static const struct model_entry guest[] = {__VA_ARGS__}
#define GDB(...)   static const char *const gdb[] = {__VA_ARGS__, NULL}
#define SESSION()  session(true, true, guest, HV_ARRAY_SIZE(guest), gdb)

/* clang-format off */
#define NMI_EXIT            FREE(NULL, HV_EXIT_NMI)
#define STEPS(guest)        DONE(guest)
#define HITS(guest, causes) ENTRY(RUN_FREE, guest, .kind = HV_EXIT_DEBUG, .debug = {causes})
/* clang-format on */

static inline void nop(struct hv_regs *r)
{
    assert_int_equal(*model_memory(r->rip), 0x90);
    r->rip++;
}

static inline void loop_to_pc(struct hv_regs *r)
{
    assert_int_equal(*model_memory(PC), 0xcc);
    r->rip = PC;
}

static inline unsigned count_sent(const char *what)
{
    unsigned n = 0;

    for (const char *p = sent; (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* A turn of gdb's: attach, then `monitor TEXT`, then the packets behind it. */
static inline const char *turn(const char *text, const char *then)
{
    static char turns_text[4][200];
    static unsigned next;
    char hex[120];
    char *to = turns_text[next++ % 4];

    hex[hex_encode(hex, text, strlen(text))] = 0;
    snprintf(to, sizeof(turns_text[0]), "qSupported qRcmd,%s %s", hex, then);
    return to;
}

/* The digits of an O packet at p, with runs written out ("Run-length encoding"). */
static inline size_t plain_digits(const char *p, char *digits)
{
    size_t length = 0;

    for (; *p != '#'; p++) {
        unsigned times = *p == '*' ? (unsigned)*++p - 29 : 0;

        for (unsigned i = 0; i < times; i++, length++)
            digits[length] = digits[length - 1];
        if (!times)
            digits[length++] = *p;
    }
    return length;
}

/* What gdb's console has been told, in one text. */
static inline const char *console(void)
{
    static char text[2000], digits[4000];
    size_t length = 0;

    for (const char *p = sent; (p = strstr(p, "$O")); p++) {
        if (!memcmp(p, "$OK#", 4))
            continue;
        size_t size = plain_digits(p + 2, digits);
        assert_true(length + size / 2 < sizeof(text));
        assert_true(hex_decode(text + length, digits, size / 2));
        length += size / 2;
    }
    text[length] = 0;
    return text;
}

#endif
