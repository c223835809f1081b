/* SDM vol. 3, "Checks on VMX Controls". */
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "vmx/check.h"
#include "vmx/controls.h"
#include "vmx/exit.h"
#include "vmx/vmcs.h"

/* A capability's low half: bits that have to be 1; its high half: bits that may be. */
static void check_word(struct vmx_faults *faults, uint64_t capability, const char *field,
                       uint32_t word)
{
    vmx_expect_fixed(faults, (uint32_t)capability, capability >> 32, field, word);
}

static void check_page(struct vmx_faults *faults, const struct vmx_features *can, const char *field,
                       uint64_t address)
{
    vmx_expect_clear(faults, 0xfff | vmx_beyond_memory(can), field, address,
                     "is not the address of a page");
}

static void check_msr_area(struct vmx_faults *faults, const struct vmx_features *can,
                           const char *field, const struct vmx_msr_area *area)
{
    enum { ENTRY_SIZE = 16 };

    if (!area->count)
        return;
    uint64_t last = area->address + (uint64_t)area->count * ENTRY_SIZE - 1;
    vmx_expect(faults,
               area->address % ENTRY_SIZE == 0 &&
                   !((area->address | last) & vmx_beyond_memory(can)),
               field, area->address, "is not the address of such a table");
}

/* SDM vol. 3, "Extended-Page-Table Pointer (EPTP)". */
static void check_ept_pointer(struct vmx_faults *faults, const struct vmx_features *can,
                              uint64_t pointer)
{
    enum { WRITE_BACK = 6, UNCACHED = 0, LEVELS_SHIFT = 3, FOUR = 3, FIVE = 4, ACCESSED = 1 << 6 };
    const uint64_t five_levels = HV_BIT(7), uncached = HV_BIT(8);
    unsigned type = pointer & 7, levels = pointer >> LEVELS_SHIFT & 7;

    vmx_expect(faults,
               (type == WRITE_BACK && (can->ept_vpid & VMX_EPT_WB)) ||
                   (type == UNCACHED && (can->ept_vpid & uncached)),
               "EPT pointer", pointer, "its memory type is not allowed here");
    vmx_expect(faults, levels == FOUR || (levels == FIVE && (can->ept_vpid & five_levels)),
               "EPT pointer", pointer, "its number of levels is not allowed here");
    vmx_expect(faults, !(pointer & ACCESSED) || (can->ept_vpid & VMX_EPT_ACCESSED), "EPT pointer",
               pointer, "accessed bits, which this processor does not have");
    vmx_expect_clear(faults, 0xf80 | vmx_beyond_memory(can), "EPT pointer", pointer,
                     "reserved bits");
}

/* "VM-Execution Control Fields": what one bit asks of another. */
static void check_execution(struct vmx_faults *faults, const struct vmx_control_fields *c,
                            const struct vmx_features *can)
{
    unsigned targets = can->misc >> 16 & 0x1ff;

    check_word(faults, can->pin, "pin-based", c->pin);
    check_word(faults, can->cpu, "processor-based", c->cpu);
    if (c->cpu & VMX_CPU_SECONDARY)
        check_word(faults, can->cpu2, "secondary", c->cpu2);
    vmx_expect(faults, c->cr3_targets <= targets, "CR3-target count", c->cr3_targets,
               "more than this processor has");
    if (c->cpu & VMX_CPU_IO_BITMAPS) {
        check_page(faults, can, "I/O bitmap A", c->io_bitmap_a);
        check_page(faults, can, "I/O bitmap B", c->io_bitmap_b);
    }
    if (c->cpu & VMX_CPU_MSR_BITMAP)
        check_page(faults, can, "MSR bitmap", c->msr_bitmap);
    vmx_expect(faults, !(c->pin & VMX_PIN_VIRTUAL_NMIS) || (c->pin & VMX_PIN_NMI), "pin-based",
               c->pin, "virtual NMIs without NMI exiting");
    vmx_expect(faults, !(c->cpu & VMX_CPU_NMI_WINDOW) || (c->pin & VMX_PIN_VIRTUAL_NMIS),
               "processor-based", c->cpu, "NMI-window exiting without virtual NMIs");
    if (c->cpu2 & VMX_CPU2_VPID)
        vmx_expect(faults, c->vpid, "VPID", c->vpid, "is the host's");
    if (c->cpu2 & VMX_CPU2_EPT)
        check_ept_pointer(faults, can, c->ept_pointer);
    vmx_expect(faults, !(c->cpu2 & VMX_CPU2_UNRESTRICTED) || (c->cpu2 & VMX_CPU2_EPT), "secondary",
               c->cpu2, "unrestricted guest without EPT");
}

