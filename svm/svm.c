#include "svm/svm.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "arch/x86/traps.h"
#include "core/insn_bytes.h"
#include "core/policy.h"
#include "core/step_trap.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "svm/bitmaps.h"
#include "svm/exit.h"
#include "svm/features.h"
#include "svm/state.h"
#include "svm/vmcb.h"

/* enter.asm */
void svm_enter(hpa_t vmcb, uint64_t *gpr, hpa_t host_vmcb, uint64_t dr7);

enum { ASID_NORMAL = 1, ASID_NO_EXECUTE = 2, ASID_VIEW = 3, ASIDS = 14 /* their bits */ };
enum { SHADOW = 1 };

struct svm_cpu {
    struct vmcb vmcb;        /* the guest's */
    struct vmcb host_vmcb;   /* VMSAVE state of the host: TR above all */
    uint8_t host_save[4096]; /* VM_HSAVE_PA: the processor's own */
    uint32_t stale_asids;    /* bit n: translations of ASID n are out of date */
} HV_ALIGNED(4096);

static struct svm_cpu cpus[HV_MAX_CPUS];
static uint8_t msrpm[POLICY_MAPS][SVM_MSRPM_SIZE] HV_ALIGNED(4096);
static struct svm_features features;

/* Nested paging takes the format of the host's own tables: P, RW, US; PS; NX. */
static const struct stage2_format npt_format = {
    .table = 7, .leaf = 5, .large = 0x80, .write = 2, .execute = 0, .no_execute = 1ULL << 63};

/*
 * CPUID's bits of what a guest cannot have: INVLPGB and TLBSYNC, #UD there without a control of
 * their own; memory encryption, whose key we would have to see the guest's memory with.
 */
static const struct cpuid_row hidden[] = {
    {0x80000008, CPUID_ANY_SUBLEAF, {.ebx = HV_BIT(3)}},
    {0x8000001f, CPUID_ANY_SUBLEAF, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
};

static const char *svm_present(void)
{
    features = svm_features_read();
    return svm_features_refusal(&features);
}

static size_t svm_describe(char *text, size_t size)
{
    return svm_features_text(&features, text, size);
}

static void build_maps(void)
{
    msr_policy_build(msrpm[0], SVM_MSRPM_SIZE, svm_msrpm_add);
    io_policy_build();
}

static void svm_cpu_on(struct vcpu *v)
{
    struct svm_cpu *cpu = &cpus[v->number];

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, (hpa_t)cpu->host_save);
    clgi();
    vmsave((hpa_t)&cpu->host_vmcb);

    build_maps();
    cpuid_policy_hide(hidden, HV_ARRAY_SIZE(hidden));
    cpu->vmcb.control.nested_control = 1;
    cpu->vmcb.control.lbr_control = features.lbr;
    cpu->vmcb.save.pat = rdmsr(MSR_PAT);
    cpu->stale_asids = ASIDS;
}

static void svm_remap(void)
{
    build_maps();
    for (unsigned i = 0; i < vcpu_count(); i++)
        cpus[i].vmcb.control.clean &= ~(uint32_t)SVM_CLEAN_IOPM;
}

