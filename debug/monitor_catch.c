/* `monitor catch`. */
#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/guest_memory.h"
#include "debug/catch.h"
#include "debug/gate.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "lib/string.h"

enum { EXCEPTIONS = 32, PORTS = 0x10000, INTS = 256 };

static void list(void)
{
    unsigned count = 0;
    char text[100];

    for (unsigned i = 0; i < CATCHES; i++) {
        const struct catch *c = catch_at(i);

        if (!c)
            continue;
        count++;
        catch_describe(c, text, sizeof(text));
        monitor_line("%-3u %s", c->number, text);
    }
    if (!count)
        monitor_line("nothing is caught");
}

static bool take_exception_name(const char **rest, uint64_t *vector)
{
    char name[] = "#xx";

    for (unsigned i = 0; i < EXCEPTIONS; i++) {
        const char *known = catch_exception_name(i);

        if (!known)
            continue;
        str_copy(name, sizeof(name), known);
        *vector = i;
        if (monitor_take(rest, name) || monitor_take(rest, name + 1))
            return true;
        name[1] = (char)(name[1] - 'A' + 'a');
        name[2] = (char)(name[2] - 'A' + 'a');
        if (monitor_take(rest, name) || monitor_take(rest, name + 1))
            return true;
    }
    return false;
}

static bool parse_exception(const char **rest, struct catch *c)
{
    uint64_t error;

    c->kind = CATCH_EXCEPTION;
    if (!take_exception_name(rest, &c->first) && !monitor_take_number(rest, &c->first))
        return false;
    c->last = c->first;
    if (c->first >= EXCEPTIONS || c->first == VECTOR_NMI)
        return false;
    if (monitor_take(rest, "error")) {
        if (!monitor_take_number(rest, &error) || error > UINT32_MAX)
            return false;
        c->has_error = true;
        c->error = (uint32_t)error;
    }
    if (monitor_take(rest, "cr2")) {
        c->has_address = true;
        return c->first == VECTOR_PF && monitor_take_range(rest, &c->low, &c->high);
    }
    return true;
}

/* One of three words, the last of which is both others; what there is without a word. */
static unsigned take_access(const char **rest, const char *read, const char *write,
                            const char *both)
{
    if (monitor_take(rest, read))
        return CATCH_READ;
    if (monitor_take(rest, write))
        return CATCH_WRITE;
    monitor_take(rest, both);
    return CATCH_READ | CATCH_WRITE;
}

static bool parse_register(const char **rest, struct catch *c)
{
    static const struct {
        const char *name;
        enum catch_kind kind;
        uint64_t number;
    } registers[] = {{"cr0", CATCH_CR, 0},
                     {"cr3", CATCH_CR, 3},
                     {"cr4", CATCH_CR, 4},
                     {"efer", CATCH_MSR, MSR_EFER}};

    for (unsigned i = 0; i < HV_ARRAY_SIZE(registers); i++) {
        if (!monitor_take(rest, registers[i].name))
            continue;
        monitor_take(rest, "write");
        c->kind = registers[i].kind;
        c->first = c->last = registers[i].number;
        c->access = CATCH_WRITE;
        return true;
    }
    return false;
}

static bool parse_phase(const char **rest, struct catch *c)
{
    c->kind = CATCH_PHASE;
    for (unsigned i = 0; i < PHASES; i++) {
        c->first = c->last = i;
        if (monitor_take(rest, catch_phase_name((enum catch_phase)i)))
            return true;
    }
    return false;
}

/* Where ExitBootServices begins. False: there are no boot services, or no more. */
static bool find_door(struct catch *c)
{
    enum { EXIT_BOOT_SERVICES = 0xe8 }; /* in EFI_BOOT_SERVICES */
    gpa_t pointer = debug.config->boot_services;
    uint64_t services = 0;

    c->kind = CATCH_DOOR;
    if (!pointer || guest_phys_read(pointer, &services, 8) != 8 || !services)
        return false;
    if (guest_phys_read(services + EXIT_BOOT_SERVICES, &c->first, 8) != 8)
        return false;
    c->last = c->first;
    return true;
}

