/*
 * ELF files, 32 and 64 bit, little-endian, for x86: just what a loader needs (System V ABI, "ELF
 * Header", "Program Header").
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include "boot/refusal.h"
#include "hv/types.h"

enum { ELF_SEGMENTS_MAX = 16 };

/* A PT_LOAD segment that takes memory. */
struct elf_segment {
    uint64_t offset; /* in the file */
    uint64_t file_size;
    uint64_t virtual_address;
    uint64_t address; /* physical: where it is loaded */
    uint64_t size;    /* in memory, >= file_size; the rest is zero */
};

struct elf {
    unsigned bits;  /* 32 or 64 */
    uint64_t entry; /* physical: translated when the file's is a segment's virtual address */
    unsigned count;
    struct elf_segment segments[ELF_SEGMENTS_MAX];
};

/* True when the bytes begin as an ELF file does. */
bool elf_is(const uint8_t *bytes, uint64_t size);

/* 32 or 64 by the file's class, 0 for others. Only for bytes where elf_is(). */
unsigned elf_bits(const uint8_t *bytes);

/*
 * Reads the header and the PT_LOAD segments. False with the reason for: not x86 or little-endian,
 * not executable, headers or a segment's bytes outside of the file, sizes that wrap around, more
 * than ELF_SEGMENTS_MAX segments, none at all. That the entry lies in a segment is not checked.
 */
bool elf_read(const uint8_t *bytes, uint64_t size, struct elf *elf, struct refusal *refusal);

/* The section headers of a file, as they stand there; as many as a kernel may have. */
enum { ELF_SECTIONS_SIZE = 4096 };

struct elf_sections {
    uint32_t count; /* 0: none */
    uint32_t entry_size;
    uint32_t names; /* the number of the section with their names */
    uint8_t table[ELF_SECTIONS_SIZE];
};

/*
 * Reads the section headers of a file that elf_read() has taken. False, and none, where there are
 * none or they have another size than their class's; where they lie outside of the file, they or
 * what the file has of a section; where there are more than fit.
 */
bool elf_read_sections(const uint8_t *bytes, uint64_t size, struct elf_sections *sections);

/* Gives the sections that are in no memory the addresses which they have in a copy of the file. */
void elf_place_sections(struct elf_sections *sections, uint64_t copy);

#endif
