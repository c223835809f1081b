#include "arch/x86/acpi.h"
#include "hv/compiler.h"
#include "lib/bytes.h"
#include "lib/string.h"

/* ACPI specification, "Fixed ACPI Description Table (FADT)", "Generic Address Structure (GAS)". */
enum {
    DSDT = 40,
    SMI_COMMAND = 48,
    ACPI_ENABLE = 52,
    PM1A_CONTROL = 64,
    PM1B_CONTROL = 68,
    FLAGS = 112,
    RESET_REGISTER = 116,
    RESET_VALUE = 128,
    X_DSDT = 140,
    X_PM1A_CONTROL = 172,
    X_PM1B_CONTROL = 184,

    GAS_ADDRESS = 4,
    GAS_SIZE = 12,
    SPACE_MEMORY = 0,
    SPACE_IO = 1,
    SPACE_PCI = 2, /* bits 32-47: the device, 16-31: its function, 0-15: the offset; bus 0 */
};
#define RESET_SUPPORTED HV_BIT(10)

/* 0: not a port. */
static uint16_t gas_port(const uint8_t *fadt, size_t size, size_t at)
{
    if (at + GAS_SIZE > size || fadt[at] != SPACE_IO)
        return 0;
    uint64_t address = get64(fadt + at + GAS_ADDRESS);
    return address <= UINT16_MAX ? (uint16_t)address : 0;
}

/* As port 0xcf8 has it, which reaches the first 256 bytes; 0: it does not. */
static uint32_t pci_address(uint64_t address)
{
    enum { DEVICE = 32, FUNCTION = 16, TO_DEVICE = 11, TO_FUNCTION = 8 };
    uint64_t device = address >> DEVICE, function = address >> FUNCTION & 0xffff;
    uint64_t offset = address & 0xffff;

    if (device > 31 || function > 7 || offset > 255)
        return 0;
    return (uint32_t)(HV_BIT(31) | device << TO_DEVICE | function << TO_FUNCTION | offset);
}

static void read_reset(const uint8_t *fadt, size_t size, struct acpi_fadt *out)
{
    if (size <= RESET_VALUE || !(get32(fadt + FLAGS) & RESET_SUPPORTED))
        return;
    uint64_t address = get64(fadt + RESET_REGISTER + GAS_ADDRESS);

    out->reset_value = fadt[RESET_VALUE];
    switch (fadt[RESET_REGISTER]) {
    case SPACE_MEMORY:
        out->reset_memory = address;
        break;
    case SPACE_IO:
        out->reset_port = gas_port(fadt, size, RESET_REGISTER);
        break;
    case SPACE_PCI:
        out->reset_pci = pci_address(address);
        break;
    default:
        break;
    }
}

static uint16_t control_port(const uint8_t *fadt, size_t size, size_t extended, size_t legacy)
{
    uint16_t port = gas_port(fadt, size, extended);

    return port ? port : (uint16_t)get32(fadt + legacy);
}

enum hv_status acpi_fadt_parse(const uint8_t *fadt, size_t size, struct acpi_fadt *out)
{
    enum { HEADER_LENGTH = 4 };

    *out = (struct acpi_fadt){0};
    if (size < RESET_REGISTER || memcmp(fadt, "FACP", 4) != 0)
        return HV_EINVAL;
    uint32_t length = get32(fadt + HEADER_LENGTH);
    if (length < RESET_REGISTER || length > size || sum_bytes(fadt, length) != 0)
        return HV_EINVAL;
    read_reset(fadt, length, out);
    out->pm1_control[0] = control_port(fadt, length, X_PM1A_CONTROL, PM1A_CONTROL);
    out->pm1_control[1] = control_port(fadt, length, X_PM1B_CONTROL, PM1B_CONTROL);
    out->smi_command = (uint16_t)get32(fadt + SMI_COMMAND);
    out->acpi_enable = fadt[ACPI_ENABLE];
    if (length >= X_DSDT + sizeof(out->dsdt))
        out->dsdt = get64(fadt + X_DSDT);
    if (!out->dsdt)
        out->dsdt = get32(fadt + DSDT);
    return HV_OK;
}