static bool parse(const char **rest, struct catch *c)
{
    *c = (struct catch){.kind = CATCH_EXCEPTION};
    if (monitor_take(rest, "exception"))
        return parse_exception(rest, c);
    if (monitor_take(rest, "phase"))
        return parse_phase(rest, c);
    if (monitor_take(rest, "exitbootservices")) {
        c->kind = CATCH_DOOR;
        return true;
    }
    if (monitor_take(rest, "msr")) {
        c->kind = CATCH_MSR;
        if (!monitor_take_range(rest, &c->first, &c->last))
            return false;
        c->access = take_access(rest, "read", "write", "access");
        return c->last <= UINT32_MAX;
    }
    if (monitor_take(rest, "io")) {
        c->kind = CATCH_IO;
        if (!monitor_take_range(rest, &c->first, &c->last))
            return false;
        c->access = take_access(rest, "in", "out", "both");
        return c->last < PORTS;
    }
    if (monitor_take(rest, "cpuid")) {
        c->kind = CATCH_CPUID;
        c->last = UINT32_MAX;
        monitor_take_range(rest, &c->first, &c->last);
        return c->last <= UINT32_MAX;
    }
    if (monitor_take(rest, "int")) {
        c->kind = CATCH_INT;
        return monitor_take_range(rest, &c->first, &c->last) && c->last < INTS;
    }
    return parse_register(rest, c);
}

static void usage(void)
{
    static const char *const forms[] = {
        "", /* what is caught */
        " exception NUMBER|NAME [error N] [cr2 A[-B]]",
        " cr0|cr3|cr4|efer [write]",
        " msr N[-M] [read|write|access]",
        " io PORT[-PORT] [in|out|both]",
        " cpuid [LEAF[-LEAF]]",
        " int N[-M]",
        " phase protected|paging|long|ring3",
        " exitbootservices",
        " delete N|all",
    };

    for (unsigned i = 0; i < HV_ARRAY_SIZE(forms); i++)
        monitor_line("%s monitor catch%s", i ? "      " : "usage:", forms[i]);
}

static void delete_catch(const char *rest)
{
    bool all = monitor_take(&rest, "all");
    uint64_t number = 0;

    if ((!all && !monitor_take_number(&rest, &number)) || !monitor_at_end(rest)) {
        usage();
        return;
    }
    if (all)
        catch_remove_all();
    else if (number > UINT32_MAX || !catch_remove((unsigned)number))
        monitor_line("there is no catch %llu", U(number));
    debug_update_traps();
    list();
}

/* This processor has no interception of INT n; but what it leads to can be told. */
static void refuse_int(const struct catch *c)
{
    enum { MOST = 8 };
    struct vcpu *v = monitor_vcpu();
    struct gate gate;
    gva_t handler;

    monitor_line("this processor cannot intercept INT n: break where its handler begins");
    for (unsigned n = (unsigned)c->first; n <= c->last && n < c->first + MOST; n++) {
        if (gate_read(v, n, &gate) && gate_has_handler(&gate) && gate_handler(v, &gate, &handler))
            monitor_line("int 0x%02x: break *0x%llx", n, U(handler));
        else
            monitor_line("int 0x%02x has no handler now", n);
    }
    if (c->last - c->first >= MOST)
        monitor_line("`monitor idt` has the others");
}

static void add(struct catch *c)
{
    char text[100];

    if (c->kind == CATCH_INT && (hv_backend->lacks & TRAP_SOFT_INT)) {
        refuse_int(c);
        return;
    }
    if (c->kind == CATCH_DOOR && !find_door(c)) {
        monitor_line("there are no UEFI boot services, or no more");
        return;
    }
    if (catch_add(c, &c->number) != HV_OK) {
        if (c->kind == CATCH_DOOR)
            monitor_line("it takes a hardware breakpoint, and none is free");
        else
            monitor_line("%u things are caught, there is no room for more", (unsigned)CATCHES);
        return;
    }
    debug_update_traps();
    catch_describe(c, text, sizeof(text));
    monitor_line("catch %u: %s", c->number, text);
}

bool monitor_catch(const char *rest)
{
    struct catch c;

    if (monitor_at_end(rest))
        list();
    else if (monitor_take(&rest, "delete"))
        delete_catch(rest);
    else if (parse(&rest, &c) && monitor_at_end(rest))
        add(&c);
    else
        usage();
    return true;
}
