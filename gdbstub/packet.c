/*
 * The line: bytes to packets and replies to bytes.
 *
 * "Debugging with GDB", appendix "GDB Remote Serial Protocol", "Overview" and "Packet
 * Acknowledgment". Every packet is acknowledged; there is no mode without, because on a serial
 * line bytes do get lost.
 */
#include "gdbstub/internal.h"
#include "lib/hex.h"
#include "lib/string.h"

/*
 * A reply is repeated this often at most: gdb itself gives up sooner, so more '-' than this are
 * noise, and each would cost up to 4 KiB of line.
 */
enum { MAX_RESENDS = 16 };

enum { BREAK_IN = 0x03 };

/* A repeat count n is sent as n + 29, which must be printable: 3 to 97 repeats. */
enum { RUN_BASE = 29, RUN_MIN = 3, RUN_MAX = 97 };

/* Shortens a run until its count's character has no meaning to the framing. */
static size_t run_length(size_t repeats)
{
    size_t count = repeats < RUN_MAX ? repeats : RUN_MAX;

    while (count >= RUN_MIN && strchr("#$+-", (int)(count + RUN_BASE)) != NULL)
        count--;
    return count;
}

/* Run-length encodes out[] behind sent_len; never longer than out[]. */
static void encode(struct gdbstub *stub)
{
    const char *out = stub->out;
    char *sent = stub->sent;
    size_t end = stub->out_len;

    for (size_t i = 0; i < end;) {
        size_t repeats = 0;
        char c = out[i++];

        sent[stub->sent_len++] = c;
        if (c == '}' && i < end) {
            /* An escaped byte never begins a run: not every client expands runs first. */
            sent[stub->sent_len++] = out[i++];
            continue;
        }
        while (i + repeats < end && out[i + repeats] == c)
            repeats++;
        repeats = run_length(repeats);
        if (repeats >= RUN_MIN) {
            sent[stub->sent_len++] = '*';
            sent[stub->sent_len++] = (char)(repeats + RUN_BASE);
            i += repeats;
        }
    }
}

void gdbstub_send(struct gdbstub *stub)
{
    uint8_t sum = 0;

    stub->sent[0] = '$';
    stub->sent_len = 1;
    encode(stub);
    for (size_t i = 1; i < stub->sent_len; i++)
        sum = (uint8_t)(sum + (uint8_t)stub->sent[i]);
    stub->sent[stub->sent_len++] = '#';
    stub->sent_len += hex_encode(stub->sent + stub->sent_len, &sum, 1);

    stub->out_len = 0;
    stub->acks_due++;
    stub->resends = 0;
    stub->stats.packets_out++;
    stub->put(stub->sent, stub->sent_len);
}

void gdbstub_forget_sent(struct gdbstub *stub)
{
    stub->sent_len = 0;
    stub->acks_due = 0;
}

/*
 * gdb got a packet of ours broken: the last one, or text for its console in front of it. That is
 * not kept; the last packet comes twice then, and gdb drops the second as an old one.
 */
static void resend(struct gdbstub *stub)
{
    if (!stub->acks_due || stub->resends == MAX_RESENDS) {
        stub->stats.junk++;
        return;
    }
    stub->resends++;
    stub->stats.retransmissions++;
    stub->put(stub->sent, stub->sent_len);
}

/* '$' begins a packet wherever it comes: a packet has none inside, it would be escaped. */
static void begin_packet(struct gdbstub *stub)
{
    /* gdb asks something new, so it has the old reply or has given up on it. */
    gdbstub_forget_sent(stub);
    stub->frame = GDBSTUB_DATA;
    stub->in_len = 0;
    stub->sum = 0;
    stub->overflow = false;
    stub->kept = false;
}

static void end_packet(struct gdbstub *stub, bool good)
{
    stub->frame = GDBSTUB_IDLE;
    if (!good) {
        stub->stats.bad_checksums++;
        stub->put("-", 1);
        return;
    }
    stub->stats.packets_in++;
    if (stub->overflow)
        stub->stats.oversized++;
    stub->put("+", 1);
    if (stub->running)
        gdbstub_packet_while_running(stub);
    else
        gdbstub_packet(stub);
}

static void idle_byte(struct gdbstub *stub, uint8_t byte)
{
    if (byte == '+') {
        if (stub->acks_due > 0) {
            stub->stats.acknowledged++;
            stub->acks_due--;
        }
    } else if (byte == '-') {
        resend(stub);
    } else {
        stub->stats.junk++;
    }
}

static void data_byte(struct gdbstub *stub, uint8_t byte)
{
    if (byte == '#') {
        stub->frame = GDBSTUB_SUM_HIGH;
        return;
    }
    stub->sum = (uint8_t)(stub->sum + byte);
    if (stub->in_len < GDBSTUB_PACKET_SIZE)
        stub->in[stub->in_len++] = (char)byte;
    else
        stub->overflow = true;
}

static void sum_byte(struct gdbstub *stub, uint8_t byte)
{
    int digit = hex_value((char)byte);

    if (byte == '+') {
        /*
         * The sender died amid its packet, and a new gdb begins with '+', as it does. It gets no
         * '-': it would take that for its own first packet, send it twice, and be answered twice.
         */
        stub->frame = GDBSTUB_IDLE;
        stub->stats.bad_checksums++;
    } else if (digit < 0) {
        end_packet(stub, false);
    } else if (stub->frame == GDBSTUB_SUM_HIGH) {
        stub->sum_given = (uint8_t)(digit << 4);
        stub->frame = GDBSTUB_SUM_LOW;
    } else {
        end_packet(stub, (stub->sum_given | digit) == stub->sum);
    }
}

void gdbstub_receive(struct gdbstub *stub, uint8_t byte)
{
    if (stub->target == NULL)
        return;
    if (byte == '$') {
        begin_packet(stub);
        return;
    }
    if (byte == BREAK_IN && stub->running && stub->attached) {
        /* Also amid a packet: a '$' of noise must not swallow the user's Ctrl-C. */
        if (stub->frame != GDBSTUB_IDLE)
            stub->stats.junk += 1 + stub->in_len;
        stub->frame = GDBSTUB_IDLE;
        stub->target->interrupt();
        return;
    }
    switch (stub->frame) {
    case GDBSTUB_IDLE:
        idle_byte(stub, byte);
        break;
    case GDBSTUB_DATA:
        data_byte(stub, byte);
        break;
    case GDBSTUB_SUM_HIGH:
    case GDBSTUB_SUM_LOW:
        sum_byte(stub, byte);
        break;
    }
}
