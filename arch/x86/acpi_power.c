#include "arch/x86/acpi_power.h"

#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
    TABLE_HEADER = 36,
    FADT_LONGEST = 512, /* 276 in revision 6 */
};

/* AML, "AML Encoding of Names, Data". */
enum { ZERO_OP = 0x00, ONE_OP = 0x01, BYTE_PREFIX = 0x0a, PACKAGE_OP = 0x12 };

/* A small number at *at, which moves behind it. */
static bool take_number(const uint8_t *aml, size_t size, size_t *at, uint8_t *value)
{
    if (*at < size && (aml[*at] == ZERO_OP || aml[*at] == ONE_OP)) {
        *value = aml[(*at)++];
        return true;
    }
    if (*at + 1 >= size || aml[*at] != BYTE_PREFIX)
        return false;
    *value = aml[*at + 1];
    *at += 2;
    return true;
}

/* aml: begins with the name. PkgLength has one to four bytes, by the two upper bits of the first.
 */
static bool read_package(const uint8_t *aml, size_t size, struct acpi_power *power)
{
    enum { NAME_SIZE = 4 };
    size_t at = NAME_SIZE + 1;

    if (size < NAME_SIZE + 3 || memcmp(aml, "_S5_", NAME_SIZE) != 0 || aml[NAME_SIZE] != PACKAGE_OP)
        return false;
    at += 1 + (aml[at] >> 6); /* the length, */
    at++;                     /* and the number of elements */
    return take_number(aml, size, &at, &power->type_a) &&
           take_number(aml, size, &at, &power->type_b) && power->type_a < 8 && power->type_b < 8;
}

static enum hv_status find_package(const struct acpi_table *dsdt, x86_phys_read_fn read,
                                   struct acpi_power *power)
{
    enum { CHUNK = 256, LONGEST = 16 }; /* LONGEST: a package's bytes that matter */
    uint8_t bytes[CHUNK + LONGEST];

    for (uint32_t at = TABLE_HEADER; at < dsdt->length; at += CHUNK) {
        size_t size = HV_MIN(dsdt->length - at, (uint32_t)sizeof(bytes));

        if (!read(dsdt->address + at, bytes, size))
            return HV_EFAULT;
        for (size_t i = 0; i < size && i < CHUNK; i++) {
            if (read_package(bytes + i, size - i, power))
                return HV_OK;
        }
    }
    return HV_ENOENT;
}

enum hv_status acpi_power_find(const struct acpi_root *root, x86_phys_read_fn read,
                               struct acpi_power *power)
{
    uint8_t bytes[FADT_LONGEST], header[8];
    struct acpi_table table, dsdt;
    struct acpi_fadt fadt;
    enum hv_status status = acpi_find_table(root, "FACP", read, &table);

    *power = (struct acpi_power){0};
    if (status != HV_OK)
        return status;
    if (table.length > sizeof(bytes))
        return HV_EINVAL;
    if (!read(table.address, bytes, table.length))
        return HV_EFAULT;
    status = acpi_fadt_parse(bytes, table.length, &fadt);
    if (status != HV_OK)
        return status;
    power->pm1a = fadt.pm1_control[0];
    power->pm1b = fadt.pm1_control[1];
    power->smi_command = fadt.smi_command;
    power->enable = fadt.acpi_enable;
    dsdt.address = fadt.dsdt;
    if (!power->pm1a || !dsdt.address)
        return HV_ENOENT;
    if (!read(dsdt.address, header, sizeof(header)))
        return HV_EFAULT;
    dsdt.length = get32(header + 4);
    if (memcmp(header, "DSDT", 4) != 0 || dsdt.length > ACPI_TABLE_MAX)
        return HV_EINVAL;
    return find_package(&dsdt, read, power);
}
