/*
 * Whole packets to the whole stub on the fake target. The input is a list of packet bodies, one a
 * line; they get their frame and checksum here, so that the fuzzer need not find checksums. Lines
 * that begin with these bytes do something else:
 *
 *   0x80 N  the target runs, N instructions at most
 *   0x81    Ctrl-C
 *   0x82    '-'
 *   0x83 …  the rest of the line as it is, without a frame
 *   0x84 …  text for the console
 *
 * Checked for each packet: one '+', then at most one reply (O packets aside), none at all when the
 * target went running; one stop reply at most for each stop.
 */
#include "tests/unit/fake_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes replies off the line; how many there were that are not console text. */
static unsigned take_replies(void)
{
    unsigned count = 0;

    for (char c = line_take(); c != 0; c = line_take()) {
        bool text = reply.text[0] == 'O' && reply.text[1] != 'K';

        count += c == '$' && !text;
    }
    line_clear();
    return count;
}

static void send_packet(const uint8_t *body, size_t size)
{
    unsigned resumes = fake.resumes;
    bool ran = fake.running;
    unsigned replies;

    /* What means something to the framing would be escaped by gdb; here it ends the packet. */
    if (memchr(body, '#', size) != NULL || memchr(body, '$', size) != NULL)
        return;
    line_send(body, size);
    /* While the target runs this byte is a Ctrl-C even in a packet, and ends it. */
    if (ran && memchr(body, 0x03, size) != NULL)
        return;
    LINE_CHECK(line_take() == '+');
    replies = take_replies();
    LINE_CHECK(replies <= 1);
    if (ran || fake.resumes != resumes)
        LINE_CHECK(replies == 0);
    line_feed("+", 1);
}

static void run_target(unsigned count)
{
    bool due = stub.stop_due;
    bool kept = stub.kept;

    if (fake_run(count)) {
        gdbstub_stopped(&stub, &fake.stop);
        LINE_CHECK(take_replies() <= (kept || due ? 1 : 0));
    }
}

static void do_line(const uint8_t *text, size_t size)
{
    uint8_t first = size > 0 ? text[0] : 0;

    switch (first) {
    case 0x80:
        run_target(size > 1 ? text[1] : 1);
        break;
    case 0x81:
        line_feed("\x03", 1);
        break;
    case 0x82:
        line_feed("-", 1);
        break;
    case 0x83:
        line_feed(text + 1, size - 1);
        break;
    case 0x84:
        gdbstub_console(&stub, (const char *)text + 1, size - 1);
        break;
    default:
        send_packet(text, size);
        break;
    }
    take_replies();
    LINE_CHECK(gdbstub_is_running(&stub) == fake.running);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    start(1 + size % FAKE_THREADS);
    while (data < end) {
        const uint8_t *stop = memchr(data, '\n', (size_t)(end - data));

        if (stop == NULL)
            stop = end;
        do_line(data, (size_t)(stop - data));
        data = stop == end ? end : stop + 1;
    }
    line_check_alive();
    return 0;
}
