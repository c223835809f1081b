#include "boot/guest_cpus.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "boot/platform.h"
#include "boot/refuse_start.h"
#include "boot/start_cpus.h"
#include "core/backend.h"
#include "core/debug_regs.h"
#include "core/ipi.h"
#include "core/machine.h"
#include "core/park.h"
#include "debug/session.h"
#include "lib/atomic.h"
#include "lib/log.h"

static uint32_t let_go; /* 1: they may run */
static const struct boot_running *running;
static uint32_t taken_ids[HV_MAX_CPUS]; /* APIC ids */

void guest_cpus_let_go(const struct vcpu *v)
{
    park_claim(v);
    atomic_set(&let_go, 1);
}

static HV_NORETURN void run(struct vcpu *v)
{
    hv_backend->cpu_on(v);
    hv_backend->reset(v);
    start_cpus_arrived(v->number);
    while (!atomic_get(&let_go))
        cpu_pause();
    debug_session_cpu(v);
}

/* One that we have started: it waits there until the guest starts it. */
static void started_main(unsigned number)
{
    struct vcpu *v = vcpu_get(number);

    ipi_add_cpu(v, AP_WAITS);
    vcpu_reset(v);
    v->regs.cr0 = CR0_ET; /* the firmware has turned its caches on */
    v->regs.gpr[GPR_RDX] = cpuid(1, 0).eax;
    run(v);
}

/* One of a firmware that runs on: it goes on. */
static void taken_main(unsigned number)
{
    const struct boot_other_cpu *other = &running->others[number - 1];
    struct vcpu *v = vcpu_get(number);

    ipi_add_cpu(v, AP_RUNS);
    taken_ids[number] = platform_apic_id();
    vcpu_reset(v);
    v->regs = other->regs;
    v->debug_regs = other->debug_regs;
    debug_regs_update(v);
    run(v);
}

/* How what the guest's CPUs do to each other is seen; all: CPUs of the machine. */
static const char *choose_way(enum boot_ap way, unsigned count, unsigned all, gpa_t boot_services)
{
    if (way == BOOT_AP_AUTO && count == all && hv_backend->init_exits && hv_backend->init_exits()) {
        ipi_init_by_exits();
        return "VM exits";
    }
    if (ipi_init(boot_services) != HV_OK)
        refuse_start("the local APIC's page cannot be guarded: %u more CPUs could escape.",
                     all - 1);
    return "trapped commands";
}

/*
 * A firmware that runs on, and has no way to let us have its CPUs, or has too many: they stay its
 * own until its boot services end. The tables no longer name them, and a guest that finds them all
 * the same cannot start them.
 */
static void leave(const struct boot_info *info, const uint32_t *apic_ids, unsigned all)
{
    choose_way(BOOT_AP_ICR, 1, all, info->running.boot_services);
    platform_hide_cpus(apic_ids, 1);
    log_print("cpu: %u more, left to the firmware: %s", all - 1,
              all > HV_MAX_CPUS ? "there are more than can be run" : "it does not hand them over");
}

/* All of a firmware's that wait for it; from the first on nothing can be refused any more. */
static unsigned take_over(const struct boot_info *info)
{
    unsigned count = 1;

    running = &info->running;
    taken_ids[0] = platform_apic_id();
    for (; count <= running->other_count; count++) {
        if (!start_cpus_take(running->others[count - 1].call, count, taken_main))
            machine_panic("a CPU of the firmware did not come");
    }
    return count;
}

void guest_cpus_take(const struct boot_info *info, const struct memory_map *map, enum boot_ap way)
{
    bool firmware = info->running.boot_services;
    uint32_t apic_ids[HV_MAX_CPUS];
    unsigned all, listed = platform_cpus(apic_ids, &all), count;
    const uint32_t *ids = apic_ids;

    ipi_add_cpu(vcpu_get(0), AP_BOOTSTRAP);
    if (all == 1 && !info->running.other_count) {
        if (way == BOOT_AP_ICR)
            choose_way(way, 1, all, 0); /* an INIT to itself is seen */
        return;
    }
    if (firmware && !info->running.other_count) {
        leave(info, apic_ids, all);
        return;
    }
    const char *seen;
    if (firmware) {
        seen = choose_way(way, info->running.other_count + 1, all, 0);
        count = take_over(info);
        ids = taken_ids;
    } else {
        count = start_cpus(apic_ids + 1, listed - 1, map, started_main);
        seen = choose_way(way, count, all, 0);
    }
    if (count < all)
        platform_hide_cpus(ids, count);
    log_print("cpu: %u of %u %s; INIT and start-ups are seen by %s", count, all,
              firmware ? "taken over" : "started", seen);
    if (all > HV_MAX_CPUS)
        log_print("cpu: %u at most can be run; the guest is not told of the others",
                  (unsigned)HV_MAX_CPUS);
}
