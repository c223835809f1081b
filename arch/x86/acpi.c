#include "arch/x86/acpi.h"

#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* Offsets and sizes in the tables: ACPI specification, the tables "RSDP Structure",
   "DESCRIPTION_HEADER Fields". */
enum {
    RSDP_SIZE_1 = 20, /* revision 0: also what the first checksum covers */
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_LENGTH = 20,
    RSDP_XSDT = 24,
    RSDP_SIZE_2 = 36,

    HEADER_LENGTH = 4,
    HEADER_SIZE = 36,
};

static bool rsdp_good(const uint8_t *rsdp, size_t size)
{
    return size >= RSDP_SIZE_1 && memcmp(rsdp, "RSD PTR ", 8) == 0 &&
           sum_bytes(rsdp, RSDP_SIZE_1) == 0;
}

enum hv_status acpi_rsdp_find(const uint8_t *area, size_t size, size_t *offset)
{
    for (size_t at = 0; at < size; at += 16) {
        if (rsdp_good(area + at, size - at)) {
            *offset = at;
            return HV_OK;
        }
    }
    return HV_ENOENT;
}

enum hv_status acpi_rsdp_parse(const uint8_t *rsdp, size_t size, struct acpi_root *root)
{
    *root = (struct acpi_root){0};
    if (!rsdp_good(rsdp, size))
        return HV_EINVAL;
    root->rsdt = get32(rsdp + RSDP_RSDT);
    if (rsdp[RSDP_REVISION] >= 2) {
        uint32_t length;

        if (size < RSDP_SIZE_2)
            return HV_EINVAL;
        length = get32(rsdp + RSDP_LENGTH);
        if (length < RSDP_SIZE_2 || length > size || sum_bytes(rsdp, length) != 0)
            return HV_EINVAL;
        root->xsdt = get64(rsdp + RSDP_XSDT);
    }
    return root->rsdt || root->xsdt ? HV_OK : HV_EINVAL;
}

/* Reads a table's header; its length is sane on HV_OK. */
static enum hv_status read_header(hpa_t address, x86_phys_read_fn read, uint8_t *header,
                                  struct acpi_table *table)
{
    uint32_t length;

    if (!read(address, header, HEADER_SIZE))
        return HV_EFAULT;
    length = get32(header + HEADER_LENGTH);
    if (length < HEADER_SIZE || length > ACPI_TABLE_MAX || address + length < address)
        return HV_EINVAL;
    *table = (struct acpi_table){.address = address, .length = length};
    return HV_OK;
}

static enum hv_status check_sum(const struct acpi_table *table, x86_phys_read_fn read)
{
    uint8_t chunk[64], sum = 0;

    for (uint32_t at = 0; at < table->length; at += sizeof(chunk)) {
        size_t size = HV_MIN(table->length - at, sizeof(chunk));

        if (!read(table->address + at, chunk, size))
            return HV_EFAULT;
        sum = (uint8_t)(sum + sum_bytes(chunk, size));
    }
    return sum == 0 ? HV_OK : HV_EINVAL;
}

static enum hv_status check_table(hpa_t address, const char *signature, x86_phys_read_fn read,
                                  struct acpi_table *table)
{
    uint8_t header[HEADER_SIZE];
    enum hv_status status = read_header(address, read, header, table);

    /* A stranger is a stranger, whatever its length says. */
    if (status != HV_EFAULT && memcmp(header, signature, 4) != 0)
        return HV_ENOENT;
    return status == HV_OK ? check_sum(table, read) : status;
}

/* entry_size: 4 in an RSDT, 8 in an XSDT. An entry that cannot be read does not hide the others. */
static enum hv_status search(const struct acpi_table *list, size_t entry_size,
                             const char *signature, x86_phys_read_fn read, struct acpi_table *table)
{
    enum hv_status worst = HV_ENOENT;

    for (uint32_t at = HEADER_SIZE; list->length - at >= entry_size; at += entry_size) {
        uint8_t entry[8] = {0};
        enum hv_status status;

        if (!read(list->address + at, entry, entry_size))
            return HV_EFAULT;
        if (get64(entry) == 0)
            continue;
        status = check_table(get64(entry), signature, read, table);
        if (status == HV_OK || status == HV_EINVAL)
            return status;
        if (status == HV_EFAULT)
            worst = status;
    }
    return worst;
}

/* The XSDT, or the RSDT when there is no XSDT or it is bad. *entry_size: 8 or 4. */
static enum hv_status find_list(const struct acpi_root *root, x86_phys_read_fn read,
                                struct acpi_table *list, size_t *entry_size)
{
    enum hv_status status = HV_ENOENT;

    *entry_size = 8;
    if (root->xsdt)
        status = check_table(root->xsdt, "XSDT", read, list);
    if (status != HV_OK && root->rsdt) {
        *entry_size = 4;
        status = check_table(root->rsdt, "RSDT", read, list);
    }
    return status == HV_ENOENT ? HV_EINVAL : status; /* another table where a list should be */
}

enum hv_status acpi_find_table(const struct acpi_root *root, const char *signature,
                               x86_phys_read_fn read, struct acpi_table *table)
{
    struct acpi_table list = {0};
    size_t entry_size;
    enum hv_status status = find_list(root, read, &list, &entry_size);

    return status == HV_OK ? search(&list, entry_size, signature, read, table) : status;
}

enum hv_status acpi_list_table(const struct acpi_root *root, unsigned number, x86_phys_read_fn read,
                               char name[5], struct acpi_table *table)
{
    struct acpi_table list = {0};
    uint8_t header[HEADER_SIZE];
    size_t entry_size;
    enum hv_status status = find_list(root, read, &list, &entry_size);

    *table = (struct acpi_table){0};
    name[0] = name[4] = '\0';
    if (status != HV_OK)
        return status;
    for (uint32_t at = HEADER_SIZE; list.length - at >= entry_size; at += entry_size) {
        uint8_t entry[8] = {0};

        if (!read(list.address + at, entry, entry_size))
            return HV_EFAULT;
        if (get64(entry) == 0 || number-- > 0)
            continue;
        table->address = get64(entry);
        status = read_header(table->address, read, header, table);
        if (status != HV_EFAULT)
            memcpy(name, header, 4);
        return status;
    }
    return HV_ENOENT;
}
