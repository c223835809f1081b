/* The last exceptions of each CPU that exited: all of them while the user wants that. */
#ifndef DEBUG_EXCEPTIONS_H
#define DEBUG_EXCEPTIONS_H

#include "core/vcpu.h"

enum { EXCEPTIONS_KEPT = 64 };

struct exception_record {
    uint64_t rip, cr3;
    uint64_t cr2; /* of a page fault: its address */
    uint32_t error;
    uint16_t cs;
    uint8_t vector, cpl;
    bool has_error;
};

/* An exception of v's that is not delivered yet. */
void exceptions_record(struct vcpu *v, const struct hv_exit *exit);

/* The nth from the last one, from 0; NULL: there were not so many. */
const struct exception_record *exceptions_get(unsigned cpu, unsigned nth);
void exceptions_clear(void);

/* What has to exit for it: bit n for exception n; #DB and #BP are left to those who need them. */
uint32_t exceptions_wanted(void);

#endif
