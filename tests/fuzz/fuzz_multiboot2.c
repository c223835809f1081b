/*
 * Any image with a multiboot2 header on any machine: a plan, if there is one, lies in RAM, never in
 * our reservation, and its parts never on one another; the information is a walk of tags that ends.
 *
 * Input: MACHINE_BYTES for the machine; a byte that chooses the form (bit 0: ELF, bit 1: 64 bits,
 * bit 2: the header is made good); the image, whose header is at its beginning. In ELF form 24
 * bytes give two segments, and the header follows.
 */
#include "boot/multiboot2.h"
#include "tests/fuzz/multiboot.h"

enum { HEADER_AT = 256, SEGMENT_BYTES = 24 };

static void check_plan(const struct machine *m, const struct multiboot_plan *p)
{
    uint8_t *info = malloc(p->info_size);
    unsigned modules = 0;
    uint32_t at = 8;

    check_multiboot_plan(m, p);
    multiboot2_write_info(&m->request, p, info);
    require(p->entry.gdt_base == p->info + get32(info));
    while (get32(info + at) != 0) {
        require(get32(info + at + 4) >= 8);
        modules += get32(info + at) == 3;
        at += HV_ALIGN_UP(get32(info + at + 4), 8);
        require(at + 8 <= get32(info));
    }
    require(at + 8 == get32(info) && modules == p->module_count);
    require(strcmp((char *)info + 16, m->modules[0].cmdline) == 0);
    free(info);
}

/* Magic, architecture and checksum; the length is the file's unless it could not be. */
static void mend(uint8_t *header, uint64_t size)
{
    put32(header, 0xe85250d6);
    put32(header + 4, 0);
    if (get32(header + 8) > size)
        put32(header + 8, get32(header + 8) % (size + 1));
    put32(header + 12, -(0xe85250d6 + get32(header + 8)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    static struct multiboot_plan plan;
    const uint8_t *bytes = data + MACHINE_BYTES + 1;
    struct refusal refusal;
    struct image kind;
    uint8_t *image, form;

    if (size < MACHINE_BYTES + 1 + 48)
        return 0;
    form = data[MACHINE_BYTES];
    size -= MACHINE_BYTES + 1;
    if (form & FORM_ELF) {
        image = calloc(1, ELF_BYTES);
        make_elf(image, form & FORM_64 ? 64 : 32, bytes);
        size = HV_MIN(size - SEGMENT_BYTES, (size_t)ELF_BYTES - HEADER_AT);
        memcpy(image + HEADER_AT, bytes + SEGMENT_BYTES, size);
        mend(image + HEADER_AT, size);
        size = ELF_BYTES;
    } else {
        image = malloc(size);
        memcpy(image, bytes, size);
        if (form & FORM_HEADER)
            mend(image, size);
    }
    machine_init(&m, data, size);
    m.request.image = image;
    image_recognise(image, size, &kind, &refusal);
    if (multiboot2_plan(&m.request, &plan, &refusal)) {
        require(kind.kind == IMAGE_MULTIBOOT2 || kind.kind == IMAGE_LINUX);
        check_plan(&m, &plan);
    } else {
        require(refusal.text[0] != '\0');
    }
    free(image);
    return 0;
}
