/*
 * Starts the other CPUs: each comes up in gdbvisor, with its backend on, and waits there until the
 * guest starts it.
 */
#ifndef BOOT_START_CPUS_H
#define BOOT_START_CPUS_H

#include "boot/memory_map.h"
#include "hv/types.h"

/*
 * Starts the CPUs with these APIC ids, one by one, by a page below 1 MiB of the map that is put
 * back as it was. cpu_main: what each goes on with, on its own stack and with the host's tables
 * loaded; must not return. Returns how many came, this one with them; they have the numbers from 1
 * on, and their ids are the first of apic_ids then.
 */
unsigned start_cpus(uint32_t *apic_ids, unsigned count, const struct memory_map *map,
                    void (*cpu_main)(unsigned number));

/*
 * Lets a CPU that waits at `call` (struct boot_other_cpu) come, as the one of this number, the next
 * free one. Goes on in cpu_main as above. False: it did not come within seconds.
 */
bool start_cpus_take(gpa_t call, unsigned number, void (*cpu_main)(unsigned number));

/* For a started CPU: it is there, the next one may be started. */
void start_cpus_arrived(unsigned number);

#endif
