/*
 * Any image with a multiboot1 header on any machine: a plan, if there is one, lies in RAM, never in
 * our reservation, and its parts never on one another.
 *
 * Input: MACHINE_BYTES for the machine; a byte that chooses the form (bit 0: ELF, bit 1: 64 bits,
 * bit 2: a good header is put in); the image. In ELF form 24 bytes give two segments.
 */
#include "boot/multiboot1.h"
#include "tests/fuzz/multiboot.h"

static void check_plan(const struct machine *m, const struct multiboot_plan *p)
{
    uint8_t *info = malloc(p->info_size);

    check_multiboot_plan(m, p);
    multiboot1_write_info(&m->request, p, info);
    require(get32(info + 20) == p->module_count);
    require(get32(info + 16) - p->info < p->info_size);
    require(strcmp((char *)info + (get32(info + 16) - p->info), m->modules[0].cmdline) == 0);
    free(info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    static struct multiboot_plan plan;
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
        require(kind.kind != IMAGE_UNKNOWN && kind.kind != IMAGE_BOOT_SECTOR);
        check_plan(&m, &plan);
    } else {
        require(refusal.text[0] != '\0');
    }
    free(image);
    return 0;
}
