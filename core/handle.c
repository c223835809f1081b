#include "core/handle.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/backend.h"
#include "core/debug_regs.h"
#include "core/guest_memory.h"
#include "core/insn_bytes.h"
#include "core/io_policy.h"
#include "core/ipi.h"
#include "core/mediate.h"
#include "core/policy.h"
#include "core/string_io.h"
#include "core/task_switch.h"

static core_catch_fn catch;

void core_set_catch(core_catch_fn is_caught)
{
    catch = is_caught;
}

static enum core_result handle_cpuid(struct vcpu *v, const struct hv_exit *exit)
{
    uint64_t *gpr = v->regs.gpr;
    uint32_t leaf = (uint32_t)gpr[GPR_RAX];
    uint32_t subleaf = (uint32_t)gpr[GPR_RCX];
    struct cpuid_result r = cpuid(leaf, subleaf);
    struct cpuid_words words = {r.eax, r.ebx, r.ecx, r.edx};

    vcpu_need(v, REGS_CONTROL);
    words = cpuid_policy(leaf, subleaf, words, v->regs.cr4);
    gpr[GPR_RAX] = words.eax;
    gpr[GPR_RBX] = words.ebx;
    gpr[GPR_RCX] = words.ecx;
    gpr[GPR_RDX] = words.edx;
    vcpu_skip(v, insn_length(v, exit));
    return CORE_DONE;
}

static enum core_result handle_msr(struct vcpu *v, const struct hv_exit *exit)
{
    uint64_t *gpr = v->regs.gpr;
    uint32_t msr = (uint32_t)gpr[GPR_RCX];
    uint64_t value = (uint32_t)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;
    bool ok;

    if (exit->kind == HV_EXIT_MSR_READ) {
        ok = msr_policy_read(v, msr, &value);
        if (ok) {
            gpr[GPR_RAX] = (uint32_t)value;
            gpr[GPR_RDX] = value >> 32;
        }
    } else {
        ok = msr_policy_write(v, msr, value);
    }
    if (!ok) {
        vcpu_raise_error(v, VECTOR_GP, 0);
        return CORE_RAISED;
    }
    vcpu_skip(v, insn_length(v, exit));
    return CORE_DONE;
}

static enum core_result handle_io(struct vcpu *v, const struct hv_exit *exit)
{
    if (exit->io.string)
        return string_io(v, exit);

    uint64_t *rax = &v->regs.gpr[GPR_RAX];
    uint32_t value = (uint32_t)*rax;
    v->noticed |= io_policy_access(exit->io.port, exit->io.size, exit->io.in, &value);
    if (exit->io.in) {
        switch (exit->io.size) {
        case 1:
            *rax = (*rax & ~0xffULL) | (value & 0xff);
            break;
        case 2:
            *rax = (*rax & ~0xffffULL) | (value & 0xffff);
            break;
        default:
            *rax = value;
            break;
        }
    }
    vcpu_skip(v, insn_length(v, exit));
    return CORE_DONE;
}

/* MOV to or from DR: 0F 21 and 0F 23, the register pair in ModRM. */
static enum core_result handle_dr(struct vcpu *v)
{
    struct x86_insn insn;

    if (insn_at_rip(v, &insn) != HV_OK || insn.map != X86_MAP_0F ||
        (insn.opcode != 0x21 && insn.opcode != 0x23))
        return CORE_UP;
    if (insn.reg > 7) {
        vcpu_raise(v, VECTOR_UD);
        return CORE_RAISED;
    }
    bool write = insn.opcode == 0x23;
    uint64_t mask = insn.bits == X86_64 ? UINT64_MAX : UINT32_MAX;
    uint64_t value = v->regs.gpr[insn.rm] & mask;
    if (!debug_regs_move(v, insn.reg, write, &value))
        return CORE_RAISED;
    if (!write)
        v->regs.gpr[insn.rm] = value & mask;
    vcpu_skip(v, insn.length);
    return CORE_DONE;
}

static enum core_result handle_xsetbv(struct vcpu *v, const struct hv_exit *exit)
{
    const uint64_t *gpr = v->regs.gpr;
    uint64_t value = (uint32_t)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;
    struct cpuid_result known = cpuid(0xd, 0);

    if ((uint32_t)gpr[GPR_RCX] != 0 || !xcr0_policy(value, known.eax | (uint64_t)known.edx << 32)) {
        vcpu_raise_error(v, VECTOR_GP, 0);
        return CORE_RAISED;
    }
    xsetbv0(value);
    vcpu_skip(v, insn_length(v, exit));
    return CORE_DONE;
}

/*
 * A processor may refuse the guest's state where a MOV to CR should have raised #GP. That is told
 * from a state that was bad before by what stands at RIP, and by not happening twice in a row.
 */
static enum core_result handle_invalid(struct vcpu *v)
{
    uint8_t bytes[2];

    if (guest_linear_read(v, vcpu_linear_rip(v), bytes, 2) != 2 || bytes[0] != 0x0f ||
        bytes[1] != 0x22 || v->refused)
        return CORE_UP;
    v->refused = true;
    vcpu_raise_error(v, VECTOR_GP, 0);
    return CORE_RAISED;
}

static enum core_result handle_stage2(struct vcpu *v, const struct hv_exit *exit)
{
    if (stage2_fill(exit->stage2.address, vcpu_count() == 1)) {
        hv_backend->flush(v);
        return CORE_RETRY;
    }
    if (guest_memory_is_self(exit->stage2.address))
        v->hidden_accesses++;
    if (mediate_move(v, exit->stage2.address, exit->stage2.write))
        return CORE_DONE;
    return CORE_STAGE2;
}