static void svm_cpu_off(struct vcpu *v)
{
    (void)v;
    wrmsr(MSR_VM_HSAVE_PA, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
}

static void svm_reset(struct vcpu *v)
{
    struct vmcb *vmcb = &cpus[v->number].vmcb;
    uint64_t pat = vmcb->save.pat;

    memset(&vmcb->save, 0, sizeof(vmcb->save));
    vmcb->save.pat = pat;
    vmcb->control.clean = 0;
    v->changed = REGS_ALL;
}

static void set_maps(struct vmcb_control *c, enum policy_map map)
{
    hpa_t iopm = (hpa_t)io_policy_map(map);

    if (c->iopm_base == iopm)
        return;
    c->iopm_base = iopm;
    c->msrpm_base = (hpa_t)msrpm[map];
    c->clean &= ~(uint32_t)SVM_CLEAN_IOPM;
}

/* Always: NMIs are how we get in; SVM is not there for the guest; a triple fault is a stop. */
static void set_intercepts(const struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    struct vmcb_control old = vmcb->control;
    struct vmcb_control *c = &vmcb->control;
    unsigned traps = vcpu_traps(v, mode == RUN_STEP);

    if (mode == RUN_STEP)
        traps |= TRAP_DR_READS;
    set_maps(c, traps & TRAP_WATCHED ? POLICY_WATCHED : POLICY_OWN);

    c->intercept3 = SVM_INTERCEPT_NMI | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVLPGA |
                    SVM_INTERCEPT_INVD | SVM_INTERCEPT_IOIO | SVM_INTERCEPT_MSR |
                    (uint32_t)SVM_INTERCEPT_SHUTDOWN;
    c->intercept4 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD |
                    SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI |
                    SVM_INTERCEPT_SKINIT;
    c->exceptions = vcpu_exceptions(v, traps);
    c->cr_writes = (uint16_t)(traps & TRAP_CR0_WRITES ? HV_BIT(0) : 0) |
                   (uint16_t)(traps & TRAP_CR3_WRITES ? HV_BIT(3) : 0) |
                   (uint16_t)(traps & TRAP_CR4_WRITES ? HV_BIT(4) : 0);
    c->dr_writes = 0xffff;
    c->dr_reads = traps & TRAP_DR_READS ? 0xffff : 0;
    if (traps & TRAP_DEBUG)
        c->intercept4 |= SVM_INTERCEPT_ICEBP;      /* INT1's #DB is the guest's */
    if (traps & (TRAP_BREAKPOINT | TRAP_SOFT_INT)) /* some processors report INT3 only so */
        c->intercept3 |= SVM_INTERCEPT_INTN;
    if (traps & TRAP_IRET)
        c->intercept3 |= SVM_INTERCEPT_IRET;
    if ((traps & TRAP_HLT) && mode != RUN_HALTED)
        c->intercept3 |= SVM_INTERCEPT_HLT;
    if (mode == RUN_HALTED)
        c->intercept3 |= SVM_INTERCEPT_INTR;
    if (traps & TRAP_STEP) {
        /* A task switch would keep our TF in the old task, and end it in the new one. */
        c->intercept3 |= SVM_INTERCEPT_INTN | SVM_INTERCEPT_HLT | SVM_INTERCEPT_TASK_SWITCH;
        c->intercept4 |= SVM_INTERCEPT_ICEBP | SVM_INTERCEPT_MWAIT;
    }
    if (memcmp(&old, c, offsetof(struct vmcb_control, reserved1)) != 0)
        c->clean &= ~(uint32_t)SVM_CLEAN_INTERCEPTS;
}

static bool holds_interrupts(enum hv_run_mode mode)
{
    return mode == RUN_STEP || mode == RUN_TO_FETCH;
}

/* The view and its ASID; whether device interrupts are held (the host's IF is 0). */
static void set_mode(enum hv_run_mode mode, unsigned number)
{
    struct svm_cpu *cpu = &cpus[number];
    struct vmcb_control *c = &cpu->vmcb.control;
    bool no_execute = run_stops_at_fetch(mode);
    hpa_t root = stage2_root(number, no_execute ? STAGE2_NO_EXECUTE : STAGE2_NORMAL);
    uint32_t asid = no_execute ? ASID_NO_EXECUTE : stage2_in_view(number) ? ASID_VIEW : ASID_NORMAL;

    if (c->asid != asid || c->nested_cr3 != root) {
        c->asid = asid;
        c->nested_cr3 = root;
        c->clean &= ~(uint32_t)(SVM_CLEAN_ASID | SVM_CLEAN_NP);
    }
    c->tlb_control = SVM_TLB_KEEP;
    if (cpu->stale_asids & HV_BIT(asid)) {
        c->tlb_control = features.flush_by_asid ? SVM_TLB_FLUSH_ASID : SVM_TLB_FLUSH_ALL;
        cpu->stale_asids &= features.flush_by_asid ? ~(uint32_t)HV_BIT(asid) : 0;
    }
    uint64_t control = holds_interrupts(mode) ? SVM_V_INTR_MASKING | (read_cr8() & 0xf) : 0;
    if (c->interrupt_control != control) {
        c->interrupt_control = control;
        c->clean &= ~(uint32_t)SVM_CLEAN_TPR;
    }
}

static void load_debug_regs(struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    /* Where #DB exits, DR6 begins empty, so that it tells this one's causes and no older ones. */
    bool trapped = mode == RUN_STEP || (v->traps & TRAP_DEBUG);
    uint64_t dr6 = trapped ? DR6_RESET : v->debug_regs.dr6;

    if (v->dr_dirty) {
        write_dr0(v->live_dr[0]);
        write_dr1(v->live_dr[1]);
        write_dr2(v->live_dr[2]);
        write_dr3(v->live_dr[3]);
        v->dr_dirty = false;
    }
    if (vmcb->save.dr6 != dr6 || vmcb->save.dr7 != v->live_dr7) {
        vmcb->save.dr6 = dr6;
        vmcb->save.dr7 = v->live_dr7;
        vmcb->control.clean &= ~(uint32_t)SVM_CLEAN_DR;
    }
    if (features.lbr && vmcb->save.debug_control != v->debug_regs.debugctl) {
        vmcb->save.debug_control = v->debug_regs.debugctl;
        vmcb->control.clean &= ~(uint32_t)SVM_CLEAN_LBR;
    }
}

/*
 * A software interrupt pushes the address behind its instruction: with nRIP saving the processor
 * takes that from the VMCB's nRIP field, without it RIP has to be there already.
 */
static void load_event(struct vcpu *v, struct vmcb *vmcb)
{
    vmcb->control.event_injection = svm_event_encode(&v->event);
    if (v->event.type == HV_EVENT_SOFT) {
        uint64_t next = v->regs.rip + v->event.insn_length;
        vmcb->control.next_rip = next;
        if (!features.nrip)
            vmcb->save.rip = next;
    }
    if (v->event.type == HV_EVENT_NMI)
        v->nmi_blocked = true;
    v->event.type = HV_EVENT_NONE;
}

static void load_guest(struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    unsigned stale = svm_state_commit(vmcb, v->changed, &v->regs);

    vmcb->control.clean &= ~stale;
    if (v->changed & REGS_CONTROL)
        write_cr8(v->regs.cr8);
    if (v->changed & REGS_PAT)
        cpus[v->number].stale_asids = ASIDS; /* its types are kept with translations */
    v->changed = 0;
    vmcb->save.rax = v->regs.gpr[GPR_RAX];
    vmcb->save.rsp = v->regs.gpr[GPR_RSP];
    vmcb->save.rip = v->regs.rip;
    vmcb->save.rflags = v->regs.rflags | RFLAGS_ONE;
    vmcb->control.interrupt_shadow = v->interrupt_shadow ? SHADOW : 0;
    set_intercepts(v, mode, vmcb);
    set_mode(mode, v->number);
    load_debug_regs(v, mode, vmcb);
    load_event(v, vmcb);
    if (!features.clean_bits)
        vmcb->control.clean = 0;
}

/*
 * Without decode assists nothing but the instruction itself tells which software interrupt it was.
 * Its opcode, or -1 when it cannot be read.
 */
static int soft_int_opcode(struct vcpu *v, struct x86_insn *insn)
{
    if (insn_at_rip(v, insn) != HV_OK || insn->map != X86_MAP_ONE_BYTE)
        return -1;
    return insn->opcode;
}

static void decode_exit(struct vcpu *v, const struct vmcb *vmcb, struct hv_exit *exit)
{
    enum { OPCODE_INT = 0xcd };
    struct x86_insn insn;

    if (!svm_exit_needs_opcode(vmcb)) {
        svm_exit_decode(vmcb, -1, exit);
        return;
    }
    int opcode = soft_int_opcode(v, &insn);
    svm_exit_decode(vmcb, opcode, exit);
    if (opcode >= 0)
        exit->insn_length = insn.length;
    if (opcode == OPCODE_INT)
        exit->soft_int.vector = (uint8_t)insn.imm;
}

static void store_guest(struct vcpu *v, enum hv_run_mode mode, struct vmcb *vmcb)
{
    v->valid = 0;
    v->regs.gpr[GPR_RAX] = vmcb->save.rax;
    v->regs.gpr[GPR_RSP] = vmcb->save.rsp;
    v->regs.rip = vmcb->save.rip;
    v->regs.rflags = vmcb->save.rflags;
    v->interrupt_shadow = vmcb->control.interrupt_shadow & SHADOW;
    if (mode != RUN_STEP && !(v->traps & TRAP_DEBUG))
        v->debug_regs.dr6 = vmcb->save.dr6;
    if (features.lbr)
        v->debug_regs.debugctl = vmcb->save.debug_control;
    if (holds_interrupts(mode))
        write_cr8(vmcb->control.interrupt_control & 0xf);

    struct hv_event interrupted = svm_event_interrupted(vmcb->control.exit_int_info);
    if (interrupted.type == HV_EVENT_NMI)
        v->nmi_blocked = false; /* it is not delivered yet */
    if (interrupted.type == HV_EVENT_SOFT)
        interrupted.insn_length =
            features.nrip ? (uint8_t)(vmcb->control.next_rip - vmcb->save.rip) : 0;
    v->event = interrupted;
}

static void svm_run(struct vcpu *v, enum hv_run_mode mode, struct hv_exit *exit)
{
    struct svm_cpu *cpu = &cpus[v->number];
    struct vmcb *vmcb = &cpu->vmcb;

    load_guest(v, mode, vmcb);
    bool armed = v->live_dr7 & 0xff;
    svm_enter((hpa_t)vmcb, v->regs.gpr, (hpa_t)&cpu->host_vmcb, armed ? v->live_dr7 : 0);
    /* What a processor keeps of a state it refused is not known. */
    vmcb->control.clean = svm_exit_is_invalid(vmcb) ? 0 : SVM_CLEAN_ALL;
    store_guest(v, mode, vmcb);

    decode_exit(v, vmcb, exit);
    if (exit->kind == HV_EXIT_STAGE2 && run_stops_at_fetch(mode) && exit->stage2.execute)
        exit->kind = HV_EXIT_FETCH;
    if (features.nrip && exit->insn_length == 0 && vmcb->control.next_rip > vmcb->save.rip &&
        vmcb->control.next_rip - vmcb->save.rip <= 15)
        exit->insn_length = (uint8_t)(vmcb->control.next_rip - vmcb->save.rip);
    v->exits[exit->kind]++;
}

static void svm_fetch(struct vcpu *v, unsigned groups)
{
    svm_state_fetch(&cpus[v->number].vmcb, groups, &v->regs);
    if (groups & REGS_CONTROL)
        v->regs.cr8 = read_cr8();
}

static void svm_take_nmi(void)
{
    take_pending_nmi();
}

static bool svm_wait(struct vcpu *v)
{
    const uint64_t *nmis = traps_nmi_counter();
    uint64_t seen = *nmis;
    (void)v;

    stgi();
    traps_wait_nmi(nmis, seen);
    clgi();
    return true;
}

static void svm_flush(struct vcpu *v)
{
    cpus[v->number].stale_asids = ASIDS;
}

static void svm_dump(struct vcpu *v, void (*line)(const char *text))
{
    const struct vmcb *b = &cpus[v->number].vmcb;
    char text[100];

    fmt_print(text, sizeof(text), "exit code %llx info %llx %llx interrupted %llx injected %llx",
              (unsigned long long)b->control.exit_code, (unsigned long long)b->control.exit_info1,
              (unsigned long long)b->control.exit_info2,
              (unsigned long long)b->control.exit_int_info,
              (unsigned long long)b->control.event_injection);
    line(text);
    fmt_print(text, sizeof(text), "cr0 %llx cr3 %llx cr4 %llx efer %llx rflags %llx",
              (unsigned long long)b->save.cr0, (unsigned long long)b->save.cr3,
              (unsigned long long)b->save.cr4, (unsigned long long)b->save.efer,
              (unsigned long long)b->save.rflags);
    line(text);
    fmt_print(text, sizeof(text), "cs %x base %llx attributes %x  ss %x attributes %x  cpl %u",
              (unsigned)b->save.cs.selector, (unsigned long long)b->save.cs.base,
              (unsigned)b->save.cs.attributes, (unsigned)b->save.ss.selector,
              (unsigned)b->save.ss.attributes, (unsigned)b->save.cpl);
    line(text);
}

const struct hv_backend svm_backend = {
    .name = "AMD SVM",
    .maker = svm_features_maker,
    .present = svm_present,
    .describe = svm_describe,
    .stage2 = &npt_format,
    .gib_pages = svm_features_gib_pages,
    .cpu_on = svm_cpu_on,
    .cpu_off = svm_cpu_off,
    .reset = svm_reset,
    .run = svm_run,
    .step = core_step_by_trap,
    .fetch = svm_fetch,
    .take_nmi = svm_take_nmi,
    .wait = svm_wait,
    .flush = svm_flush,
    .remap = svm_remap,
    .dump = svm_dump,
};
