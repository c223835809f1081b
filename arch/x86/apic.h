/*
 * The local APIC: its registers, to whom an interrupt command goes, and sending one.
 * SDM vol. 3, "Local APIC" and "Issuing Interprocessor Interrupts".
 */
#ifndef ARCH_X86_APIC_H
#define ARCH_X86_APIC_H

#include "hv/types.h"

#define APIC_BASE_MASK 0x000ffffffffff000ULL

enum { APIC_BASE_BOOTSTRAP = 1 << 8, APIC_BASE_X2APIC = 1 << 10, APIC_BASE_ENABLE = 1 << 11 };

/* Offsets in the register page. */
enum apic_register {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SVR = 0xf0,
    APIC_ISR = 0x100,
    APIC_IRR = 0x200,
    APIC_ICR_LOW = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_THERMAL = 0x330,
    APIC_LVT_COUNTER = 0x340,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_COUNT = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

/* Delivery modes of an interrupt command. */
enum apic_delivery { APIC_DELIVER_NMI = 4, APIC_DELIVER_INIT = 5, APIC_DELIVER_STARTUP = 6 };

/* The parts of a command's low half. */
struct apic_command {
    uint8_t vector;
    uint8_t delivery; /* enum apic_delivery, or one of those nobody here cares for */
    bool deassert;    /* INIT level de-assert: nothing happens on a processor of this century */
};
struct apic_command apic_command(uint32_t low);

/* By what a CPU's APIC is found. */
struct apic_address {
    uint32_t id;
    uint32_t ldr, dfr; /* as in the registers; not used in x2APIC mode */
};

/*
 * Does the command (its high half in bits 32-63) go to `to`? x2apic: the mode the sender is in,
 * which says how its destination is to be read. Pure.
 */
bool apic_reaches(uint64_t command, bool x2apic, const struct apic_address *from,
                  const struct apic_address *to);

/* This CPU's own, from its registers. */
bool apic_is_x2apic(void);
struct apic_address apic_own_address(void);

/*
 * False: a command cannot name this id alone, for the APIC's page has 8 bits for it and all ones
 * are everybody (SDM vol. 3, "Interrupt Command Register (ICR)").
 */
bool apic_can_address(uint32_t apic_id);

/* A register of the page, whichever way the APIC has it; 0: the APIC is off, or has none such. */
uint32_t apic_read(uint32_t offset);

/*
 * Sends a command (vector, delivery mode, no shorthand) to one APIC, and returns when it has left.
 * What the guest has in ICR's high half stays there.
 */
void apic_send(uint32_t apic_id, uint32_t low);
void apic_send_nmi(uint32_t apic_id);
void apic_send_init(uint32_t apic_id);
/* An interrupt; low: vector, delivery mode fixed or lowest priority, destination mode. */
void apic_send_fixed(uint32_t destination, uint32_t low);
void apic_send_startup(uint32_t apic_id, uint8_t vector);

/* This CPU's APIC to what INIT leaves ("Local APIC State After an INIT Reset"). */
void apic_reset(void);

#endif
