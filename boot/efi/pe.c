#include "boot/efi/pe.h"

#include "lib/bytes.h"

enum {
    DOS_NEW_HEADER = 0x3c, /* where the PE header is */
    COFF = 4,              /* from the PE header on: behind its signature */
    COFF_SIZE = 20,
    OPTIONAL = COFF + COFF_SIZE,
    OPTIONAL_ENTRY = OPTIONAL + 16,
    OPTIONAL_IMAGE_SIZE = OPTIONAL + 56,
    NEEDED = OPTIONAL + 60,
    MACHINE_X86_64 = 0x8664,
    PE32_PLUS = 0x20b,
};

uint32_t pe_entry(const uint8_t *image, size_t size)
{
    if (size < DOS_NEW_HEADER + 4 || get16(image) != 0x5a4d) /* MZ */
        return 0;

    uint32_t at = get32(image + DOS_NEW_HEADER);
    if (at > size || size - at < NEEDED || get32(image + at) != 0x4550 || /* PE, 0, 0 */
        get16(image + at + COFF) != MACHINE_X86_64 || get16(image + at + OPTIONAL) != PE32_PLUS)
        return 0;

    uint32_t entry = get32(image + at + OPTIONAL_ENTRY);
    return entry < get32(image + at + OPTIONAL_IMAGE_SIZE) ? entry : 0;
}
