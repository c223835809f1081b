#include "arch/x86/descriptors.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "hv/compiler.h"

/* SDM vol. 3, "64-Bit TSS Format". */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} HV_PACKED;
HV_ASSERT_SIZE(struct tss, 104);

/* SDM vol. 3, "64-Bit IDT Gate Descriptors". */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type; /* present, DPL, interrupt gate */
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
HV_ASSERT_SIZE(struct gate, 16);

enum { GDT_ENTRIES = 3 + 2 * HV_MAX_CPUS, IST_SIZE = 4096, GATE_INTERRUPT = 0x8e };

static uint64_t gdt[HV_MAX_CPUS][GDT_ENTRIES];
static struct tss tss[HV_MAX_CPUS];
static struct gate idt[TRAP_VECTORS];
static uint8_t ist_stacks[HV_MAX_CPUS][IST_COUNT][IST_SIZE] HV_ALIGNED(4096);

static void set_gate(unsigned vector, uint8_t ist)
{
    uint64_t entry = trap_entries[vector];

    idt[vector] = (struct gate){
        .offset_low = (uint16_t)entry,
        .selector = HOST_CS,
        .ist = ist,
        .type = GATE_INTERRUPT,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
    };
}

static void load_tss(unsigned cpu)
{
    uint64_t base = (uint64_t)&tss[cpu];
    uint64_t limit = sizeof(struct tss) - 1;

    for (unsigned i = 0; i < IST_COUNT; i++)
        tss[cpu].ist[i] = (uint64_t)&ist_stacks[cpu][i][IST_SIZE];
    tss[cpu].io_map_base = sizeof(struct tss);

    /* Available 64-bit TSS, present: SDM vol. 3, "TSS Descriptor in 64-bit mode". */
    unsigned selector = HOST_TR + cpu * 16;
    gdt[cpu][selector / 8] =
        limit | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24 & 0xff) << 56;
    gdt[cpu][selector / 8 + 1] = base >> 32;
    load_tr((uint16_t)selector);
}

void descriptors_load(unsigned cpu)
{
    gdt[cpu][HOST_CS / 8] = 0x00af9b000000ffff;
    gdt[cpu][HOST_DS / 8] = 0x00cf93000000ffff;
    struct table_register gdtr = {sizeof(gdt[cpu]) - 1, (uint64_t)gdt[cpu]};
    load_gdt(&gdtr);
    load_flat_segments(HOST_CS, HOST_DS);
    load_tss(cpu);

    for (unsigned vector = 0; vector < TRAP_VECTORS; vector++)
        set_gate(vector, 0);
    set_gate(VECTOR_NMI, IST_NMI);
    set_gate(VECTOR_DF, IST_DF);
    set_gate(VECTOR_MC, IST_MC);
    struct table_register idtr = {sizeof(idt) - 1, (uint64_t)idt};
    load_idt(&idtr);
}

unsigned cpu_current(void)
{
    return (store_tr() - HOST_TR) / 16U;
}
