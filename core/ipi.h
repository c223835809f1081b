/*
 * Interrupts from CPU to CPU that start or stop one. INIT and start-up are noted in a word of the
 * CPU that they go to (core/ap_state.h), and do there what that says. Two ways lead to the word:
 *
 *   exits     the processor leaves the guest for them: the CPU itself notes what it got
 *   commands  where it cannot, they would take a CPU out of gdbvisor's hands: the sender's command
 *             is not sent but noted, an NMI too. Every other command is sent as it is.
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

/*
 * Or nothing is taken from the guest: INIT and start-ups are exits (hv_backend->init_exits). Every
 * CPU of the machine must be gdbvisor's: others would obey the guest outside of it.
 */
void ipi_init_by_exits(void);
bool ipi_by_exits(void);

/* The CPU v itself got one. */
void ipi_note_init(const struct vcpu *v);
void ipi_note_startup(const struct vcpu *v, uint8_t vector);

/* On the CPU v itself, at its beginning. word: AP_WAITS, AP_RUNS or AP_BOOTSTRAP. */
void ipi_add_cpu(const struct vcpu *v, uint32_t word);

/*
 * v sends a command by x2APIC's ICR. True: it was ours and is done. False: it is to be sent.
 */
bool ipi_deliver(const struct vcpu *v, uint64_t command);

/*
 * Is this exit of v, which is not carried out yet, an INIT to the CPU that the machine boots by?
 * All others wait for a start-up then; that one begins at the reset vector. Of commands to the
 * APIC's page only those that a MOV or XCHG writes are known before.
 */
bool ipi_restarts(struct vcpu *v, const struct hv_exit *exit);

/*
 * v writes its APIC base. While the page is guarded it stays where it is, and the APIC enabled, for
 * gdbvisor itself needs it. False: the guest is owed #GP.
 */
bool ipi_write_base(const struct vcpu *v, uint64_t value);

/* What has come for v since it was asked last, one at a time. */
enum ap_action ipi_take(const struct vcpu *v, uint8_t *vector);

/* True while an INIT has come that the CPU has not taken. */
bool ipi_init_noted(unsigned cpu);

/* True while that CPU waits for a start-up, and none has come. */
bool ipi_waits(unsigned cpu);

/* The same, or it will as soon as it has taken the INIT that has come. */
bool ipi_needs_startup(unsigned cpu);

/* True while a start-up has come that the CPU has not taken; its vector. */
bool ipi_startup_noted(unsigned cpu, uint8_t *vector);

#endif
