/* The guest's physical memory as a model: physmem_map() and all that is built on it reach it. */
#ifndef TESTS_MODEL_MEMORY_H
#define TESTS_MODEL_MEMORY_H

#include "hv/types.h"

enum { MODEL_MEMORY_SIZE = 16 << 20, MODEL_HIGH_SIZE = 4 << 20 };

/* A second piece, above 4 GiB. */
#define MODEL_HIGH_START 0x140000000ULL

/* Both pieces zero, and known to core/guest_memory.h as writable RAM; no reservation. */
void model_memory_reset(void);

/* The bytes at a physical address of either piece; anything else ends the program. */
uint8_t *model_memory(gpa_t address);

/* Puts a 64-bit value there. */
void model_memory_put(gpa_t address, uint64_t value);

#endif
