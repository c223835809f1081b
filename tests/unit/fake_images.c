/* A machine with memory, and makers of small guest images. */
#include "tests/unit/fake_images.h"

#include <stdlib.h>
#include <string.h>

#include "hv/compiler.h"
#include "lib/bytes.h"

static uint8_t memory[FAKE_MEMORY];

void fake_machine_init(struct fake_machine *m)
{
    memset(m, 0, sizeof(*m));
    memset(memory, 0, sizeof(memory));
    m->memory = memory;
    memory_map_add(&m->map, 0, 0x9fc00, MEMORY_RAM);
    memory_map_add(&m->map, 0x9fc00, 0x100000, MEMORY_RESERVED);
    memory_map_add(&m->map, 0x100000, FAKE_MEMORY, MEMORY_RAM);
    memory_map_add(&m->map, FAKE_SELF, FAKE_MEMORY, MEMORY_RESERVED);
    memory_map_normalise(&m->map);
    m->screen = (struct boot_framebuffer){
        .kind = BOOT_SCREEN_TEXT, .address = 0xb8000, .width = 80, .height = 25, .pitch = 160};
    memcpy(m->rsdp, "RSD PTR ", 8);
    m->request = (struct guest_request){.image = memory + FAKE_IMAGE_AT,
                                        .modules = m->modules,
                                        .map = &m->map,
                                        .self = {FAKE_SELF, FAKE_MEMORY, MEMORY_RESERVED},
                                        .screen = &m->screen,
                                        .rsdp = m->rsdp,
                                        .rsdp_size = sizeof(m->rsdp)};
}

void fake_module(struct fake_machine *m, uint64_t at, const uint8_t *bytes, size_t size,
                 const char *cmdline)
{
    struct boot_module *module = &m->modules[m->request.module_count++];

    if (at > FAKE_MEMORY || size > FAKE_MEMORY - at)
        abort();
    memcpy(m->memory + at, bytes, size);
    module->start = at;
    module->size = size;
    strncpy(module->cmdline, cmdline, sizeof(module->cmdline) - 1);
    if (m->request.module_count == 1)
        m->request.image = m->memory + at;
}

void fake_image(struct fake_machine *m, const uint8_t *bytes, size_t size, const char *cmdline)
{
    if (m->request.module_count == 0)
        fake_module(m, FAKE_IMAGE_AT, bytes, size, cmdline);
    else
        memcpy(m->memory + m->modules[0].start, bytes, size);
}

static void check_inside(uint64_t start, uint64_t size)
{
    if (start > FAKE_MEMORY || size > FAKE_MEMORY - start)
        abort();
}

void fake_execute(struct fake_machine *m, const struct placement *moves)
{
    for (unsigned i = 0; i < moves->count; i++) {
        const struct placement_move *move = &moves->moves[i];

        check_inside(move->from, move->size);
        check_inside(move->to, move->size + move->zero_tail);
        memmove(m->memory + move->to, m->memory + move->from, move->size);
        memset(m->memory + move->to + move->size, 0, move->zero_tail);
    }
}

void fake_pattern(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed * 101 + 1);
}

void fake_bzimage(uint8_t *bytes, size_t size)
{
    memset(bytes, 0, FAKE_SETUP);
    fake_pattern(bytes + FAKE_SETUP, size - FAKE_SETUP, 99);
    memset(bytes + 0x1e8, 0xff, 9); /* must not be copied: sentinel and more */
    bytes[0x1f1] = FAKE_SETUP / 512 - 1;
    put32(bytes + 0x1f4, (uint32_t)((size - FAKE_SETUP + 15) / 16));
    put16(bytes + 0x1fe, 0xaa55);
    bytes[0x200] = 0xeb;
    bytes[0x201] = 0x26c - 0x202;
    memcpy(bytes + 0x202, "HdrS", 4);
    put16(bytes + 0x206, 0x020f);
    bytes[0x211] = 0x01; /* LOADED_HIGH */
    put32(bytes + 0x214, 0x100000);
    put32(bytes + 0x22c, 0x7fffffff);
    put32(bytes + 0x230, 0x200000);
    bytes[0x234] = 1;
    bytes[0x235] = 21;
    put32(bytes + 0x238, 2047);
    put64(bytes + 0x250, 0x1234); /* setup_data: the loader's, not the file's */
    put64(bytes + 0x258, 0x1000000);
    put32(bytes + 0x260, 0x400000);
    put32(bytes + 0x268, 0xabcd1234); /* the header's last field */
    put32(bytes + 0x26c, 0xeeeeeeee); /* code behind the header */
}

void fake_multiboot1(uint8_t *bytes, uint32_t flags, const uint32_t addresses[5])
{
    put32(bytes, 0x1badb002);
    put32(bytes + 4, flags);
    put32(bytes + 8, -(0x1badb002 + flags));
    if (flags & 1 << 16)
        for (unsigned i = 0; i < 5; i++)
            put32(bytes + 12 + 4 * i, addresses[i]);
}

void fake_multiboot2(uint8_t *bytes, const struct fake_tag *tags, unsigned count)
{
    uint32_t length = 16;

    for (unsigned i = 0; i < count; i++) {
        uint8_t *tag = bytes + length;

        put16(tag, tags[i].type);
        put16(tag + 2, tags[i].flags);
        put32(tag + 4, tags[i].size);
        for (unsigned j = 0; j < HV_ARRAY_SIZE(tags[i].words) && 8 + 4 * j < tags[i].size; j++)
            put32(tag + 8 + 4 * j, tags[i].words[j]);
        length += HV_ALIGN_UP(HV_MIN(HV_MAX(tags[i].size, 8U), 40U), 8);
    }
    put32(bytes, 0xe85250d6);
    put32(bytes + 4, 0);
    put32(bytes + 8, length);
    put32(bytes + 12, -(0xe85250d6 + length));
}

static void put_segment(uint8_t *p, unsigned bits, const struct fake_segment *s)
{
    if (bits == 64) {
        const uint64_t fields[] = {s->offset, s->vaddr, s->paddr, s->filesz, s->memsz};

        put32(p, s->type);
        for (unsigned i = 0; i < HV_ARRAY_SIZE(fields); i++)
            put64(p + 8 + 8 * i, fields[i]);
    } else {
        const uint64_t fields[] = {s->type, s->offset, s->vaddr, s->paddr, s->filesz, s->memsz};

        for (unsigned i = 0; i < HV_ARRAY_SIZE(fields); i++)
            put32(p + 4 * i, (uint32_t)fields[i]);
    }
}

void fake_elf(uint8_t *bytes, unsigned bits, uint64_t entry, const struct fake_segment *segments,
              unsigned count)
{
    bool wide = bits == 64;
    unsigned header = wide ? 64 : 52, step = wide ? 56 : 32;

    memset(bytes, 0, header + count * step);
    memcpy(bytes, "\177ELF", 4);
    bytes[4] = wide ? 2 : 1;
    bytes[5] = 1;
    put16(bytes + 16, 2);
    put16(bytes + 18, wide ? 62 : 3);
    if (wide) {
        put64(bytes + 24, entry);
        put64(bytes + 32, header);
    } else {
        put32(bytes + 24, (uint32_t)entry);
        put32(bytes + 28, header);
    }
    put16(bytes + (wide ? 54 : 42), (uint16_t)step);
    put16(bytes + (wide ? 56 : 44), (uint16_t)count);
    for (unsigned i = 0; i < count; i++)
        put_segment(bytes + header + i * step, bits, &segments[i]);
}
