/*
 * The guest's x87, SSE and AVX registers. The hypervisor does not use them, so they are still in
 * the processor; they are taken out when somebody looks and put back, if changed, before it runs.
 */
#ifndef DEBUG_FPU_H
#define DEBUG_FPU_H

#include "hv/types.h"

bool fpu_has_avx(void);

/*
 * Whose registers all of the following are: those of this CPU, or of one that has kept its own
 * (fpu_keep).
 */
void fpu_choose(unsigned cpu);

/* st0-st7: 10 bytes; control registers (fctrl fstat ftag fiseg fioff foseg fooff fop): 4 bytes. */
void fpu_read_st(unsigned n, uint8_t *value);
void fpu_write_st(unsigned n, const uint8_t *value);
uint32_t fpu_read_control(unsigned n);
void fpu_write_control(unsigned n, uint32_t value);

/* xmm0-15: 16 bytes; their upper halves (ymmNh): 16 bytes. */
void fpu_read_xmm(unsigned n, uint8_t *value);
void fpu_write_xmm(unsigned n, const uint8_t *value);
bool fpu_read_ymm_high(unsigned n, uint8_t *value);
bool fpu_write_ymm_high(unsigned n, const uint8_t *value);
uint32_t fpu_read_mxcsr(void);
/* False: reserved bits. */
bool fpu_write_mxcsr(uint32_t value);

/* On the CPU itself: keeps them where other CPUs can look. */
void fpu_keep(unsigned cpu);

/* On the CPU itself: puts changes back and forgets, for it is about to run. */
void fpu_flush(unsigned cpu);

#endif
