/* Many steps as one: counted, with a trace of where they led. */
#ifndef DEBUG_STEPS_H
#define DEBUG_STEPS_H

#include "debug/state.h"

/* The next step is made of count; 0: of one, and is not traced. */
void steps_begin(struct debug_steps *steps, uint64_t count);

/* One more has ended at this linear address. True when more are to come. */
bool steps_count(struct debug_steps *steps, gva_t rip);

#endif
