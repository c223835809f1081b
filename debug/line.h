/*
 * The line's interrupt. It arrives as an NMI at CPU 0, and only CPU 0, or who holds all CPUs while
 * CPU 0 stands, touches the line: so an NMI can be told to be the line's or not.
 */
#ifndef DEBUG_LINE_H
#define DEBUG_LINE_H

#include "core/vcpu.h"

/* v is about to let its guest run, or to rest: the line may interrupt. */
void line_open(const struct vcpu *v);

/*
 * v, which holds, wants to use the line while others run: the line is silent, and CPU 0 does not
 * touch it.
 */
void line_take(const struct vcpu *v);

/* v is about to stand, or to talk: the line is silent, and no NMI of its is left. */
void line_close(const struct vcpu *v);

/*
 * v has left the guest by an NMI (taken: 0), or has taken so many in the host: each is a kick, the
 * line's, or the guest's, which gets it.
 */
void line_sort_nmi(struct vcpu *v, unsigned taken);

/* True when something came over the line that nobody has looked at. */
bool line_heard(const struct vcpu *v);

/* For who holds: true when there is something on the line that the stub has not been given. */
bool line_waits(void);

/* The line's speed is another one as soon as gdb has the answer. False: the UART cannot. */
bool line_ask_baud(uint32_t speed);

/* For who holds: gives the stub what has come. A BREAK is a Ctrl-C. */
void line_feed_stub(void);

#endif
