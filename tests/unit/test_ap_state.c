/*
 * core/ap_state.c: every sequence of INIT, start-up (two vectors), NMI and "the CPU looks", of up
 * to eight, against the rules in plain words: a second machine that keeps lists, not bits (BP-13,
 * BP-14).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ap_state.h"

enum { LENGTH = 8 };
enum event { INIT, STARTUP_1, STARTUP_2, NMI, LOOK, EVENTS };

/* The rules: what is posted and not yet looked at. */
struct plain {
    bool bootstrap, waits;
    bool init, nmi;
    int vector; /* of the start-up, -1: none */
};

static void plain_post(struct plain *p, enum event event)
{
    bool will_wait = !p->bootstrap && (p->waits || p->init);

    switch (event) {
    case INIT:
        p->init = true;
        p->nmi = false;
        p->vector = -1;
        break;
    case STARTUP_1:
    case STARTUP_2:
        if (will_wait && p->vector < 0)
            p->vector = event == STARTUP_1 ? 0x12 : 0xff;
        break;
    case NMI:
        p->nmi = p->nmi || !will_wait;
        break;
    default:
        break;
    }
}

static bool plain_needs_startup(const struct plain *p)
{
    return !p->bootstrap && (p->waits || p->init) && p->vector < 0;
}

static enum ap_action plain_look(struct plain *p, int *vector)
{
    if (p->init) {
        p->init = false;
        p->waits = !p->bootstrap;
        return AP_RESET;
    }
    if (p->waits && p->vector >= 0) {
        *vector = p->vector;
        p->vector = -1;
        p->waits = false;
        return AP_START;
    }
    if (p->nmi) {
        p->nmi = false;
        return AP_TAKE_NMI;
    }
    return AP_NOTHING;
}

static uint32_t post(uint32_t word, enum event event)
{
    switch (event) {
    case INIT:
        return ap_post_init(word);
    case STARTUP_1:
        return ap_post_startup(word, 0x12);
    case STARTUP_2:
        return ap_post_startup(word, 0xff);
    default:
        return ap_post_nmi(word);
    }
}

static void run(uint32_t sequence, uint32_t word, struct plain plain)
{
    for (unsigned i = 0; i < LENGTH; i++, sequence /= EVENTS) {
        enum event event = (enum event)(sequence % EVENTS);
        enum ap_action action;
        uint8_t vector = 0;
        int want = 0;

        assert_int_equal(ap_needs_startup(word), plain_needs_startup(&plain));
        if (event != LOOK) {
            word = post(word, event);
            plain_post(&plain, event);
            continue;
        }
        word = ap_take(word, &action, &vector);
        assert_int_equal(action, plain_look(&plain, &want));
        assert_int_equal(vector, want);
        assert_int_equal(!!(word & AP_WAITS), plain.waits);
    }
}

static void test_all_sequences(void **state)
{
    uint32_t all = 1;

    (void)state;
    for (unsigned i = 0; i < LENGTH; i++)
        all *= EVENTS;
    for (uint32_t sequence = 0; sequence < all; sequence++) {
        run(sequence, AP_WAITS, (struct plain){.waits = true, .vector = -1});
        run(sequence, AP_BOOTSTRAP, (struct plain){.bootstrap = true, .vector = -1});
    }
}

/* The sequence of the manuals, and what Linux and firmware make of it. */
static void test_usual(void **state)
{
    uint32_t word = AP_WAITS;
    enum ap_action action;
    uint8_t vector = 0;

    (void)state;
    word = ap_take(ap_post_init(word), &action, &vector);
    assert_int_equal(action, AP_RESET);
    word = ap_take(ap_post_startup(word, 0x9a), &action, &vector);
    assert_int_equal(action, AP_START);
    assert_int_equal(vector, 0x9a);
    word = ap_take(ap_post_startup(word, 0x9a), &action, &vector); /* the second one */
    assert_int_equal(action, AP_NOTHING);
    assert_int_equal(word, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sequences),
        cmocka_unit_test(test_usual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
