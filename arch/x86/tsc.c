#include "arch/x86/tsc.h"

#include "arch/x86/insn.h"
#include "lib/atomic.h"

/* Intel 8254 datasheet, "Mode 0"; its channel 2 is gated and read by port 61h on every PC. */
enum {
    PORT_COUNT = 0x42,
    PORT_MODE = 0x43,
    PORT_GATE = 0x61,
    MODE_ONCE = 0xb0, /* channel 2, low byte then high byte, output rises at the end */
    GATE_ON = 0x01,
    SPEAKER_ON = 0x02,
    GATE_OUTPUT = 0x20,
    PIT_HZ = 1193182,
    COUNT = PIT_HZ / 100,
    LOOKS = 1000000, /* at most: a look takes some 100 ns and more */
    TRIES = 10,
    GOOD_PART = 100,
};

static uint64_t hz = 2000000000;

/* One measurement: TSC ticks, and how many of them more or less it may have been. */
struct span {
    uint64_t ticks, doubt;
};

/*
 * The count begins between two looks at the TSC and ends between two others: a host that takes the
 * processor away in between is seen, and so is a system management interrupt. ticks is 0 when the
 * timer does not count.
 */
static struct span time_count(void)
{
    uint64_t start, begun, now, last;
    uint64_t not_yet; /* the output rose behind this look */
    bool risen = false;

    outb(PORT_MODE, MODE_ONCE);
    outb(PORT_COUNT, COUNT & 0xff);
    start = rdtsc();
    outb(PORT_COUNT, COUNT >> 8);
    begun = now = last = not_yet = rdtsc();
    if (inb(PORT_GATE) & GATE_OUTPUT)
        return (struct span){0, 0};
    for (unsigned i = 0; i < LOOKS && !risen; i++) {
        not_yet = last;
        last = now;
        risen = inb(PORT_GATE) & GATE_OUTPUT;
        now = rdtsc();
    }
    return (struct span){risen ? now - begun : 0, begun - start + (now - not_yet)};
}

/* The best of some, 0 when the timer does not count. */
static uint64_t time_counts(void)
{
    uint8_t gate = inb(PORT_GATE);
    struct span best = {0, UINT64_MAX};

    outb(PORT_GATE, (uint8_t)((gate & ~SPEAKER_ON) | GATE_ON));
    for (unsigned i = 0; i < TRIES && best.doubt > best.ticks / GOOD_PART; i++) {
        struct span span = time_count();
        if (!span.ticks)
            break;
        if (span.doubt < best.doubt)
            best = span;
    }
    outb(PORT_GATE, gate);
    return best.ticks;
}

/* "Processor Frequency Information Leaf": the base frequency in MHz, at which the TSC counts. */
static uint64_t told(void)
{
    if (cpuid(0, 0).eax < 0x16)
        return 0;
    return (cpuid(0x16, 0).eax & 0xffff) * 1000000ULL;
}

void tsc_measure(void)
{
    uint64_t ticks = time_counts();
    uint64_t measured = ticks ? ticks * PIT_HZ / COUNT : told();

    if (measured)
        hz = measured;
}

uint64_t tsc_hz(void)
{
    return hz;
}

bool tsc_await(const uint32_t *flag, uint32_t value, unsigned microseconds)
{
    uint64_t begin = rdtsc(), ticks = microseconds * hz / 1000000;

    do {
        if (flag && atomic_get(flag) == value)
            return true;
        cpu_pause();
    } while (rdtsc() - begin < ticks);
    return false;
}
