/*
 * Changing the line's speed while gdb is on it. Both ends cannot change at once, and a speed that
 * does not work must not end the session: so a new one is on trial until a reply of ours at that
 * speed was acknowledged, and given up when nothing good comes in time, or mostly errors.
 *
 * The speed of the beginning is what a new gdb expects: line errors in a row, with nothing good
 * between them, bring it back at any time.
 *
 * Pure: what happens on the line goes in, the speed to set comes out.
 */
#ifndef DEBUG_BAUD_H
#define DEBUG_BAUD_H

#include "hv/types.h"

enum {
    BAUD_ASKED_SECONDS = 2,  /* for the answer to be acknowledged at the old speed */
    BAUD_SETTLE_PART = 8,    /* of a second: for what gdb has to say behind that */
    BAUD_TRIAL_SECONDS = 20, /* for the user to connect at the new one */
    BAUD_ERRORS = 8,         /* in a row, that show a wrong speed */
};

enum baud_phase {
    BAUD_STEADY,
    BAUD_ASKED, /* a new speed was asked for, the answer to that is on its way */
    BAUD_TRIAL, /* the new speed is set, and not yet proved */
};

struct baud {
    enum baud_phase phase;
    uint32_t first;  /* of the beginning */
    uint32_t proved; /* the last one that worked */
    uint32_t now;    /* that is set */
    uint32_t wanted;
    bool answered;   /* ASKED: the answer was acknowledged */
    uint64_t since;  /* when the phase began, or that was */
    uint64_t good;   /* of the signs, as last seen, */
    uint64_t errors; /* and when something good was last seen */
};

/* What the line has shown until now; both numbers only grow. */
struct baud_signs {
    uint64_t time;   /* any clock's, */
    uint64_t second; /* whose second is so long */
    uint64_t good;   /* replies that were acknowledged */
    uint64_t errors; /* characters and packets that arrived broken */
};

void baud_init(struct baud *b, uint32_t speed);

/* The user wants that speed, which the UART can make. */
void baud_ask(struct baud *b, uint32_t speed, const struct baud_signs *signs);

/* Nothing is under way, and the speed is that of the beginning: nothing to look at. */
bool baud_is_settled(const struct baud *b);

/* To be called as often as the line is looked at. The speed to set now, or 0: as it is. */
uint32_t baud_look(struct baud *b, const struct baud_signs *signs);

#endif
