#include "tests/model/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/physmem.h"
#include "core/guest_memory.h"
#include "hv/compiler.h"

static uint8_t low[MODEL_MEMORY_SIZE] HV_ALIGNED(4096);
static uint8_t high[MODEL_HIGH_SIZE] HV_ALIGNED(4096);

static uint8_t *find(hpa_t address)
{
    if (address < sizeof(low))
        return low + address;
    if (address >= MODEL_HIGH_START && address - MODEL_HIGH_START < sizeof(high))
        return high + (address - MODEL_HIGH_START);
    return NULL;
}

/*
 * What is not memory comes out as its own address, which is good for the mmio functions of the
 * model and for nothing else: touching it is a crash, as it should be.
 */
void *physmem_map(hpa_t address)
{
    uint8_t *bytes = find(address);
    return bytes ? bytes : (uint8_t *)address;
}

uint8_t *model_memory(gpa_t address)
{
    uint8_t *bytes = find(address);

    if (!bytes) {
        fprintf(stderr, "model: no memory at %llx\n", (unsigned long long)address);
        abort();
    }
    return bytes;
}

void model_memory_put(gpa_t address, uint64_t value)
{
    memcpy(model_memory(address), &value, sizeof(value));
}

void model_memory_reset(void)
{
    static const struct guest_memory_config config = {
        .count = 2,
        .ranges = {{0, MODEL_MEMORY_SIZE, true},
                   {MODEL_HIGH_START, MODEL_HIGH_START + MODEL_HIGH_SIZE, true}},
        .phys_bits = 40,
    };

    memset(low, 0, sizeof(low));
    memset(high, 0, sizeof(high));
    guest_memory_init(&config);
}
