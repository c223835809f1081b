/* Which kind of guest image a module is. */
#include "boot/image.h"

#include "boot/elf.h"
#include "boot/linux.h"
#include "boot/multiboot.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { SECTOR = 512, SIGNATURE = 510 };

static bool is_multiboot(unsigned version, const uint8_t *bytes, uint64_t size, struct image *image)
{
    if (!multiboot_find(version, true, bytes, size, &image->header_offset))
        return false;
    image->kind = version == 1 ? IMAGE_MULTIBOOT1 : IMAGE_MULTIBOOT2;
    if (image->elf_bits != 0)
        fmt_print(image->name, sizeof(image->name), "multiboot%u kernel, ELF%u", version,
                  image->elf_bits);
    else
        fmt_print(image->name, sizeof(image->name), "multiboot%u kernel", version);
    return true;
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

    for (unsigned version = 1; version <= 2; version++)
        if (multiboot_find(version, false, bytes, size, &at))
            return refuse(refusal,
                          "a multiboot%u header at 0x%x has a wrong checksum or is cut off",
                          version, at);
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
    if (is_multiboot(2, bytes, size, image) || is_multiboot(1, bytes, size, image))
        return true;
    if (size == SECTOR && get16(bytes + SIGNATURE) == 0xaa55) {
        image->kind = IMAGE_BOOT_SECTOR;
        fmt_print(image->name, sizeof(image->name), "boot sector");
        return true;
    }
    return refuse_unknown(bytes, size, image, refusal);
}