/* "VM-Exit Control Fields", and of "VM-Entry Control Fields" all but the event. */
static void check_exit_entry(struct vmx_faults *faults, const struct vmx_control_fields *c,
                             const struct vmx_features *can)
{
    check_word(faults, can->exit, "VM-exit", c->exit);
    vmx_expect(faults, !(c->exit & VMX_EXIT_SAVE_TIMER) || (c->pin & VMX_PIN_TIMER), "VM-exit",
               c->exit, "saves the preemption timer, which is off");
    check_msr_area(faults, can, "VM-exit MSR-store address", &c->exit_store);
    check_msr_area(faults, can, "VM-exit MSR-load address", &c->exit_load);
    check_word(faults, can->entry, "VM-entry", c->entry);
    vmx_expect_clear(faults, VMX_ENTRY_SMM | VMX_ENTRY_END_DUAL, "VM-entry", c->entry,
                     "only for an SMM monitor");
    check_msr_area(faults, can, "VM-entry MSR-load address", &c->entry_load);
}

static bool vector_fits(unsigned type, uint8_t vector)
{
    switch (type) {
    case VMX_EVENT_NMI:
        return vector == VECTOR_NMI;
    case VMX_EVENT_HARDWARE:
        return vector < 32;
    case VMX_EVENT_OTHER:
        return vector == 0;
    default:
        return true;
    }
}

static void check_error_code(struct vmx_faults *faults, const struct vmx_fields *fields,
                             const struct vmx_features *can)
{
    const uint64_t basic_any_error = HV_BIT(56);
    const struct vmx_control_fields *c = &fields->control;
    uint8_t vector = (uint8_t)c->event;
    bool error = c->event & VMX_EVENT_ERROR;
    bool hardware = VMX_EVENT_TYPE(c->event) == VMX_EVENT_HARDWARE;
    bool possible = hardware && (fields->guest.cr0 & CR0_PE);

    vmx_expect(faults, !error || hardware, "event", c->event, "an error code with no exception");
    if (hardware)
        vmx_expect(faults, !error || possible, "event", c->event, "an error code in real mode");
    if (possible && vector < 32 && !(can->basic & basic_any_error))
        vmx_expect(faults, error == (VMX_WITH_ERROR >> vector & 1), "event", c->event,
                   error ? "an error code that the exception does not have"
                         : "the exception's error code is missing");
    if (error)
        vmx_expect_clear(faults, 0xffff0000, "event's error code", c->event_error, "reserved bits");
}

/* "VM-Entry Controls for Event Injection". */
static void check_event(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can)
{
    enum { RESERVED_TYPE = 1, LONGEST = 15, MISC_LENGTH_0 = 30 };
    const uint32_t reserved = 0x7ffff000;
    const struct vmx_control_fields *c = &fields->control;
    unsigned type = VMX_EVENT_TYPE(c->event);
    bool has_mtf = vmx_controls_allow(can->cpu, VMX_CPU_MTF);

    if (!(c->event & VMX_EVENT_VALID))
        return;
    vmx_expect(faults, type != RESERVED_TYPE && (type != VMX_EVENT_OTHER || has_mtf), "event",
               c->event, "there is no such type on this processor");
    vmx_expect(faults, vector_fits(type, (uint8_t)c->event), "event", c->event,
               "its vector is not one of its type");
    check_error_code(faults, fields, can);
    vmx_expect_clear(faults, reserved, "event", c->event, "reserved bits");
    if (type == VMX_EVENT_SOFT_INT || type == VMX_EVENT_PRIVILEGED ||
        type == VMX_EVENT_SOFT_EXCEPTION)
        vmx_expect(faults,
                   c->event_length <= LONGEST &&
                       (c->event_length || (can->misc >> MISC_LENGTH_0 & 1)),
                   "event's instruction length", c->event_length, "has to be 1 to 15");
}

void vmx_check_controls(struct vmx_faults *faults, const struct vmx_fields *fields,
                        const struct vmx_features *can)
{
    faults->group = "control";
    check_execution(faults, &fields->control, can);
    check_exit_entry(faults, &fields->control, can);
    check_event(faults, fields, can);
}
