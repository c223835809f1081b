/*
 * Any setup header on any machine: a plan, if there is one, lies in RAM, never in our reservation,
 * and its parts never on one another.
 *
 * Input: MACHINE_BYTES for the machine, then the image. A first byte of the image with bit 0 set
 * puts a good header below the rest, so that fields are tried one by one.
 */
#include "boot/image.h"
#include "boot/linux.h"
#include "tests/fuzz/machine.h"
#include "tests/unit/fake_images.h"

enum { CODE = 256 };

static void check_plan(const struct machine *m, const struct linux_plan *p)
{
    struct memory_range r[] = {{p->kernel, p->kernel + p->kernel_room, 0},
                               {p->low, p->low + p->low_size, 0},
                               {p->initrd, p->initrd + p->initrd_size, 0}};
    uint8_t *low = malloc(p->low_size);

    for (unsigned i = 0; i < 3; i++) {
        machine_check_place(m, r[i].start, r[i].end - r[i].start);
        for (unsigned j = 0; j < i; j++)
            require(!ranges_overlap(r[i].start, r[i].end, r[j].start, r[j].end));
    }
    require(p->kernel_room >= p->kernel_size && p->low_size <= LINUX_LOW_MAX);
    require(p->low + p->low_size <= 0xa0000);
    require(p->entry.rip == p->kernel && p->entry.rsi == p->params);
    machine_check_moves(m, &p->moves);
    linux_write_low(&m->request, p, low);
    require(get32(low + 0x218) == p->initrd && low[0x1e8] == p->e820.count);
    require(strcmp((char *)low + (p->cmdline - p->low), m->modules[0].cmdline) == 0);
    free(low);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    static struct linux_plan plan;
    size_t header = FAKE_SETUP + CODE;
    struct refusal refusal;
    struct image kind;
    uint8_t *image;

    if (size < MACHINE_BYTES + 2)
        return 0;
    size -= MACHINE_BYTES;
    if (data[MACHINE_BYTES] & 1) {
        image = malloc(header);
        fake_bzimage(image, header);
        size = size > 0x90 ? 0x90 : size;
        for (size_t i = 1; i < size; i++) /* zero bytes leave the good header as it is */
            image[LINUX_HEADER_START + i - 1] ^= data[MACHINE_BYTES + i];
        size = header;
    } else {
        image = malloc(size);
        memcpy(image, data + MACHINE_BYTES, size);
    }
    machine_init(&m, data, size);
    m.request.image = image;
    image_recognise(image, size, &kind, &refusal);
    if (linux_plan(&m.request, &plan, &refusal)) {
        require(kind.kind == IMAGE_LINUX && refusal.text[0] == '\0');
        check_plan(&m, &plan);
    } else {
        require(refusal.text[0] != '\0');
    }
    free(image);
    return 0;
}
