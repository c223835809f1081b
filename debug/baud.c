#include "debug/baud.h"

void baud_init(struct baud *b, uint32_t speed)
{
    *b = (struct baud){.phase = BAUD_STEADY, .first = speed, .proved = speed, .now = speed};
}

bool baud_is_settled(const struct baud *b)
{
    return b->phase == BAUD_STEADY && b->now == b->first;
}

static void begin(struct baud *b, enum baud_phase phase, const struct baud_signs *signs)
{
    b->phase = phase;
    b->answered = false;
    b->since = signs->time;
    b->good = signs->good;
    b->errors = signs->errors;
}

void baud_ask(struct baud *b, uint32_t speed, const struct baud_signs *signs)
{
    b->wanted = speed;
    begin(b, BAUD_ASKED, signs);
}

static uint32_t set(struct baud *b, enum baud_phase phase, uint32_t speed,
                    const struct baud_signs *signs)
{
    begin(b, phase, signs);
    b->now = speed;
    return speed;
}

static bool is_over(const struct baud *b, uint64_t seconds, const struct baud_signs *signs)
{
    return signs->time - b->since >= seconds * signs->second;
}

static uint32_t look_asked(struct baud *b, const struct baud_signs *signs)
{
    if (signs->good != b->good) {
        b->good = signs->good;
        b->since = signs->time;
        b->answered = true;
    }
    if (b->answered && signs->time - b->since >= signs->second / BAUD_SETTLE_PART)
        return set(b, BAUD_TRIAL, b->wanted, signs);
    if (is_over(b, BAUD_ASKED_SECONDS, signs))
        begin(b, BAUD_STEADY, signs);
    return 0;
}

uint32_t baud_look(struct baud *b, const struct baud_signs *signs)
{
    bool wrong;

    if (b->phase == BAUD_ASKED)
        return look_asked(b, signs);
    if (signs->good != b->good) {
        b->proved = b->now;
        begin(b, BAUD_STEADY, signs);
        return 0;
    }
    wrong = signs->errors - b->errors >= BAUD_ERRORS;
    if (b->phase == BAUD_TRIAL && (wrong || is_over(b, BAUD_TRIAL_SECONDS, signs)))
        return set(b, BAUD_STEADY, b->proved, signs);
    if (b->phase == BAUD_STEADY && wrong && b->now != b->first) {
        b->proved = b->first;
        return set(b, BAUD_STEADY, b->first, signs);
    }
    return 0;
}
