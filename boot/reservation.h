/*
 * The reservation: the memory gdbvisor keeps. From its start: the image (code, data, stacks, all
 * per-CPU data), then the pool of stage-2 tables, and at its end what tracepoints collect. 2 MiB
 * pages whole, so that stage 2 hides it without small tables.
 */
#ifndef BOOT_RESERVATION_H
#define BOOT_RESERVATION_H

#include "hv/types.h"

enum { RESERVATION_ALIGN = 2 << 20 };

/* Bytes to reserve for an image and for tracepoints of this many bytes on this processor. */
uint64_t reservation_size(uint64_t image_bytes, uint64_t trace_bytes);

#endif
