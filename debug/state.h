/* What the parts of debug/ share of the session: the guest's CPU threads and what is asked of them.
 */
#ifndef DEBUG_STATE_H
#define DEBUG_STATE_H

#include "debug/session.h"
#include "gdbstub/gdbstub.h"

struct debug_state {
    const struct debug_config *config;
    struct gdbstub stub;
    bool attached;        /* gdb is there */
    bool resume_asked;    /* the stub has let the guest go */
    bool interrupt_asked; /* Ctrl-C, BREAK, or a gdb that comes anew */
    bool reset_asked;     /* `monitor reset` was answered */
    enum gdb_action action[HV_MAX_CPUS];
    bool stopped[HV_MAX_CPUS];     /* the user was told of a stop, */
    gva_t stopped_at[HV_MAX_CPUS]; /* here */
};

extern struct debug_state debug;

/* gdb's thread number of a CPU and back (NULL: no such thread). */
unsigned debug_thread(const struct vcpu *v);
struct vcpu *debug_vcpu(unsigned thread);

/* The table for the stub. */
extern const struct gdb_target debug_target;

/* Traps are on exactly while what is set needs them. */
void debug_update_traps(void);

/* Breakpoints, watchpoints, traps: nothing of the user's stays in the guest. */
void debug_remove_all(void);

/* `monitor TEXT`. */
enum hv_status debug_monitor(const char *text, gdb_print_fn print);

#endif
