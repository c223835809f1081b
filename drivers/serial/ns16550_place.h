/* How a register of the 8250 family is reached. */
#ifndef DRIVERS_SERIAL_NS16550_PLACE_H
#define DRIVERS_SERIAL_NS16550_PLACE_H

#include "arch/x86/insn.h"
#include "arch/x86/ns16550_regs.h"
#include "hv/types.h"

enum ns16550_space { NS16550_PORT, NS16550_MEMORY };

/* Where the registers are: register n at base + n * stride. */
struct ns16550_place {
    enum ns16550_space space;
    uint64_t base;  /* an I/O port, or the address the registers are mapped at */
    uint8_t stride; /* bytes from one register to the next: 1, 2, 4 or 8 */
    uint8_t width;  /* bytes of one access: 1 or 4, at most stride; ports: 1 */
};

/* Reads the low byte of a register. */
static inline uint8_t ns16550_read(const struct ns16550_place *at, enum ns16550_reg reg)
{
    uint64_t address = at->base + (uint64_t)reg * at->stride;

    if (at->space == NS16550_PORT)
        return inb((uint16_t)address);
    return at->width == 4 ? (uint8_t)mmio_read32(address) : mmio_read8(address);
}

static inline void ns16550_write(const struct ns16550_place *at, enum ns16550_reg reg,
                                 uint8_t value)
{
    uint64_t address = at->base + (uint64_t)reg * at->stride;

    if (at->space == NS16550_PORT)
        outb((uint16_t)address, value);
    else if (at->width == 4)
        mmio_write32(address, value);
    else
        mmio_write8(address, value);
}

#endif
