/*
 * Interrupts from CPU to CPU that start, stop or disturb one: INIT, start-up and NMI go where the
 * guest sends them by words of ours (core/ap_state.h), for sent for real they would take a CPU out
 * of gdbvisor's hands. Every other command is sent as it is.
 */
#ifndef CORE_IPI_H
#define CORE_IPI_H

#include "core/ap_state.h"
#include "core/vcpu.h"
#include "hv/status.h"

/*
 * Takes writes of the local APIC's page out of the guest's hands (x2APIC's ICR is an MSR that
 * always exits). Costs an exit a write, so only for machines that have other CPUs. HV_ENOTSUP: the
 * page is not where a guest with 32-bit paging could reach it. boot_services: a 64-bit word of the
 * guest's that is not 0 while its firmware has the other CPUs; until then every command is sent. 0:
 * there is no such firmware.
 */
enum hv_status ipi_init(gpa_t boot_services);

/* On the CPU v itself, at its beginning. waits: for a start-up; else it is the bootstrap CPU. */
void ipi_add_cpu(const struct vcpu *v, bool waits);

/*
 * v sends a command by x2APIC's ICR. True: it was ours and is done. False: it is to be sent.
 */
bool ipi_deliver(const struct vcpu *v, uint64_t command);

/*
 * v writes its APIC base. While the page is guarded it stays where it is, and the APIC enabled, for
 * gdbvisor itself needs it. False: the guest is owed #GP.
 */
bool ipi_write_base(const struct vcpu *v, uint64_t value);

/* What has come for v since it was asked last, one at a time. */
enum ap_action ipi_take(const struct vcpu *v, uint8_t *vector);

/* True while that CPU waits for a start-up, and none has come. */
bool ipi_waits(unsigned cpu);

#endif
