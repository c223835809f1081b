/*
 * The hypervisor's own log: a ring in memory (for `monitor log`) and up to four sinks.
 * One line a call, without a newline at the end; sinks get the text and a final newline.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "hv/compiler.h"
#include "hv/types.h"

/* Puts size bytes out; must not log. */
typedef void (*log_sink_fn)(const char *text, size_t size);

/* Adds a sink and replays to it what is in the ring. False when all four places are taken. */
bool log_add_sink(log_sink_fn sink);
void log_remove_sink(log_sink_fn sink);

/* Lines are cut at 255 characters. */
void log_print(const char *format, ...) HV_PRINTF(1, 2);

/* Copies up to size bytes of the ring, from its offset-th oldest byte on; returns how many. */
size_t log_read(size_t offset, char *buf, size_t size);

#endif
