/*
 * The option line. Names, values and defaults are a promise to users: the table is in docs/boot.md.
 *
 * An option given twice: the last good one counts, so that a person can append at the boot
 * loader's prompt; an earlier bad one is still reported.
 */
#ifndef BOOT_OPTIONS_H
#define BOOT_OPTIONS_H

#include "hv/types.h"

enum boot_gdb_kind {
    BOOT_GDB_PORT, /* a 16550 at an I/O port: com1..com4 and io:PORT */
    BOOT_GDB_MMIO,
    BOOT_GDB_AUTO, /* the first UART found that is not the console's */
    BOOT_GDB_NONE,
};

struct boot_gdb {
    enum boot_gdb_kind kind;
    uint8_t com;      /* 1..4, or 0 when not given by that name */
    uint64_t address; /* PORT: the first of 8 ports; MMIO: physical address of the registers */
    uint8_t stride;   /* bytes from register to register: 1 for ports; 1, 2, 4 or 8 for MMIO */
    uint32_t baud;    /* as asked; the clock can be divided to it */
    uint32_t clock;   /* of the baud generator, Hz: 16 times the fastest baud rate */
    bool rtscts;      /* flow control */
};

enum boot_guest_kind { BOOT_GUEST_NEXT, BOOT_GUEST_DISK, BOOT_GUEST_MODULE, BOOT_GUEST_EFI };

enum { BOOT_PATH_SIZE = 256 };

struct boot_guest {
    enum boot_guest_kind kind;
    uint8_t disk;              /* DISK: N of BIOS drive 0x80 + N, 0..127 */
    char path[BOOT_PATH_SIZE]; /* EFI: begins with a backslash */
};

enum boot_stop { BOOT_STOP_ENTRY, BOOT_STOP_NONE, BOOT_STOP_AP };
enum boot_console_kind { BOOT_CONSOLE_VGA, BOOT_CONSOLE_COM, BOOT_CONSOLE_NONE };

struct boot_console {
    enum boot_console_kind kind;
    uint8_t com;   /* 1..4 */
    uint16_t port; /* the first of its 8 ports */
};

enum boot_ap { BOOT_AP_AUTO, BOOT_AP_ICR };

struct boot_options {
    struct boot_gdb gdb;
    struct boot_guest guest;
    enum boot_stop stop;
    struct boot_console console;
    bool guest_console; /* the guest's serial console is on the debug UART */
    enum boot_ap ap;
    uint32_t trace; /* bytes for what tracepoints collect */
    bool keep_going;
};

enum { BOOT_OPTION_ERRORS_MAX = 6, BOOT_OPTION_ERROR_SIZE = 224 };

struct boot_option_errors {
    unsigned total; /* all that were found; the first BOOT_OPTION_ERRORS_MAX have a text */
    char text[BOOT_OPTION_ERRORS_MAX][BOOT_OPTION_ERROR_SIZE];
};

/*
 * Reads the line. have_module chooses the default guest. What is bad leaves the option as it was
 * and adds an error that names the word, what is wrong and what would be right; *options is usable
 * in any case (for keep-going). gdb= and console= on one UART is an error and takes the console
 * away. Returns true when there was no error.
 */
bool boot_options_parse(const char *line, bool have_module, struct boot_options *options,
                        struct boot_option_errors *errors);

/* The first I/O port of COM 1..4. 0 for other numbers. */
uint16_t boot_com_port(unsigned com);

#endif
