/* What the files of the stub share. Nobody outside of gdbstub/ includes it. */
#ifndef GDBSTUB_INTERNAL_H
#define GDBSTUB_INTERNAL_H

#include "gdbstub/gdbstub.h"
#include "hv/compiler.h"

/* What follows the `E` of an error reply: two decimal digits, numbers as errno has them. */
enum gdb_error {
    GDB_ENOANNEX = 0, /* the number that the manual gives to an unknown annex of qXfer */
    GDB_ENOENT = 2,
    GDB_ESRCH = 3, /* no such thread */
    GDB_EINTR = 4, /* something came over the line meanwhile */
    GDB_EFAULT = 14,
    GDB_EBUSY = 16,
    GDB_EINVAL = 22, /* malformed, or a value that makes no sense */
    GDB_ENOSPC = 28,
    GDB_EMSGSIZE = 90, /* the packet is longer than PacketSize */
};

enum { GDB_REGISTER_MAX = 64 }; /* bytes, of the longest register: see target.h */

/* Special values of a thread id. */
enum { GDB_THREAD_ANY = 0, GDB_THREAD_ALL = -1 };

/* What is not parsed yet of the packet in in[]. */
struct gdb_args {
    char *p;
    char *end;
};

/* Answers a packet by what it leaves in out[]. False: nothing is to be sent. */
typedef bool (*gdb_packet_fn)(struct gdbstub *stub, struct gdb_args *args);

/* packet.c: frames what is in out[] and sends it; out[] is empty afterwards. */
void gdbstub_send(struct gdbstub *stub);
/* packet.c: forgets the last reply. */
void gdbstub_forget_sent(struct gdbstub *stub);

/* gdbstub.c: the packet in in[] is whole and good; the target is stopped, or runs. */
void gdbstub_packet(struct gdbstub *stub);
void gdbstub_packet_while_running(struct gdbstub *stub);

/* reply.c: these append to out[]; what does not fit is dropped. */
void reply_char(struct gdbstub *stub, char c);
void reply_text(struct gdbstub *stub, const char *text);
void reply_hex(struct gdbstub *stub, const void *bytes, size_t size);
void reply_number(struct gdbstub *stub, uint64_t value);
/* A byte of binary data, escaped where it must be; false when it does not fit. */
bool reply_binary(struct gdbstub *stub, char c);
/* Memory of the thread Hg chose, in binary: what is mapped and fits. Returns how many bytes. */
size_t reply_memory(struct gdbstub *stub, gva_t address, uint64_t length);
/* A register of the thread Hg chose, as `g` and `p` have it; x digits when it cannot be read. */
void reply_register(struct gdbstub *stub, unsigned number, size_t size);
/*
 * A part of a text that is made piece by piece, for qXfer: begun by args_window() and an `m` in
 * out[], which the end makes an `l` when the text ends in the part. E22 when it ends before.
 */
struct reply_window {
    uint64_t skip, left; /* characters */
    bool cut;
};
void reply_piece(struct gdbstub *stub, struct reply_window *window, const char *text);
bool reply_window_end(struct gdbstub *stub, const struct reply_window *window);
/* reply.c: these replace what is in out[], and return true as packet functions do. */
bool reply_ok(struct gdbstub *stub);
bool reply_error(struct gdbstub *stub, enum gdb_error error);
bool reply_empty(struct gdbstub *stub); /* "not supported" */
bool reply_status(struct gdbstub *stub, enum hv_status status);

/* args.c: each takes what it names and moves args->p behind it, or returns false. */
bool args_char(struct gdb_args *args, char c);
/* True when args begin with text. */
bool args_text(struct gdb_args *args, const char *text);
/* `ADDRESS,LENGTH`. */
bool args_range(struct gdb_args *args, gva_t *address, uint64_t *length);
bool args_number(struct gdb_args *args, uint64_t *value);
/* `OFFSET,LENGTH`, and nothing else. */
bool args_window(struct gdb_args *args, struct reply_window *window);
/* A thread id: GDB_THREAD_ALL, GDB_THREAD_ANY or a positive number of any thread. */
bool args_thread(struct gdb_args *args, int *thread);
bool args_at_end(const struct gdb_args *args);
static inline size_t args_left(const struct gdb_args *args)
{
    return (size_t)(args->end - args->p);
}

/* Bytes from address to the end of the address space, when they are fewer than length. */
static inline uint64_t clip_range(gva_t address, uint64_t length)
{
    uint64_t left = 0 - address;

    return address != 0 && left < length ? left : length;
}

/* True for a thread that exists. */
bool gdbstub_has_thread(const struct gdbstub *stub, int thread);

/* The packets, by the files that answer them. The comment gives the letters or names. */
bool packet_read_registers(struct gdbstub *stub, struct gdb_args *args);  /* g */
bool packet_write_registers(struct gdbstub *stub, struct gdb_args *args); /* G */
bool packet_read_register(struct gdbstub *stub, struct gdb_args *args);   /* p */
bool packet_write_register(struct gdbstub *stub, struct gdb_args *args);  /* P */

