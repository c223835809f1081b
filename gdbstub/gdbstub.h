/*
 * A stub for the GDB remote serial protocol.
 *
 * Passive: bytes of the line go in by gdbstub_receive(), bytes for the line come out through the
 * put callback, the target's stops are told by gdbstub_stopped(). It never waits, allocates, or
 * knows what the line or the target is.
 *
 * The protocol: "Debugging with GDB", appendix "GDB Remote Serial Protocol".
 */
#ifndef GDBSTUB_GDBSTUB_H
#define GDBSTUB_GDBSTUB_H

#include "gdbstub/target.h"
#include "gdbstub/trace_buffer.h"

/*
 * What goes in one packet between '$' and '#', and what qSupported's PacketSize says (hex 4000).
 * Larger ones save nothing that can be measured (docs/protocol.md).
 */
enum { GDBSTUB_PACKET_SIZE = 16384 };

/* Queues size bytes for the line; takes them all. */
typedef void (*gdbstub_put_fn)(const char *bytes, size_t size);

struct gdbstub_stats {
    uint64_t packets_in, packets_out;
    uint64_t acknowledged;    /* of ours, by gdb's '+' */
    uint64_t bad_checksums;   /* packets of gdb's that arrived broken: answered '-' */
    uint64_t retransmissions; /* '-' of gdb's: the last reply sent once more */
    uint64_t oversized;       /* packets longer than GDBSTUB_PACKET_SIZE, answered by an error */
    uint64_t junk;            /* bytes outside of packets that mean nothing */
};

enum gdbstub_frame_state { GDBSTUB_IDLE, GDBSTUB_DATA, GDBSTUB_SUM_HIGH, GDBSTUB_SUM_LOW };

struct gdbstub {
    const struct gdb_target *target;
    gdbstub_put_fn put;
    struct gdbstub_stats stats;

    /* The line: see packet.c. */
    enum gdbstub_frame_state frame;
    bool overflow; /* the packet being received is longer than in[] */
    uint8_t sum, sum_given;
    size_t in_len;
    size_t out_len;    /* of the reply being made, before encoding */
    size_t sent_len;   /* of the framed reply kept for retransmission, 0: none */
    unsigned acks_due; /* of ours that gdb has not acknowledged, the one in sent[] the last */
    unsigned resends;  /* of the reply in sent[] */
    bool kept;         /* in[] holds a whole packet that came while the target ran */

    /* The session: see gdbstub.c. */
    bool attached;
    bool running;
    bool stop_due;         /* gdb resumed the target and waits for the stop reply */
    bool swbreak, hwbreak; /* gdb knows these stop reasons */
    unsigned thread_g;     /* chosen by Hg and by each stop, for registers and memory */
    unsigned thread_c;     /* chosen by Hc, for c and s; 0: all */
    struct gdb_stop stop;  /* the last one, for '?' */

    /* vFile: see file_packets.c. */
    bool file_open;
    gva_t file_start;
    uint64_t file_length;

    /* Tracepoints: see trace_packets.c. */
    bool frame_chosen; /* registers and memory are those of the frame, */
    struct trace_frame chosen;
    unsigned uploaded;         /* tracepoints or variables, by qTfP or qTfV */
    unsigned uploaded_sources; /* of what the user said of the last one */

    char in[GDBSTUB_PACKET_SIZE + 1];
    char out[GDBSTUB_PACKET_SIZE + 1];
    char sent[GDBSTUB_PACKET_SIZE + 8];
};

/* Begins with the target stopped as `stop` says. target must live as long as the stub. */
void gdbstub_init(struct gdbstub *stub, const struct gdb_target *target, gdbstub_put_fn put,
                  const struct gdb_stop *stop);

/*
 * A byte from the line. While the target runs under a gdb, 0x03 calls target->interrupt. So does,
 * with a gdb or without, a whole packet with a good checksum (a gdb that comes anew): it is
 * acknowledged, kept, and answered once the target has stopped. Noise alone stops nothing.
 *
 * A stub that was never initialised (all zero) ignores every call.
 */
void gdbstub_receive(struct gdbstub *stub, uint8_t byte);

/* The target has stopped. Sends the stop reply when gdb waits for one. */
void gdbstub_stopped(struct gdbstub *stub, const struct gdb_stop *stop);

/*
 * Text for gdb's console, in O packets, while the target runs; dropped when no gdb waits for it
 * (none attached, or the target is stopped: gdb takes O packets only where it awaits a stop).
 */
void gdbstub_console(struct gdbstub *stub, const char *text, size_t size);

static inline bool gdbstub_is_running(const struct gdbstub *stub)
{
    return stub->running;
}

#endif
