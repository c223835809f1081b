/*
 * gdb's registers: numbers, sizes, the target description, and their values from a stopped CPU.
 *
 * 0-23 rax ... gs (the g packet), 24-39 x87, 40-56 SSE, then the system registers in a group of
 * their own (`info registers system`), last the upper halves of the AVX registers when the
 * processor has them. One constant layout, whatever mode the CPU is in, unless the user asks for
 * another (`monitor arch`).
 */
#ifndef DEBUG_REGISTERS_H
#define DEBUG_REGISTERS_H

#include "core/vcpu.h"
#include "hv/status.h"

enum { REGISTER_RBP = 6, REGISTER_RSP = 7, REGISTER_RIP = 16, REGISTERS_G = 24 };

/*
 * Layouts. The narrow ones are for code of 32 and 16 bits: eax ... edi and eip of 4 bytes, no
 * r8-r15 and no vector registers from 8 on. The numbers are the same in all.
 */
enum registers_arch { REGISTERS_X86_64, REGISTERS_I386, REGISTERS_I8086 };

/* The layout in use from now on: gdb's idea of it is the description that it has read last. */
void registers_use_arch(enum registers_arch wanted);

/* How many there are with a number below the first that is not in a G packet. */
unsigned registers_count(void);

/* Bytes, 0 when there is no such register. */
size_t registers_size(unsigned number);

/*
 * rip is linear: CS.base + RIP (`ip` is RIP itself). TF and RF of ours never show. False: it
 * cannot be had.
 */
bool registers_read(struct vcpu *v, unsigned number, uint8_t *value);

/* The same for those of up to 8 bytes that are not x87's or SSE's; v's processor may run others. */
bool registers_integer(struct vcpu *v, unsigned number, uint64_t *value);

/*
 * What the layout has only the lower half of keeps its upper half. HV_EINVAL: the processor would
 * not take that value; HV_ENOTSUP: it cannot be written.
 */
enum hv_status registers_write(struct vcpu *v, unsigned number, const uint8_t *value);

/* The target description of the layout in use. */
const char *registers_description(void);

/* On v itself, before others look at it: its x87, SSE and AVX registers are there for them. */
void registers_keep(const struct vcpu *v);

/* On v itself, before it runs: what was written to those goes to the processor. */
void registers_flush(const struct vcpu *v);

#endif
