/*
 * Which registers gdb is told of, by number: one row for each or for several of a kind. The numbers
 * are the same in every layout; a 32-bit one leaves out what it has not.
 */
#ifndef DEBUG_REGISTER_LAYOUT_H
#define DEBUG_REGISTER_LAYOUT_H

#include "debug/registers.h"

enum register_kind {
    GPR,
    RIP,
    FLAGS,
    SELECTOR,
    ST,
    X87,
    XMM,
    MXCSR,
    SYSTEM,
    DR,
    TABLE_LIMIT,
    SEGMENT_LIMIT,
    SEGMENT_ATTRIBUTES,
    RAW_IP,
    YMM_HIGH
};

/* One or more registers of one kind; `where`: an index, or a byte offset in struct hv_regs. */
struct register_row {
    const char *name; /* %u stands for the number of the register in the row */
    const char *type; /* gdb's, NULL: an integer */
    uint8_t size;     /* bytes */
    uint8_t count;
    uint8_t kind;
    uint8_t group; /* register group to fetch first (enum hv_reg_group) */
    uint16_t where;
};

/* The row of a register, and its index in the row. NULL: the layout in use has no such register. */
const struct register_row *register_find(unsigned number, unsigned *index);

/* Bytes of each register of the row in the layout in use. */
size_t register_row_size(const struct register_row *row);

#endif
