/* Any option line: options that are usable, errors that are readable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/options.h"
#include "drivers/serial/ns16550.h"
#include "hv/compiler.h"

static void require(bool good)
{
    if (!good)
        abort();
}

static void check_errors(const struct boot_option_errors *errors)
{
    for (unsigned i = 0; i < HV_MIN(errors->total, (unsigned)BOOT_OPTION_ERRORS_MAX); i++) {
        size_t length = strnlen(errors->text[i], BOOT_OPTION_ERROR_SIZE);

        require(length > 0 && length < BOOT_OPTION_ERROR_SIZE - 1); /* never cut */
        require(strstr(errors->text[i], "; use ") != NULL);
        for (size_t c = 0; c < length; c++)
            require(errors->text[i][c] >= ' ' && errors->text[i][c] <= '~');
    }
}

static void check_options(const struct boot_options *o, bool have_module)
{
    require(ns16550_divisor(o->gdb.baud, o->gdb.clock) != 0);
    if (o->gdb.kind == BOOT_GDB_PORT)
        require(o->gdb.address != 0 && o->gdb.address <= 0xfff8 && o->gdb.stride == 1);
    if (o->gdb.kind == BOOT_GDB_MMIO)
        require(o->gdb.address != 0 && o->gdb.address % o->gdb.stride == 0);
    if (o->guest.kind == BOOT_GUEST_EFI)
        require(o->guest.path[0] == '\\' &&
                strnlen(o->guest.path, BOOT_PATH_SIZE) < BOOT_PATH_SIZE);
    if (o->guest.kind == BOOT_GUEST_MODULE)
        require(have_module);
    if (o->console.kind == BOOT_CONSOLE_COM) {
        require(o->console.port == boot_com_port(o->console.com));
        require(o->gdb.kind != BOOT_GDB_PORT || o->gdb.address != o->console.port);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boot_options options;
    struct boot_option_errors errors;
    bool have_module = size != 0 && (data[0] & 1);
    char *line = malloc(size + 1);

    memcpy(line, data, size);
    line[size] = '\0';
    require(boot_options_parse(line, have_module, &options, &errors) == (errors.total == 0));
    free(line);
    check_errors(&errors);
    check_options(&options, have_module);
    return 0;
}
