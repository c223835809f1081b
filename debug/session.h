/*
 * The session: runs the guest, judges its exits (not mine, resume, stop) and lets the stub talk
 * while it is stopped.
 */
#ifndef DEBUG_SESSION_H
#define DEBUG_SESSION_H

#include "arch/x86/acpi.h"
#include "core/vcpu.h"
#include "debug/death.h"
#include "hv/compiler.h"

enum { LINK_EMPTY = -1, LINK_BREAK = 256 };

/* The line to gdb. */
struct debug_link {
    bool (*interrupted)(void); /* first thing on an NMI: true when it was the line's own */
    void (*listen)(void);      /* last thing before the guest runs: interrupts on */
    void (*hush)(void);        /* the guest has stopped: interrupts off */
    void (*poll)(void);
    int (*get)(void);    /* a byte, LINK_BREAK or LINK_EMPTY; never waits */
    bool (*waits)(void); /* true when get() would have something */
    void (*put)(const char *bytes, size_t size);
    size_t (*describe)(char *text, size_t size); /* a line for `monitor version` */
    /* Line number n, from 0, of `monitor uart`; 0: there are no more. */
    size_t (*report)(unsigned n, char *text, size_t size);
    uint64_t (*errors)(void); /* characters that arrived broken, and breaks */
    uint32_t (*baud)(void);   /* the speed that is set */
    /* Another one, once all is sent; false: the UART cannot. probe: only tell that. */
    bool (*set_baud)(uint32_t baud, bool probe);
};

/* A piece of the memory map that the guest is shown; type: as INT 15h E820 has it. */
struct debug_range {
    uint64_t start, end;
    uint32_t type;
};

struct debug_config {
    const struct debug_link *link; /* NULL: gdb=none */
    bool stop_at_entry;
    /* Where that is, whichever is reached first; 0: here. Until then nobody is heard on the line.
     */
    gva_t entry[2];
    bool stop_ap; /* at the first instruction of each CPU that the guest starts */
    /* For `monitor`: the index-th range of that map, false behind the last; the ACPI tables; is our
       own code as it was loaded? */
    bool (*memory_map)(unsigned index, struct debug_range *range);
    struct acpi_root acpi;
    bool (*code_intact)(void);
    gpa_t boot_services;   /* of the pointer in UEFI's system table, 0: there is none */
    struct acpi_fadt fadt; /* how ACPI ends the machine */
    uint8_t *trace;        /* memory for what tracepoints collect; NULL: none can be collected */
    size_t trace_size;
    char about[160]; /* versions and sizes for `monitor version` */
};

/* Runs CPU v of the guest, for ever. */
HV_NORETURN void debug_session_cpu(struct vcpu *v);

/*
 * Begins the session, on CPU 0, when the others are in debug_session_cpu(); then the same. None of
 * them may hold (core/park.h).
 */
HV_NORETURN void debug_session_run(struct vcpu *v, const struct debug_config *config);

#endif
