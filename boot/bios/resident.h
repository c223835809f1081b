/*
 * The piece that stays in base memory for a guest that the BIOS boots: where it goes, and what its
 * header (resident.asm) is told. All pure.
 */
#ifndef BOOT_BIOS_RESIDENT_H
#define BOOT_BIOS_RESIDENT_H

#include "boot/memory_map.h"
#include "hv/status.h"
#include "hv/types.h"

/* Offsets in the piece. The first four are 16-bit offsets that the code tells us. */
enum resident_offset {
    RESIDENT_INT15 = 0,  /* the new handler of INT 15h */
    RESIDENT_LOAD = 2,   /* the loader's first instruction */
    RESIDENT_DONE = 4,   /* the INT3 at its end */
    RESIDENT_RANGES = 6, /* the ranges; the code ends here */
    RESIDENT_OLD_VECTOR = 8,
    RESIDENT_DRIVE = 12,
    RESIDENT_TRIES = 13,
    RESIDENT_TEXT_MODE = 14,
    RESIDENT_COUNT = 16,
    RESIDENT_BELOW_16M = 18,
    RESIDENT_ABOVE_16M = 20,
    RESIDENT_EXTENDED = 22,
    RESIDENT_HEADER = 24,
};

enum { RESIDENT_RANGE_SIZE = 20, RESIDENT_MAX = 4096 };

struct resident_facts {
    uint32_t old_vector; /* segment << 16 | offset of the BIOS's INT 15h */
    uint8_t drive;       /* BIOS drive to load from */
    uint8_t tries;       /* to read it; 0: its boot sector is there already */
    bool set_text_mode;  /* the screen is in a graphics mode */
};

/*
 * Takes the piece's place from a normalised map, which then has it as reserved: whole KiB, as high
 * as RAM goes below base_end (the end of base memory, which the firmware's own data may follow).
 * code_size: bytes of the code. Returns the place, 0 when there is none above 256 KiB or when the
 * map is full.
 */
hpa_t resident_place(struct memory_map *map, uint64_t base_end, size_t code_size);

/*
 * Writes the piece: the code, its header, the ranges of the map, in the order of their addresses.
 * HV_ENOSPC: more than size bytes; nothing is written then. *used: the bytes written.
 */
enum hv_status resident_write(const uint8_t *code, size_t code_size,
                              const struct resident_facts *facts, const struct memory_map *map,
                              uint8_t *piece, size_t size, size_t *used);

#endif
