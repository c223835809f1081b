/* Which I/O ports of the guest's world are not passed through, and what it finds there instead. */
#ifndef CORE_IO_POLICY_H
#define CORE_IO_POLICY_H

#include "core/policy.h"
#include "hv/status.h"

/*
 * Ports [first, first + count): writes go nowhere, each reads as its byte in reads, which stays the
 * caller's; NULL: they look absent, all ones. At most 8 calls.
 */
enum hv_status io_policy_hide(uint16_t first, uint16_t count, const uint8_t *reads);
bool io_policy_is_hidden(uint16_t port);

/*
 * A device of ours in their place: each access is a call of a byte, *value in for a write and out
 * for a read. True: something of it has to be looked at outside of core_run(). Counts as one of the
 * 8 calls above.
 */
typedef bool (*io_device_fn)(unsigned offset, bool in, uint8_t *value);
enum hv_status io_policy_device(uint16_t first, uint16_t count, io_device_fn access);

/*
 * What is written to a port, and goes there, is told besides; NULL: no more. True as above. From
 * hv_backend->remap() on. HV_ENOSPC: 4 ports have one.
 */
typedef bool (*io_tap_fn)(uint16_t port, uint8_t value);
enum hv_status io_policy_tap(uint16_t port, io_tap_fn tell);

/*
 * IN or OUT of 1, 2 or 4 bytes that exited. What is not hidden of an access that straddles the edge
 * is done byte by byte. *value: in for OUT, out for IN. True: as a device of ours says.
 */
bool io_policy_access(uint16_t port, unsigned size, bool in, uint32_t *value);

/* Is something of an access core's own, so that it exits whatever is watched? size: bytes. */
bool io_policy_wants(uint16_t port, unsigned size);

/* Ports first to last. */
struct port_row {
    uint16_t first, last;
};

/*
 * Ports that exit besides under TRAP_WATCHED, from hv_backend->remap() on; io_policy_access() knows
 * nothing of them. Not copied.
 */
void io_policy_watch(const struct port_row *rows, unsigned count);

/*
 * The permission maps, in one form for both vendors: bit n % 8 of byte n / 8 for each port n that
 * exits. Page aligned; the third page, all zeros, is SVM's alone.
 */
enum { IO_MAP_SIZE = 3 * 4096 };
void io_policy_build(void);
const uint8_t *io_policy_map(enum policy_map map);

#endif