/* session_packets.c: the stop reply, for `?` and behind a resume. */
void reply_stop(struct gdbstub *stub);
bool packet_why(struct gdbstub *stub, struct gdb_args *args);           /* ? */
bool packet_select_thread(struct gdbstub *stub, struct gdb_args *args); /* H */
bool packet_thread_alive(struct gdbstub *stub, struct gdb_args *args);  /* T */
bool packet_detach(struct gdbstub *stub, struct gdb_args *args);        /* D */
bool packet_kill(struct gdbstub *stub, struct gdb_args *args);          /* k */
bool packet_vkill(struct gdbstub *stub, struct gdb_args *args);         /* vKill */
bool packet_restart(struct gdbstub *stub, struct gdb_args *args);       /* R */

bool packet_read_memory(struct gdbstub *stub, struct gdb_args *args);      /* m */
bool packet_write_memory_hex(struct gdbstub *stub, struct gdb_args *args); /* M */
bool packet_write_memory(struct gdbstub *stub, struct gdb_args *args);     /* X */
bool packet_insert_break(struct gdbstub *stub, struct gdb_args *args);     /* Z */
bool packet_remove_break(struct gdbstub *stub, struct gdb_args *args);     /* z */

bool packet_read_binary(struct gdbstub *stub, struct gdb_args *args);   /* x */
bool packet_checksum(struct gdbstub *stub, struct gdb_args *args);      /* qCRC */
bool packet_search_memory(struct gdbstub *stub, struct gdb_args *args); /* qSearch */
bool packet_file(struct gdbstub *stub, struct gdb_args *args);          /* vFile */

bool packet_trace_set(struct gdbstub *stub, struct gdb_args *args); /* QT... */
bool packet_trace_ask(struct gdbstub *stub, struct gdb_args *args); /* qT... */

bool packet_trace_info(struct gdbstub *stub, struct gdb_args *args); /* the rest of qXfer's */

/* trace_queries.c: registers and memory as the chosen frame has them. */
bool trace_register(const struct gdbstub *stub, unsigned number, uint8_t *value);
size_t trace_memory(const struct gdbstub *stub, gva_t address, void *buf, size_t size);

/* trace_queries.c: the pc of a frame: of its registers, else of its tracepoint. */
gva_t trace_pc(const struct gdbstub *stub, const struct trace_frame *frame);

/* reply.c: memory of the chosen frame, else of the thread that Hg chose. */
size_t gdbstub_read(const struct gdbstub *stub, gva_t address, void *buf, size_t size);

bool packet_continue(struct gdbstub *stub, struct gdb_args *args);        /* c */
bool packet_continue_signal(struct gdbstub *stub, struct gdb_args *args); /* C */
bool packet_step(struct gdbstub *stub, struct gdb_args *args);            /* s */
bool packet_step_signal(struct gdbstub *stub, struct gdb_args *args);     /* S */
bool packet_step_bits(struct gdbstub *stub, struct gdb_args *args);       /* qqemu.sstepbits */
bool packet_step_flags(struct gdbstub *stub, struct gdb_args *args);      /* qqemu.sstep */
bool packet_set_step_flags(struct gdbstub *stub, struct gdb_args *args);  /* Qqemu.sstep= */
bool packet_vcont(struct gdbstub *stub, struct gdb_args *args);           /* vCont */
bool packet_vcont_query(struct gdbstub *stub, struct gdb_args *args);     /* vCont? */

bool packet_supported(struct gdbstub *stub, struct gdb_args *args);         /* qSupported */
bool packet_current_thread(struct gdbstub *stub, struct gdb_args *args);    /* qC */
bool packet_is_attached(struct gdbstub *stub, struct gdb_args *args);       /* qAttached */
bool packet_first_threads(struct gdbstub *stub, struct gdb_args *args);     /* qfThreadInfo */
bool packet_more_threads(struct gdbstub *stub, struct gdb_args *args);      /* qsThreadInfo */
bool packet_thread_extra_info(struct gdbstub *stub, struct gdb_args *args); /* qThreadExtraInfo */
bool packet_qemu_supported(struct gdbstub *stub, struct gdb_args *args);    /* qqemu.Supported */
bool packet_memory_mode(struct gdbstub *stub, struct gdb_args *args);       /* qqemu.PhyMemMode */
bool packet_set_memory_mode(struct gdbstub *stub, struct gdb_args *args);   /* Qqemu.PhyMemMode */
bool packet_symbol(struct gdbstub *stub, struct gdb_args *args);            /* qSymbol */
bool packet_transfer(struct gdbstub *stub, struct gdb_args *args);          /* qXfer */
bool packet_monitor(struct gdbstub *stub, struct gdb_args *args);           /* qRcmd */

#endif
