/*
 * What INIT, start-up and NMI interrupts of the guest's do to a CPU: a word that other CPUs post
 * to, and the CPU itself takes from. Pure; who changes the word does it by compare-and-swap.
 *
 * SDM vol. 3, "MP Initialization Protocol Algorithm for MP Systems"; a start-up IPI counts only
 * while the CPU waits for one, and the first one wins.
 */
#ifndef CORE_AP_STATE_H
#define CORE_AP_STATE_H

#include "hv/types.h"

enum {
    AP_RUNS = 0,            /* nothing posted */
    AP_VECTOR = 0xff,       /* of the start-up that is posted */
    AP_WAITS = 1 << 8,      /* for a start-up; else it runs */
    AP_INIT = 1 << 9,       /* posted */
    AP_STARTUP = 1 << 10,   /* posted */
    AP_NMI = 1 << 11,       /* posted */
    AP_BOOTSTRAP = 1 << 12, /* after INIT it does not wait but begins at the reset vector */
};

/* What the CPU has to do. */
enum ap_action {
    AP_NOTHING,
    AP_RESET, /* take the state after INIT; then wait (or, the bootstrap CPU, run) */
    AP_START, /* begin at vector << 12, in real mode */
    AP_TAKE_NMI,
};

/* The word after one of these interrupts has come. */
uint32_t ap_post_init(uint32_t word);
uint32_t ap_post_startup(uint32_t word, uint8_t vector);
uint32_t ap_post_nmi(uint32_t word);

/* Only a start-up can make the CPU go on: it waits, or will when it has taken what is posted. */
bool ap_needs_startup(uint32_t word);

/* The word after the CPU has done *action; *vector: for AP_START. */
uint32_t ap_take(uint32_t word, enum ap_action *action, uint8_t *vector);

#endif
