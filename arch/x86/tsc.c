#include "arch/x86/tsc.h"

#include "arch/x86/insn.h"

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
};

static uint64_t hz = 2000000000;

/* TSC ticks while the timer counts down; 0 when it does not. */
static uint64_t time_count(void)
{
    uint8_t gate = inb(PORT_GATE);
    uint64_t start, end = 0;

    outb(PORT_GATE, (uint8_t)((gate & ~SPEAKER_ON) | GATE_ON));
    outb(PORT_MODE, MODE_ONCE);
    outb(PORT_COUNT, COUNT & 0xff);
    outb(PORT_COUNT, COUNT >> 8);
    start = rdtsc();
    if (!(inb(PORT_GATE) & GATE_OUTPUT)) {
        for (unsigned i = 0; i < LOOKS && !end; i++)
            end = inb(PORT_GATE) & GATE_OUTPUT ? rdtsc() : 0;
    }
    outb(PORT_GATE, gate);
    return end ? end - start : 0;
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
    uint64_t ticks = time_count();
    uint64_t measured = ticks ? ticks * PIT_HZ / COUNT : told();

    if (measured)
        hz = measured;
}

uint64_t tsc_hz(void)
{
    return hz;
}
