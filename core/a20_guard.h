/*
 * The A20 gate: where a processor still obeys it, a guest that closes it takes every other MiB away
 * from us as well. It stays open. Software copes with that: new machines have no gate.
 */
#ifndef CORE_A20_GUARD_H
#define CORE_A20_GUARD_H

#include "hv/types.h"

/* From the next io_policy_build() on, writes to the ports that move the gate are looked at. */
void a20_guard_init(void);

/* True for a port whose accesses have to exit. */
bool a20_guard_wants(uint16_t port);

/* What is to be written to a port of these in place of value. */
uint8_t a20_guard_write(uint16_t port, uint8_t value);

#endif
