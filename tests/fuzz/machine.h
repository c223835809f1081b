/* For the fuzzers of image loaders: a machine and modules out of the input's first bytes. */
#ifndef TESTS_FUZZ_MACHINE_H
#define TESTS_FUZZ_MACHINE_H

#include <stdlib.h>
#include <string.h>

#include "boot/guest_request.h"
#include "boot/placement.h"
#include "boot/refusal.h"
#include "lib/bytes.h"

enum { MACHINE_BYTES = 48 };

#define MACHINE_SELF 0x8000000ULL /* 128 MiB: 4 MiB reserved there */

struct machine {
    struct memory_map map;
    struct boot_framebuffer screen;
    struct boot_module modules[BOOT_MAX_MODULES];
    uint8_t rsdp[36];
    struct guest_request request;
};

static inline void require(bool good)
{
    if (!good)
        abort();
}

/* A 16-bit value as an address: pages over 256 MiB, some of them not aligned. */
static inline uint64_t machine_address(const uint8_t *p)
{
    return (uint64_t)get16(p) << 12 | (p[0] & 1 ? (uint64_t)p[1] * 16 : 0);
}

/*
 * Builds the machine from MACHINE_BYTES bytes: two reserved pieces in 256 MiB of RAM, up to three
 * modules behind the kernel, the screen, the RSDP. The image's bytes are set by the caller.
 */
static inline void machine_init(struct machine *m, const uint8_t *data, uint64_t image_size)
{
    memset(m, 0, sizeof(*m));
    memory_map_add(&m->map, 0, 0x9fc00, MEMORY_RAM);
    memory_map_add(&m->map, 0x9fc00, 0x100000, MEMORY_RESERVED);
    memory_map_add(&m->map, 0x100000, 256 << 20, MEMORY_RAM);
    for (unsigned i = 0; i < 2; i++, data += 4) {
        uint64_t start = machine_address(data);

        memory_map_add(&m->map, start, start + (uint64_t)get16(data + 2) * 256, 2 + i);
    }
    memory_map_add(&m->map, MACHINE_SELF, MACHINE_SELF + (4 << 20), MEMORY_RESERVED);
    require(memory_map_normalise(&m->map) == HV_OK);

    m->request.module_count = 1 + data[0] % 4;
    m->screen.kind = data[1] % 3;
    m->screen.width = get16(data + 2) * 7u;
    m->request.rsdp_size = data[1] & 4 ? sizeof(m->rsdp) : 0;
    m->request.rsdp_address = data[1] & 8 ? 0xf0000 : 0;
    data += 4;
    for (unsigned i = 0; i < m->request.module_count; i++, data += 8) {
        m->modules[i].start = data[6] & 0x80 ? get64(data) : machine_address(data);
        m->modules[i].size =
            i == 0 ? image_size : (uint64_t)get32(data + 2) % (data[7] * 65536 + 1);
        memset(m->modules[i].cmdline, 'a', data[6] & 0x40 ? 900 : data[6]);
    }
    m->request.modules = m->modules;
    m->request.map = &m->map;
    m->request.self = (struct memory_range){MACHINE_SELF, MACHINE_SELF + (4 << 20), 2};
    m->request.screen = &m->screen;
    m->request.rsdp = m->rsdp;
}

/* A place that a loader chose: RAM, below 4 GiB, not ours, not page 0. */
static inline void machine_check_place(const struct machine *m, uint64_t start, uint64_t size)
{
    if (size == 0)
        return;
    require(start >= LOAD_FLOOR && start + size > start && start + size <= LOAD_LIMIT);
    require(memory_is_ram(&m->map, start, start + size));
    require(!ranges_overlap(start, start + size, m->request.self.start, m->request.self.end));
}

static inline void machine_check_moves(const struct machine *m, const struct placement *moves)
{
    require(moves->count <= PLACEMENT_MOVES_MAX);
    for (unsigned i = 0; i < moves->count; i++)
        machine_check_place(m, moves->moves[i].to,
                            moves->moves[i].size + moves->moves[i].zero_tail);
}

#endif
