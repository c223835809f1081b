/* What is caught, in words. */
#include "arch/x86/registers.h"
#include "core/insn_bytes.h"
#include "debug/catch.h"
#include "hv/compiler.h"
#include "lib/fmt.h"
#include "lib/string.h"

#define U(x) ((unsigned long long)(x))

/* SDM vol. 3, "Exception and Interrupt Vectors". */
static const char *const exceptions[] = {"#DE", "#DB", NULL,  "#BP", "#OF", "#BR", "#UD", "#NM",
                                         "#DF", NULL,  "#TS", "#NP", "#SS", "#GP", "#PF", NULL,
                                         "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
static const char *const phases[PHASES] = {"protected", "paging", "long", "ring3"};

const char *catch_exception_name(uint64_t vector)
{
    return vector < HV_ARRAY_SIZE(exceptions) ? exceptions[vector] : NULL;
}

const char *catch_phase_name(enum catch_phase phase)
{
    return phases[phase];
}

/* "0x10" or "0x10-0x1f". */
static void range_text(const struct catch *c, char *text, size_t size)
{
    if (c->first == c->last)
        fmt_print(text, size, "0x%llx", U(c->first));
    else
        fmt_print(text, size, "0x%llx-0x%llx", U(c->first), U(c->last));
}

static void exception_text(uint64_t vector, char *text, size_t size)
{
    const char *name = catch_exception_name(vector);

    if (name)
        str_copy(text, size, name);
    else
        fmt_print(text, size, "exception %llu", U(vector));
}

static void describe_exception(const struct catch *c, char *text, size_t size)
{
    char name[24], error[24] = "", address[48] = "";

    fmt_print(name, sizeof(name), "%s", catch_exception_name(c->first) ? "exception " : "");
    exception_text(c->first, name + strlen(name), sizeof(name) - strlen(name));
    if (c->has_error)
        fmt_print(error, sizeof(error), " error 0x%x", (unsigned)c->error);
    if (c->has_address)
        fmt_print(address, sizeof(address), " cr2 0x%llx-0x%llx", U(c->low), U(c->high));
    fmt_print(text, size, "%s%s%s", name, error, address);
}

void catch_describe(const struct catch *c, char *text, size_t size)
{
    static const char *const msr[] = {"", "read", "write", "access"};
    static const char *const io[] = {"", "in", "out", "both"};
    char range[48];

    range_text(c, range, sizeof(range));
    switch (c->kind) {
    case CATCH_EXCEPTION:
        describe_exception(c, text, size);
        break;
    case CATCH_CR:
        fmt_print(text, size, "cr%llu write", U(c->first));
        break;
    case CATCH_MSR:
        fmt_print(text, size, "msr %s %s", range, msr[c->access & 3]);
        break;
    case CATCH_IO:
        fmt_print(text, size, "io %s %s", range, io[c->access & 3]);
        break;
    case CATCH_CPUID:
        fmt_print(text, size, "cpuid %s", c->last == UINT32_MAX ? "of any leaf" : range);
        break;
    case CATCH_INT:
        fmt_print(text, size, "int %s", range);
        break;
    case CATCH_DOOR:
        fmt_print(text, size, "exitbootservices, at %s", range);
        break;
    case CATCH_PHASE:
        fmt_print(text, size, "phase %s", phases[c->first]);
        break;
    }
}

/* What the instruction at RIP is about to write to CR number. False: it cannot be told. */
static bool new_control(struct vcpu *v, unsigned number, uint64_t *value)
{
    enum { GROUP7 = 0x01, CLTS = 0x06, MOV_TO_CR = 0x22, LMSW = 6, LMSW_BITS = 0xf };
    struct x86_insn insn;

    if (insn_at_rip(v, &insn) != HV_OK || insn.map != X86_MAP_0F)
        return false;
    if (insn.opcode == MOV_TO_CR) {
        *value = insn.bits == X86_64 ? v->regs.gpr[insn.rm] : (uint32_t)v->regs.gpr[insn.rm];
        return insn.reg == number;
    }
    if (number != 0)
        return false;
    if (insn.opcode == CLTS) {
        *value = v->regs.cr0 & ~CR0_TS;
        return true;
    }
    if (insn.opcode != GROUP7 || (insn.modrm >> 3 & 7) != LMSW || insn.mod != 3)
        return false;
    /* It cannot clear PE. */
    *value = (v->regs.cr0 & ~(uint64_t)(LMSW_BITS & ~CR0_PE)) | (v->regs.gpr[insn.rm] & LMSW_BITS);
    return true;
}

static void say_control(struct vcpu *v, unsigned number, char *text, size_t size)
{
    uint64_t value, old;

    vcpu_need(v, REGS_CONTROL);
    old = number == 0 ? v->regs.cr0 : number == 3 ? v->regs.cr3 : v->regs.cr4;
    if (new_control(v, number, &value))
        fmt_print(text, size, "write of CR%u 0x%llx, was 0x%llx", number, U(value), U(old));
    else
        fmt_print(text, size, "write of CR%u, was 0x%llx", number, U(old));
}

static void say_exception(struct vcpu *v, const struct hv_exit *exit, char *text, size_t size)
{
    char name[24], error[24] = "", address[32] = "";

    exception_text(exit->exception.vector, name, sizeof(name));
    if (exit->exception.has_error)
        fmt_print(error, sizeof(error), ", error 0x%x", (unsigned)exit->exception.error);
    if (exit->exception.vector == VECTOR_PF)
        fmt_print(address, sizeof(address), ", cr2 0x%llx", U(exit->exception.address));
    fmt_print(text, size, "%s at 0x%llx%s%s", name, U(vcpu_linear_rip(v)), error, address);
}

static void say_io(const struct vcpu *v, const struct hv_exit *exit, char *text, size_t size)
{
    uint64_t mask = HV_BIT(8 * exit->io.size) - 1;
    char value[24] = "";

    if (!exit->io.in && !exit->io.string)
        fmt_print(value, sizeof(value), ": 0x%llx", U(v->regs.gpr[GPR_RAX] & mask));
    fmt_print(text, size, "%s port 0x%x, %u byte%s%s", exit->io.in ? "in from" : "out to",
              (unsigned)exit->io.port, (unsigned)exit->io.size, exit->io.size > 1 ? "s" : "",
              value);
}

static void say_what(struct vcpu *v, const struct hv_exit *exit, char *text, size_t size)
{
    const uint64_t *gpr = v->regs.gpr;

    switch (exit->kind) {
    case HV_EXIT_EXCEPTION:
        say_exception(v, exit, text, size);
        break;
    case HV_EXIT_DEBUG:
    case HV_EXIT_ICEBP:
        fmt_print(text, size, "#DB at 0x%llx", U(vcpu_linear_rip(v)));
        break;
    case HV_EXIT_BREAKPOINT:
        fmt_print(text, size, "#BP at 0x%llx", U(vcpu_linear_rip(v)));
        break;
    case HV_EXIT_CR_WRITE:
        say_control(v, exit->cr.number, text, size);
        break;
    case HV_EXIT_MSR_READ:
        fmt_print(text, size, "read of MSR 0x%x", (unsigned)gpr[GPR_RCX]);
        break;
    case HV_EXIT_MSR_WRITE:
        fmt_print(text, size, "write of MSR 0x%x 0x%llx", (unsigned)gpr[GPR_RCX],
                  U(gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX]));
        break;
    case HV_EXIT_IO:
        say_io(v, exit, text, size);
        break;
    case HV_EXIT_CPUID:
        fmt_print(text, size, "CPUID leaf 0x%x, subleaf 0x%x", (unsigned)gpr[GPR_RAX],
                  (unsigned)gpr[GPR_RCX]);
        break;
    case HV_EXIT_SOFT_INT:
        fmt_print(text, size, "INT 0x%x, eax 0x%x", (unsigned)exit->soft_int.vector,
                  (unsigned)gpr[GPR_RAX]);
        break;
    default:
        fmt_print(text, size, "%s", hv_exit_name(exit->kind));
        break;
    }
}

void catch_say(struct vcpu *v, const struct catch *c, const struct hv_exit *exit, char *text,
               size_t size)
{
    char what[96];

    if (c->kind == CATCH_PHASE)
        fmt_print(what, sizeof(what), "phase %s begins, %s, ring %u", phases[c->first],
                  vcpu_mode_name(v), vcpu_cpl(v));
    else if (c->kind == CATCH_DOOR) /* UEFI specification, "EFI_BOOT_SERVICES.ExitBootServices()" */
        fmt_print(what, sizeof(what), "ExitBootServices is called, image %llx, map key 0x%llx",
                  U(v->regs.gpr[GPR_RCX]), U(v->regs.gpr[GPR_RDX]));
    else
        say_what(v, exit, what, sizeof(what));
    fmt_print(text, size, "catch %u: %s", c->number, what);
}
