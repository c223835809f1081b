/* Which kind of guest image a module is. */
#include "boot/image.h"

#include "boot/bytes.h"
#include "boot/elf.h"
#include "boot/linux.h"
#include "boot/multiboot1.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { SECTOR = 512, SIGNATURE = 510 };

/* Multiboot2 specification, "The layout of Multiboot2 header". */
enum { MB2_SEARCH = 32768, MB2_ALIGN = 8, MB2_FIXED = 16 };
#define MB2_MAGIC 0xe85250d6u

static bool find_multiboot2(const uint8_t *bytes, uint64_t size, uint32_t *offset)
{
    uint64_t end = HV_MIN(size, MB2_SEARCH);

    for (uint32_t at = 0; at + MB2_FIXED <= end; at += MB2_ALIGN) {
        const uint8_t *h = bytes + at;

        if (get32(h) == MB2_MAGIC && get32(h) + get32(h + 4) + get32(h + 8) + get32(h + 12) == 0) {
            *offset = at;
            return true;
        }
    }
    return false;
}

static void name_multiboot(struct image *image, unsigned version)
{
    if (image->elf_bits != 0)
        fmt_print(image->name, sizeof(image->name), "multiboot%u kernel, ELF%u", version,
                  image->elf_bits);
    else
        fmt_print(image->name, sizeof(image->name), "multiboot%u kernel", version);
}

/* Beginnings of files that people give by mistake. */
static const struct {
    uint8_t size;
    char magic[8];
    const char *what;
} mistakes[] = {
    {2, "\x1f\x8b", "a gzip file: unpack it first"},
    {6,
     "\xfd"
     "7zXZ",
     "an xz file: unpack it first"},
    {4, "\x28\xb5\x2f\xfd", "a zstd file: unpack it first"},
    {6, "070701", "a cpio archive: an initrd goes behind its kernel, as the next module"},
    {2, "MZ", "an EFI or DOS program, not a kernel"},
    {2, "#!", "a script"},
};

static bool refuse_unknown(const uint8_t *bytes, uint64_t size, const struct image *image,
                           struct refusal *refusal)
{
    uint32_t at;

    if (multiboot1_find_broken(bytes, size, &at))
        return refuse(refusal, "a multiboot1 header at 0x%x has a wrong checksum or is cut off",
                      at);
    if (image->elf_bits != 0)
        return refuse(refusal,
                      "an ELF%u file without a multiboot header (a Linux kernel is started from "
                      "its bzImage, the file named vmlinuz)",
                      image->elf_bits);
    for (size_t i = 0; i < HV_ARRAY_SIZE(mistakes); i++)
        if (size >= mistakes[i].size && memcmp(bytes, mistakes[i].magic, mistakes[i].size) == 0)
            return refuse(refusal, "it is %s", mistakes[i].what);
    if (size > SECTOR && get16(bytes + SIGNATURE) == 0xaa55)
        return refuse(refusal,
                      "%llu bytes that begin with a boot sector: a disk image, not a kernel",
                      (unsigned long long)size);
    return refuse(refusal,
                  "not recognised: no Linux header, no multiboot header, not an ELF file, no boot "
                  "sector");
}

bool image_recognise(const uint8_t *bytes, uint64_t size, struct image *image,
                     struct refusal *refusal)
{
    memset(image, 0, sizeof(*image));
    refusal->text[0] = '\0';
    if (size == 0)
        return refuse(refusal, "the image is empty");
    if (linux_is(bytes, size)) {
        image->kind = IMAGE_LINUX;
        image->version = linux_version(bytes);
        fmt_print(image->name, sizeof(image->name), "Linux bzImage, boot protocol %u.%02u",
                  image->version >> 8, image->version & 0xff);
        return true;
    }
    if (elf_is(bytes, size))
        image->elf_bits = elf_bits(bytes);
    if (multiboot1_find(bytes, size, &image->header_offset)) {
        image->kind = IMAGE_MULTIBOOT1;
        name_multiboot(image, 1);
        return true;
    }
    if (find_multiboot2(bytes, size, &image->header_offset)) {
        image->kind = IMAGE_MULTIBOOT2;
        name_multiboot(image, 2);
        return refuse(
            refusal, "a multiboot2 kernel: this version starts multiboot1, Linux and boot sectors");
    }
    if (size == SECTOR && get16(bytes + SIGNATURE) == 0xaa55) {
        image->kind = IMAGE_BOOT_SECTOR;
        fmt_print(image->name, sizeof(image->name), "boot sector");
        return true;
    }
    return refuse_unknown(bytes, size, image, refusal);
}
