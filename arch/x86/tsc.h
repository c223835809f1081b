/* How fast the time-stamp counter counts. */
#ifndef ARCH_X86_TSC_H
#define ARCH_X86_TSC_H

#include "hv/types.h"

/*
 * Measures it, once and before a guest runs: 10 ms, or some times that, against the timer chip's
 * channel 2, the loudspeaker's; where there is no such chip it is what CPUID tells, else 2 GHz.
 * Time-outs and time stamps are made from it, nothing that has to be exact.
 */
void tsc_measure(void);

/* Hz; 2 GHz before it was measured. */
uint64_t tsc_hz(void);

/*
 * Waits until *flag, which another CPU sets, is value, but for so many microseconds at the most; no
 * flag (NULL): waits for all of them. Returns whether the flag was seen.
 */
bool tsc_await(const uint32_t *flag, uint32_t value, unsigned microseconds);

#endif
