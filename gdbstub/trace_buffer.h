/*
 * What tracepoints have collected: a list of frames, each a list of blocks, in the format of gdb's
 * trace files ("Debugging with GDB", "Trace File Format"), which qTBuffer gives out as it is.
 */
#ifndef GDBSTUB_TRACE_BUFFER_H
#define GDBSTUB_TRACE_BUFFER_H

#include "hv/types.h"

struct trace_buffer {
    uint8_t *bytes;
    size_t size;
    bool circular;    /* the oldest frames make room */
    size_t used;      /* by whole frames */
    size_t end;       /* of the frame being made, which begins at used */
    unsigned frames;  /* there are */
    uint64_t created; /* there were */
};

/* A frame; `number` counts from the oldest that there is. */
struct trace_frame {
    unsigned number, point;
    const uint8_t *blocks;
    size_t size;
};

/* A block: 'R' registers, 'M' memory from address on, 'V' the value of trace state variable
 * `variable`. */
struct trace_block {
    char kind;
    gva_t address;
    uint32_t variable;
    const uint8_t *data;
    size_t size;
};

/* Empties it. */
void trace_buffer_clear(struct trace_buffer *buffer);

/*
 * A frame is made by begin, any number of add_..., and end; what is not ended is not there. NULL
 * and false: no room. The bytes of a block are written to where the functions say. Registers are
 * one block, those of a `g` reply; memory at most TRACE_MEMORY bytes in one.
 */
enum { TRACE_MEMORY = 0xffff, TRACE_REGISTERS = 164 };
bool trace_frame_begin(struct trace_buffer *buffer, unsigned point);
uint8_t *trace_add_registers(struct trace_buffer *buffer);
uint8_t *trace_add_memory(struct trace_buffer *buffer, gva_t address, size_t size);
bool trace_add_variable(struct trace_buffer *buffer, uint32_t number, uint64_t value);
void trace_frame_end(struct trace_buffer *buffer);

/* Frame `number`; false when there is none. */
bool trace_frame_get(const struct trace_buffer *buffer, unsigned number, struct trace_frame *frame);
/* The block at *at (0: the first), and *at moves on; false behind the last. */
bool trace_block_next(const struct trace_frame *frame, size_t *at, struct trace_block *block);

#endif
