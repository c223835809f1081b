/*
 * One cable (console=guest): the guest has a virtual UART in place of the debug UART, and what it
 * sends goes over the line too. To a gdb that waits for a stop as text of its console; with no gdb
 * attached in the clear, and then what comes over the line and is no packet reaches the guest.
 * Meanwhile it is kept.
 */
#ifndef DEBUG_GUEST_CONSOLE_H
#define DEBUG_GUEST_CONSOLE_H

#include "hv/status.h"
#include "hv/types.h"

/* Puts the virtual UART at these 8 ports. Once, before the guest runs. */
enum hv_status guest_console_open(uint16_t port);

/* For who holds the line. A character that came while no gdb is attached; false: it is the stub's.
 */
bool guest_console_take(uint8_t byte);

/*
 * For who holds the line: sends what waits and may be sent now, and gives the stub what has come.
 * At most as much as can wait at one time.
 */
void guest_console_turn(void);

/* For who holds all CPUs, before a stop is told: sends all, and waits until gdb has it. */
void guest_console_drain(void);

/* The same with a text of ours for gdb's console behind it, in one packet. */
void guest_console_say(const char *text, size_t size);

/* Something waits that may be sent now. */
bool guest_console_due(void);

/* What the user types, for the guest. Returns how many characters there was room for. */
size_t guest_console_type(const char *text, size_t size);

/* Each line begins with the time since gdbvisor started. */
void guest_console_stamp(bool on);

/*
 * Told on the console too: each code written to port 80h, a line each; and what is written to the
 * debug ports E9h (Bochs, QEMU) and 402h (OVMF). Until gdb goes.
 */
void guest_console_tap_codes(bool on);
void guest_console_tap_debug(bool on);

struct guest_console_report {
    bool open, stamps, codes, debug;
    uint64_t sent, typed; /* by the guest, to the guest */
    uint64_t dropped;     /* of both: there was no room */
    unsigned waiting;     /* of the guest's, not yet sent */
};
struct guest_console_report guest_console_report(void);

#endif
