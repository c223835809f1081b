/*
 * The stub on the fake target of the unit tests, for a real gdb.
 *
 *   stub_on_tcp [--threads N] [--spoil N] tcp | pty
 *
 * Prints one line, `PORT` or the name of the terminal. As with a serial line, the stub is not told
 * when a client goes: the next one finds it as the last one left it. --spoil flips a bit in every
 * N-th byte each way. Ends with the parent, or after two minutes.
 */
#define _GNU_SOURCE /* posix_openpt */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "gdbstub/gdbstub.h"
#include "tests/unit/fake_target.h"

static struct gdbstub stub;
static int client = -1;
static unsigned spoil;  /* 0: never */
static unsigned spoilt; /* bytes since the last spoilt one */

static char pass(char byte)
{
    if (spoil == 0 || ++spoilt < spoil)
        return byte;
    spoilt = 0;
    return (char)(byte ^ 0x04);
}

static void put(const char *bytes, size_t size)
{
    char copy[GDBSTUB_PACKET_SIZE + 8];
    size_t done = 0;

    for (size_t i = 0; i < size; i++)
        copy[i] = pass(bytes[i]);
    while (client >= 0 && done < size) {
        ssize_t count = write(client, copy + done, size - done);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return;
        done += (size_t)count;
    }
}

static void print(const char *text, size_t size)
{
    gdbstub_console(&stub, text, size);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 4) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        fail("listen");
    printf("%u\n", ntohs(address.sin_port));
    return listener;
}

/* The other end of the terminal is held open, so that ours outlives its users. */
static void open_terminal(void)
{
    struct termios mode;
    int held;

    client = posix_openpt(O_RDWR | O_NOCTTY);
    if (client < 0 || grantpt(client) != 0 || unlockpt(client) != 0)
        fail("posix_openpt");
    held = open(ptsname(client), O_RDWR | O_NOCTTY);
    if (held < 0 || tcgetattr(held, &mode) != 0)
        fail("pts");
    cfmakeraw(&mode);
    tcsetattr(held, TCSANOW, &mode);
    printf("%s\n", ptsname(client));
}

/* Feeds what has come. False when the client has gone. */
static bool receive(void)
{
    char bytes[4096];
    ssize_t count = read(client, bytes, sizeof(bytes));

    if (count < 0 && errno == EINTR)
        return true;
    for (ssize_t i = 0; i < count; i++)
        gdbstub_receive(&stub, (uint8_t)pass(bytes[i]));
    return count > 0;
}

static void serve(int listener)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = client >= 0 ? client : listener, .events = POLLIN};

        if (poll(&poll_fd, 1, fake.running ? 1 : -1) > 0) {
            if (client < 0) {
                client = accept(listener, NULL, NULL);
            } else if (!receive() && listener >= 0) {
                close(client);
                client = -1;
            }
        }
        if (fake_run(1000))
            gdbstub_stopped(&stub, &fake.stop);
    }
}

int main(int argc, char **argv)
{
    static const struct gdb_stop first = {.signal = GDB_SIGINT, .thread = 1};
    unsigned threads = 1;
    int listener = -1;
    int i = 1;

    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = (unsigned)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--spoil") == 0)
            spoil = (unsigned)atoi(argv[i + 1]);
    }
    if (i + 1 != argc || threads < 1 || threads > FAKE_THREADS) {
        fprintf(stderr, "usage: stub_on_tcp [--threads 1..4] [--spoil N] tcp | pty\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    if (strcmp(argv[i], "tcp") == 0)
        listener = open_listener();
    else
        open_terminal();
    fflush(stdout);

    fake_reset(threads);
    gdbstub_init(&stub, &fake_target, put, &first);
    fake_print = print;
    serve(listener);
    return 0;
}
