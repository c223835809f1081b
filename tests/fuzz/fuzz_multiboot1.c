/*
 * Any image with a multiboot1 header on any machine: a plan, if there is one, lies in RAM, never in
 * our reservation, and its parts never on one another.
 *
 * Input: MACHINE_BYTES for the machine; a byte that chooses the form (bit 0: ELF, bit 1: 64 bits,
 * bit 2: a good header is put in); the image. In ELF form 24 bytes give two segments.
 */
#include "boot/image.h"
#include "boot/multiboot1.h"
#include "hv/compiler.h"
#include "tests/fuzz/machine.h"
#include "tests/unit/fake_images.h"

enum { FORM_ELF = 1, FORM_64 = 2, FORM_HEADER = 4, SEGMENTS = 2, ELF_BYTES = 4096 };

static void check_plan(const struct machine *m, const struct multiboot1_plan *p)
{
    struct memory_range r[ELF_SEGMENTS_MAX + BOOT_MAX_MODULES + 1];
    uint8_t *info = malloc(p->info_size);
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
    for (unsigned i = 0; i < n; i++) {
        machine_check_place(m, r[i].start, r[i].end - r[i].start);
        for (unsigned j = 0; j < i; j++)
            require(!ranges_overlap(r[i].start, r[i].end, r[j].start, r[j].end));
    }
    require(p->info_size <= MULTIBOOT1_INFO_MAX && p->info + p->info_size <= 0xa0000);
    machine_check_moves(m, &p->moves);
    multiboot1_write_info(&m->request, p, info);
    require(get32(info + 20) == p->module_count);
    require(strcmp((char *)info + p->layout.cmdline, m->modules[0].cmdline) == 0);
    free(info);
}

/* An ELF file whose two segments come from 24 bytes. */
static void make_elf(uint8_t *image, unsigned bits, const uint8_t *data)
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    static struct multiboot1_plan plan;
    struct refusal refusal;
    struct image kind;
    uint8_t *image, form;

    if (size < MACHINE_BYTES + 1 + 48)
        return 0;
    form = data[MACHINE_BYTES];
    size -= MACHINE_BYTES + 1;
    if (form & FORM_ELF) {
        image = calloc(1, ELF_BYTES);
        make_elf(image, form & FORM_64 ? 64 : 32, data + MACHINE_BYTES + 1);
        fake_multiboot1(image + 256, data[MACHINE_BYTES + 25] & 7, NULL);
        size = ELF_BYTES;
    } else {
        image = malloc(size);
        memcpy(image, data + MACHINE_BYTES + 1, size);
        if (form & FORM_HEADER) {
            put32(image, 0x1badb002);
            put32(image + 8, -(0x1badb002 + get32(image + 4)));
        }
    }
    machine_init(&m, data, size);
    m.request.image = image;
    image_recognise(image, size, &kind, &refusal);
    if (multiboot1_plan(&m.request, &plan, &refusal)) {
        require(kind.kind == IMAGE_MULTIBOOT1 || kind.kind == IMAGE_LINUX);
        check_plan(&m, &plan);
    } else {
        require(refusal.text[0] != '\0');
    }
    free(image);
    return 0;
}
