/* For the fuzzers of multiboot kernels: the image, and what any plan must hold. */
#ifndef TESTS_FUZZ_MULTIBOOT_H
#define TESTS_FUZZ_MULTIBOOT_H

#include "boot/image.h"
#include "boot/multiboot.h"
#include "hv/compiler.h"
#include "tests/fuzz/machine.h"
#include "tests/unit/fake_images.h"

enum { FORM_ELF = 1, FORM_64 = 2, FORM_HEADER = 4, SEGMENTS = 2, ELF_BYTES = 4096 };

/* The plan's parts lie in RAM, never in our reservation, and never on one another. */
static inline void check_multiboot_plan(const struct machine *m, const struct multiboot_plan *p)
{
    struct memory_range r[ELF_SEGMENTS_MAX + BOOT_MAX_MODULES + 2];
    bool inside = false;
    unsigned n = 0;

    for (unsigned i = 0; i < p->count; i++) {
        const struct elf_segment *s = &p->segments[i];

        require(s->file_size <= s->size);
        require(s->offset + s->file_size <= m->modules[0].size);
        inside = inside || p->entry.rip - s->address < s->size;
        r[n++] = (struct memory_range){s->address, s->address + s->size, 0};
    }
    require(inside);
    r[n++] = (struct memory_range){p->info, p->info + p->info_size, 0};
    for (unsigned i = 0; i < p->module_count; i++)
        r[n++] = (struct memory_range){p->modules[i], p->modules[i] + m->modules[i + 1].size, 0};
    if (p->sections.count != 0)
        r[n++] = (struct memory_range){p->file, p->file + m->modules[0].size, 0};
    for (unsigned i = 0; i < n; i++) {
        machine_check_place(m, r[i].start, r[i].end - r[i].start);
        for (unsigned j = 0; j < i; j++)
            require(!ranges_overlap(r[i].start, r[i].end, r[j].start, r[j].end));
    }
    require(p->info_size <= MULTIBOOT_INFO_MAX && p->info + p->info_size <= 0xa0000);
    machine_check_moves(m, &p->moves);
}

/* An ELF file whose two segments and the place of its section headers come from 24 bytes. */
static inline void make_elf(uint8_t *image, unsigned bits, const uint8_t *data)
{
    struct fake_segment s[SEGMENTS];
    uint64_t entry = 0x100000 + data[0];

    for (unsigned i = 0; i < SEGMENTS; i++, data += 12) {
        s[i].type = 1;
        s[i].offset = get16(data) % (ELF_BYTES + 64);
        s[i].filesz = get16(data + 2) % (ELF_BYTES + 64);
        s[i].memsz = s[i].filesz + get16(data + 4) * 16u - (data[10] & 1);
        s[i].paddr = i == 0 && (data[10] & 2) ? 0x100000 : machine_address(data + 6);
        s[i].vaddr = data[10] & 4 ? get32(data + 6) : s[i].paddr;
    }
    fake_elf(image, bits, entry, s, SEGMENTS);
    image[bits == 64 ? 41 : 33] = data[-1]; /* of the table's offset */
    image[bits == 64 ? 58 : 46] = bits == 64 ? 64 : 40;
    image[bits == 64 ? 60 : 48] = data[-13];
}

#endif
