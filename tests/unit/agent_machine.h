/* What agent expressions of the tests see: 16 registers and a few bytes of memory. */
#ifndef TESTS_UNIT_AGENT_MACHINE_H
#define TESTS_UNIT_AGENT_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/types.h"

enum { THREAD = 3, MEMORY_AT = 0x1000 };

static uint8_t memory[64];

static bool read_register(unsigned thread, unsigned number, uint64_t *value)
{
    assert_int_equal(thread, THREAD);
    *value = 0x1111111111111111ULL * number;
    return number < 16;
}

static size_t read_memory(unsigned thread, gva_t address, void *buf, size_t size)
{
    size_t done = 0;

    assert_int_equal(thread, THREAD);
    while (done < size && address + done - MEMORY_AT < sizeof(memory)) {
        ((uint8_t *)buf)[done] = memory[address + done - MEMORY_AT];
        done++;
    }
    return done;
}

#endif
