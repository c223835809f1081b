#include "boot/start_cpus.h"

#include "arch/x86/apic.h"
#include "arch/x86/descriptors.h"
#include "arch/x86/host_paging.h"
#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/tsc.h"
#include "boot/relocate.h"
#include "core/vcpu.h"
#include "hv/compiler.h"
#include "lib/atomic.h"
#include "lib/log.h"
#include "lib/string.h"

enum {
    PAGE = 4096,
    STACK_SIZE = 16384,
    DATA_OFFSET = 8,
    LOW_LIMIT = 0xa0000,
    /* Microseconds. SDM vol. 3, "Typical AP Initialization Sequence". */
    INIT_DELAY = 10000,
    STARTUP_DELAY = 200,
    ARRIVAL_DELAY = 10000000, /* an emulated one may have to wait for its turn */
};

/* ap_start.asm */
extern const uint8_t ap_start[], ap_start_long[], ap_start_end[];

struct ap_start_data {
    uint64_t stack, entry;
    uint32_t cr3, number;
    uint32_t jump_offset, jump_selector;
    uint16_t gdt_limit;
    uint32_t gdt_base;
} HV_PACKED;
HV_ASSERT_OFFSET(struct ap_start_data, gdt_base, 34);

static uint8_t stacks[HV_MAX_CPUS][STACK_SIZE] HV_ALIGNED(4096);
static uint8_t saved[PAGE];
static uint32_t arrived, next_number;
static void (*next_main)(unsigned number);

void start_cpus_arrived(unsigned number)
{
    atomic_set(&arrived, number);
}

static void begin(unsigned number)
{
    host_paging_load();
    descriptors_load(number);
    next_main(number);
}

/* On a stack of ours, wherever it comes from. */
static void take(uint64_t unused)
{
    (void)unused;
    begin(atomic_get(&next_number));
}

static void take_from_firmware(void)
{
    image_jump((uint64_t)take, (uint64_t)stacks[atomic_get(&next_number)] + STACK_SIZE, 0);
}

bool start_cpus_take(gpa_t call, unsigned number, void (*cpu_main)(unsigned number))
{
    const uint64_t function = (uint64_t)take_from_firmware;
    const uint32_t go = 1;

    next_main = cpu_main;
    vcpu_set_count(number + 1);
    atomic_set(&next_number, number);
    physmem_write(call, &function, sizeof(function));
    physmem_write(call + sizeof(function), &go, sizeof(go));
    return tsc_await(&arrived, number, ARRIVAL_DELAY);
}

/* The code at the page, for the CPU of this number. */
static void prepare(hpa_t page, unsigned number)
{
    uint32_t size = (uint32_t)(ap_start_end - ap_start);
    struct ap_start_data data;

    memcpy(&data, ap_start + DATA_OFFSET, sizeof(data));
    data.stack = (uint64_t)stacks[number] + STACK_SIZE;
    data.entry = (uint64_t)begin;
    data.cr3 = (uint32_t)host_paging_root();
    data.number = number;
    data.jump_offset = (uint32_t)page + (uint32_t)(ap_start_long - ap_start);
    data.gdt_base = (uint32_t)page + DATA_OFFSET + HV_ALIGN_UP(sizeof(data), 8U);
    physmem_write(page, ap_start, size);
    physmem_write(page + DATA_OFFSET, &data, sizeof(data));
}

/* Behind the INIT, which all get together. */
static bool start(uint32_t apic_id, unsigned number, hpa_t page)
{
    prepare(page, number);
    for (unsigned i = 0; i < 2; i++) {
        apic_send_startup(apic_id, (uint8_t)(page / PAGE));
        if (tsc_await(&arrived, number, STARTUP_DELAY))
            return true;
    }
    if (tsc_await(&arrived, number, ARRIVAL_DELAY))
        return true;
    apic_send_init(apic_id); /* nor shall it come later */
    return false;
}

unsigned start_cpus(uint32_t *apic_ids, unsigned count, const struct memory_map *map,
                    void (*cpu_main)(unsigned number))
{
    hpa_t page = memory_map_find_top(map, PAGE, PAGE, LOW_LIMIT, NULL, 0);
    unsigned started = 1;

    if (!page || !count)
        return 1;
    next_main = cpu_main;
    physmem_read(page, saved, PAGE);
    host_paging_run_low(true);
    for (unsigned i = 0; i < count; i++) {
        if (apic_can_address(apic_ids[i]))
            apic_send_init(apic_ids[i]);
    }
    tsc_await(NULL, 0, INIT_DELAY);
    for (unsigned i = 0; i < count && started < HV_MAX_CPUS; i++) {
        vcpu_set_count(started + 1);
        if (apic_can_address(apic_ids[i]) && start(apic_ids[i], started, page))
            apic_ids[started++ - 1] = apic_ids[i];
        else
            log_print("gdbvisor: the CPU with APIC id %u did not start", (unsigned)apic_ids[i]);
    }
    vcpu_set_count(started);
    host_paging_run_low(false);
    physmem_write(page, saved, PAGE);
    return started;
}
