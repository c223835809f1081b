/* Who made the processor. */
#ifndef ARCH_X86_MAKER_H
#define ARCH_X86_MAKER_H

#include "hv/types.h"

/* True when CPUID's vendor string is one of these, each 12 characters and a terminator. */
bool cpu_made_by(const char (*makers)[13], unsigned count);

#endif
