/* ELF files. The two classes differ in where the fields lie; a table of offsets tells. */
#include "boot/elf.h"

#include "lib/bytes.h"
#include "lib/string.h"

enum { EI_CLASS = 4, EI_DATA = 5, E_TYPE = 16, E_MACHINE = 18, E_ENTRY = 24 };
enum { CLASS_32 = 1, CLASS_64 = 2, DATA_LITTLE = 1 };
enum { ET_EXEC = 2, ET_DYN = 3, EM_386 = 3, EM_X86_64 = 62, PT_LOAD = 1 };
enum { SH_TYPE = 4, SHT_NULL = 0, SHT_NOBITS = 8 };

struct layout {
    bool wide; /* addresses, offsets and sizes have 64 bits */
    uint8_t header_size, phoff, phentsize, phnum;
    uint8_t entry_size, offset, vaddr, paddr, filesz, memsz;
    uint8_t shoff, shentsize, shnum, shstrndx;
    uint8_t section_size, sh_addr, sh_offset, sh_size;
};

static const struct layout layout32 = {false, 52, 28, 42, 44, 32, 4,  8,  12, 16,
                                       20,    32, 46, 48, 50, 40, 12, 16, 20};
static const struct layout layout64 = {true, 64, 32, 54, 56, 56, 8,  16, 24, 32,
                                       40,   40, 58, 60, 62, 64, 16, 24, 32};

bool elf_is(const uint8_t *bytes, uint64_t size)
{
    return size >= 52 && memcmp(bytes, "\177ELF", 4) == 0;
}

unsigned elf_bits(const uint8_t *bytes)
{
    if (bytes[EI_CLASS] == CLASS_32)
        return 32;
    return bytes[EI_CLASS] == CLASS_64 ? 64 : 0;
}

static uint64_t word(const struct layout *l, const uint8_t *p)
{
    return l->wide ? get64(p) : get32(p);
}

static bool check_header(const uint8_t *bytes, uint64_t size, struct refusal *refusal)
{
    unsigned machine, type;

    if (!elf_is(bytes, size))
        return refuse(refusal, "not an ELF file");
    if (elf_bits(bytes) == 0 || bytes[EI_DATA] != DATA_LITTLE)
        return refuse(refusal, "the ELF file is not little-endian of 32 or 64 bits");
    machine = get16(bytes + E_MACHINE);
    type = get16(bytes + E_TYPE);
    if (machine != EM_386 && machine != EM_X86_64)
        return refuse(refusal, "the ELF file is for machine %u, not for x86", machine);
    if (type != ET_EXEC && type != ET_DYN)
        return refuse(refusal, "the ELF file is of type %u, not an executable", type);
    if (elf_bits(bytes) == 64 && size < layout64.header_size)
        return refuse(refusal, "the ELF file is truncated: its header does not fit");
    return true;
}

static bool add_segment(const struct layout *l, const uint8_t *ph, uint64_t size, struct elf *elf,
                        struct refusal *refusal)
{
    struct elf_segment s = {.offset = word(l, ph + l->offset),
                            .file_size = word(l, ph + l->filesz),
                            .virtual_address = word(l, ph + l->vaddr),
                            .address = word(l, ph + l->paddr),
                            .size = word(l, ph + l->memsz)};

    if (get32(ph) != PT_LOAD || s.size == 0)
        return true;
    if (s.file_size > s.size || s.address + s.size < s.address)
        return refuse(refusal, "ELF segment at 0x%llx: sizes make no sense",
                      (unsigned long long)s.address);
    if (s.offset > size || s.file_size > size - s.offset)
        return refuse(refusal,
                      "the ELF file is truncated: the segment at 0x%llx needs bytes up to 0x%llx, "
                      "the file has 0x%llx",
                      (unsigned long long)s.address, (unsigned long long)(s.offset + s.file_size),
                      (unsigned long long)size);
    if (elf->count == ELF_SEGMENTS_MAX)
        return refuse(refusal, "the ELF file has more than %u segments to load", ELF_SEGMENTS_MAX);
    elf->segments[elf->count++] = s;
    return true;
}

/*
 * The entry is an address in some segment. By the virtual addresses when one fits, as GRUB does:
 * kernels linked to run elsewhere give their entry so; else it is physical.
 */
static uint64_t physical_entry(uint64_t entry, const struct elf *elf)
{
    for (unsigned i = 0; i < elf->count; i++) {
        const struct elf_segment *s = &elf->segments[i];

        if (entry - s->virtual_address < s->size)
            return entry - s->virtual_address + s->address;
    }
    return entry;
}

bool elf_read(const uint8_t *bytes, uint64_t size, struct elf *elf, struct refusal *refusal)
{
    const struct layout *l;
    uint64_t table;
    unsigned count, step;

    elf->count = 0;
    if (!check_header(bytes, size, refusal))
        return false;
    elf->bits = elf_bits(bytes);
    l = elf->bits == 64 ? &layout64 : &layout32;
    table = word(l, bytes + l->phoff);
    step = get16(bytes + l->phentsize);
    count = get16(bytes + l->phnum);
    if (count > 0 && step < l->entry_size)
        return refuse(refusal, "the ELF file's program headers have %u bytes each, too few", step);
    if (table > size || (uint64_t)count * step > size - table)
        return refuse(refusal, "the ELF file is truncated: its program headers lie behind its end");
    for (unsigned i = 0; i < count; i++)
        if (!add_segment(l, bytes + table + (uint64_t)i * step, size, elf, refusal))
            return false;
    if (elf->count == 0)
        return refuse(refusal, "the ELF file has no segment to load");
    elf->entry = physical_entry(word(l, bytes + E_ENTRY), elf);
    return true;
}

bool elf_read_sections(const uint8_t *bytes, uint64_t size, struct elf_sections *sections)
{
    const struct layout *l = elf_bits(bytes) == 64 ? &layout64 : &layout32;
    uint64_t table = word(l, bytes + l->shoff);
    uint32_t count = get16(bytes + l->shnum), length = count * l->section_size;

    sections->count = 0;
    if (count == 0 || get16(bytes + l->shentsize) != l->section_size ||
        length > ELF_SECTIONS_SIZE || table > size || length > size - table)
        return false;
    memcpy(sections->table, bytes + table, length);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *section = sections->table + (size_t)i * l->section_size;
        uint64_t offset = word(l, section + l->sh_offset), bytes_of = word(l, section + l->sh_size);
        uint32_t type = get32(section + SH_TYPE);

        if (type != SHT_NULL && type != SHT_NOBITS && (offset > size || bytes_of > size - offset))
            return false;
    }
    sections->count = count;
    sections->entry_size = l->section_size;
    sections->names = get16(bytes + l->shstrndx);
    return true;
}

void elf_place_sections(struct elf_sections *sections, uint64_t copy)
{
    const struct layout *l = sections->entry_size == layout64.section_size ? &layout64 : &layout32;

    for (uint32_t i = 0; i < sections->count; i++) {
        uint8_t *section = sections->table + (size_t)i * l->section_size;
        uint32_t type = get32(section + SH_TYPE);

        if (type == SHT_NULL || type == SHT_NOBITS || word(l, section + l->sh_addr) != 0 ||
            word(l, section + l->sh_size) == 0)
            continue;
        if (l->wide)
            put64(section + l->sh_addr, copy + word(l, section + l->sh_offset));
        else
            put32(section + l->sh_addr, (uint32_t)(copy + word(l, section + l->sh_offset)));
    }
}
