/* USER-8: 10^6 random packets through the whole stub neither crash nor wedge it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_line.h"

enum { PACKETS = 1000000, BURST = 100 };

static uint64_t seed = 0x9e3779b97f4a7c15ull;

/* xorshift64 */
static uint32_t below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % limit;
}

/* Good packets to begin with; they are cut, joined and damaged. */
static const char *const samples[] = {
    "?",
    "g",
    "G0102030405060708",
    "p10",
    "P1=8877665544332211",
    "m1000,40",
    "m9ff0,80",
    "M2000,4:01020304",
    "X2000,3:abc",
    "X2000,4:}\x03}\x04",
    "c",
    "s",
    "C05",
    "S05;1000",
    "c1000",
    "vCont?",
    "vCont;c",
    "vCont;s:1;c",
    "vCont;C05:2;s:-1",
    "vKill;1",
    "Z0,1010,1",
    "z0,1010,1",
    "Z1,1001,1",
    "Z2,2000,8",
    "z2,2000,8",
    "Z3,2008,4",
    "Z4,2008,8",
    "Z0,1010,1;X1,00",
    "Hg1",
    "Hg0",
    "Hc-1",
    "Hc2",
    "T1",
    "T9",
    "D",
    "D;1",
    "k",
    "R00",
    "qSupported:swbreak+;hwbreak+",
    "qC",
    "qAttached",
    "qfThreadInfo",
    "qsThreadInfo",
    "qThreadExtraInfo,1",
    "qSymbol::",
    "qXfer:features:read:target.xml:0,ffb",
    "qXfer:features:read:target.xml:ff,20",
    "QTinit",
    "QTDP:1:1010:E:2:0-",
    "QTDP:-1:1010:R03M-1,2000,8X4,2e000127S",
    "QTDPsrc:1:1010:cmd:0:2:6162",
    "QTDV:1:5:0:6e",
    "QTro:1000,1100",
    "QTBuffer:size:1000",
    "QTBuffer:circular:1",
    "QTStart",
    "QTStop",
    "QTEnable:1:1010",
    "QTDisable:1:1010",
    "QTFrame:0",
    "QTFrame:tdp:1",
    "qTStatus",
    "qTP:1:1010",
    "qTV:1",
    "qTfP",
    "qTsP",
    "qTfV",
    "qTBuffer:0,100",
    "qXfer:traceframe-info:read::0,40",
    "qXfer:traceframe-info:read::20,1000",
    "qRcmd,68656c70",
    "qRcmd,6563686f20",
    "vMustReplyEmpty",
    "!",
    "00:c",
};

static size_t make_packet(char *body, size_t size)
{
    const char *sample = samples[below(sizeof(samples) / sizeof(samples[0]))];
    size_t len = strlen(sample);

    memcpy(body, sample, len);
    switch (below(8)) {
    case 0: /* nothing but noise */
        len = below(24);
        for (size_t i = 0; i < len; i++)
            body[i] = (char)below(256);
        break;
    case 1: /* cut */
        len = below((uint32_t)len + 1);
        break;
    case 2: /* a byte changed */
    case 3:
        body[below((uint32_t)len)] = (char)below(256);
        break;
    case 4: /* a digit or mark put in */
        memmove(body + 1, body, len);
        len++;
        body[below((uint32_t)len)] = "0123456789abcdef,;:-"[below(20)];
        break;
    case 5: /* grown, sometimes beyond every limit */
        if (below(200) == 0) {
            size_t end = len + below((uint32_t)(size - len));

            while (len < end)
                body[len++] = "0123456789abcdef"[below(16)];
        }
        break;
    default:
        break;
    }
    return len;
}

static void step(void)
{
    static char body[2 * GDBSTUB_PACKET_SIZE];
    size_t len = make_packet(body, sizeof(body));

    switch (below(16)) {
    case 0: /* without a frame */
        line_feed(body, len);
        break;
    case 1: /* a wrong checksum, most times */
        line_feed("$", 1);
        line_feed(body, len);
        line_feed("#7f", 3);
        break;
    case 2:
        line_feed("\x03", 1);
        line_send(body, len);
        break;
    case 3:
        line_send(body, len);
        line_feed("-", 1);
        break;
    default:
        line_send(body, len);
        line_feed("+", 1);
        break;
    }
    if (fake_run(1 + below(4)))
        gdbstub_stopped(&stub, &fake.stop);
    assert_int_equal(gdbstub_is_running(&stub), fake.running);
}

static void user8_million_random_packets(void **state)
{
    unsigned answered = 0;

    (void)state;
    start(FAKE_THREADS);
    for (unsigned burst = 0; burst < PACKETS / BURST; burst++) {
        for (unsigned i = 0; i < BURST; i++) {
            step();
            /* All that came out is well-formed: line_take() ends the program if not. */
            for (char c = line_take(); c != 0; c = line_take())
                answered += c == '$';
            line_clear();
        }
        line_check_alive();
    }
    /* The test did go deep: packets were answered, refused, resumed by and detached by. */
    assert_true(answered > PACKETS / 2);
    assert_true(fake.resumes > PACKETS / 100);
    assert_true(fake.detached > PACKETS / 1000);
    assert_true(fake.attached > PACKETS / 1000);
    assert_true(stub.stats.bad_checksums > PACKETS / 100);
    assert_true(stub.stats.retransmissions > PACKETS / 1000);
    assert_true(stub.stats.oversized > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user8_million_random_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