/* SDM vol. 3, "Interrupt 8 - Double Fault Exception (#DF)": the classes of exceptions. */
static bool is_contributory(uint8_t vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP) ||
           vector == VECTOR_CP;
}

/* Does the second, raised in the delivery of the first, make the first worse? */
static bool is_double(const struct hv_event *first, uint8_t second)
{
    if (first->type != HV_EVENT_EXCEPTION)
        return false;
    if (first->vector == VECTOR_PF || first->vector == VECTOR_DF)
        return second == VECTOR_PF || second == VECTOR_DF || is_contributory(second);
    return is_contributory(first->vector) && is_contributory(second);
}

static enum core_result handle_exception(struct vcpu *v, struct hv_exit *exit)
{
    if (is_double(&v->event, exit->exception.vector)) {
        if (v->event.vector == VECTOR_DF) {
            *exit = (struct hv_exit){.kind = HV_EXIT_SHUTDOWN};
            return CORE_UP;
        }
        vcpu_raise_error(v, VECTOR_DF, 0);
        return CORE_RAISED;
    }
    if (exit->exception.vector == VECTOR_PF) {
        vcpu_change(v, REGS_CONTROL);
        v->regs.cr2 = exit->exception.address;
    }
    vcpu_raise(v, exit->exception.vector);
    v->event.has_error = exit->exception.has_error;
    v->event.error = exit->exception.error;
    return CORE_RAISED;
}

/* What only debug has asked for, and it does not want this one. */
static bool is_asked_by_debug(const struct vcpu *v, const struct hv_exit *exit)
{
    bool watched = (v->traps & TRAP_WATCHED) && !v->passing;

    switch (exit->kind) {
    case HV_EXIT_CR_WRITE:
        return true;
    case HV_EXIT_IO:
        return watched && !io_policy_wants(exit->io.port, exit->io.size);
    case HV_EXIT_MSR_READ:
    case HV_EXIT_MSR_WRITE:
        return watched && !msr_policy_wants((uint32_t)v->regs.gpr[GPR_RCX]);
    default:
        return false;
    }
}

static enum core_result handle(struct vcpu *v, struct hv_exit *exit)
{
    if (is_asked_by_debug(v, exit))
        return CORE_PASS;
    switch (exit->kind) {
    case HV_EXIT_NONE:
        return CORE_RETRY;
    case HV_EXIT_CPUID:
        return handle_cpuid(v, exit);
    case HV_EXIT_MSR_READ:
    case HV_EXIT_MSR_WRITE:
        return handle_msr(v, exit);
    case HV_EXIT_IO:
        return handle_io(v, exit);
    case HV_EXIT_DR:
        return handle_dr(v);
    case HV_EXIT_HLT:
        return CORE_HALT;
    case HV_EXIT_MWAIT: /* trapped only in a step: as if it woke at once */
        vcpu_skip(v, insn_length(v, exit));
        return CORE_DONE;
    case HV_EXIT_IRET:
        v->nmi_blocked = false; /* core_run() lets the IRET itself run before the next NMI */
        v->core_traps &= ~(unsigned)TRAP_IRET;
        return CORE_RETRY;
    case HV_EXIT_TASK_SWITCH:
        return task_switch(v, exit);
    case HV_EXIT_INVD: /* without the loss of what the host has written */
        wbinvd();
        vcpu_skip(v, insn_length(v, exit));
        return CORE_DONE;
    case HV_EXIT_XSETBV:
        return handle_xsetbv(v, exit);
    case HV_EXIT_VIRT_INSN:
        vcpu_raise(v, VECTOR_UD);
        return CORE_RAISED;
    case HV_EXIT_EXCEPTION:
        return handle_exception(v, exit);
    case HV_EXIT_SOFT_INT:
        vcpu_raise_soft(v, exit->soft_int.vector, (uint8_t)insn_length(v, exit));
        return CORE_RAISED;
    case HV_EXIT_STAGE2:
        return handle_stage2(v, exit);
    case HV_EXIT_BAD_CR:
        vcpu_raise_error(v, VECTOR_GP, 0);
        return CORE_RAISED;
    case HV_EXIT_INVALID:
        return handle_invalid(v);
    case HV_EXIT_INIT:
        ipi_note_init(v);
        return CORE_UP;
    case HV_EXIT_NMI:
    case HV_EXIT_DEBUG:
    case HV_EXIT_BREAKPOINT:
    case HV_EXIT_ICEBP:
    case HV_EXIT_FETCH:
    case HV_EXIT_STEP:
    case HV_EXIT_SHUTDOWN:
    case HV_EXIT_CR_WRITE:
    case HV_EXIT_UNKNOWN:
    case HV_EXIT_KINDS:
        return CORE_UP;
    }
    return CORE_UP;
}

enum core_result core_handle(struct vcpu *v, struct hv_exit *exit)
{
    if (catch && !v->passing && catch (v, exit))
        return CORE_UP;

    enum core_result result = handle(v, exit);

    if (exit->kind != HV_EXIT_INVALID)
        v->refused = false;

    /* The guest's own TF traps behind an instruction that we carried out, too; that of a task
     * behind its first. */
    if (result == CORE_DONE && exit->kind != HV_EXIT_TASK_SWITCH &&
        vcpu_owes_step(v, v->regs.rflags, false))
        vcpu_raise_step(v);
    return result;
}
